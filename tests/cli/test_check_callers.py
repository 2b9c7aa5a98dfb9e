"""`pointsman check` reads callers as a router does: an entry that would let nobody in is told."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pointsman.api.callers import hash_of
from pointsman.cli.__main__ import main

ONE, TWO = hash_of(b"1" * 43), hash_of(b"2" * 43)
HEAD = """\
apiVersion: v1
kind: Secret
metadata: {name: callers, labels: {pointsman.dev/callers: "true"}}
"""


def entry(*keys: str, **fields: Any) -> str:
    return json.dumps({"keys": keys, **fields})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Check this text: exit status and lines of standard error."""
    monkeypatch.chdir(tmp_path)

    def check(text: str) -> tuple[int, list[str]]:
        Path("c.yaml").write_text(text)
        status = main(["check", "c.yaml"])
        return status, capsys.readouterr().err.splitlines()

    return check


def test_callers_that_a_router_lets_in_are_valid(said: Any, capsys: Any) -> None:
    """In both fields, with all that an entry may say."""
    good = entry(TWO, team="search", policies=["desk"], expiresAt="2030-01-01T00:00:00Z")

    assert said(f"{HEAD}data:\n  app: {encoded(entry(ONE))}\nstringData:\n  other: '{good}'\n") == (
        0,
        [],
    )


def test_callers_that_are_valid_are_counted(tmp_path: Path, capsys: Any) -> None:
    """Else a file of callers alone would seem not to have been read."""
    (tmp_path / "c.yaml").write_text(f"{HEAD}data:\n  app: {encoded(entry(ONE))}\n")

    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "0 ModelBackends, 0 RoutingPolicies and 1 Secret of callers are valid\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            f"data:\n  app: {encoded(entry(ONE))}\n  bad: {encoded(entry('pmk-a-key'))}\n",
            "6: data.bad: keys[0] must be sha256: and 64 hexadecimal digits",
        ),
        (f"data:\n  app: {encoded('no JSON')}\n", "5: data.app: it is not JSON"),
        (
            f"stringData:\n  app: '{entry(ONE, polices=['desk'])}'\n",
            "5: stringData.app: Object contains unknown field `polices`",
        ),
        (
            f"stringData:\n  app: '{entry(ONE, expiresAt='2030-01-01T00:00:00')}'\n",
            "5: stringData.app: Expected `datetime` with a timezone component - at `expiresAt`",
        ),
        (
            f"data:\n  app: {encoded(entry(ONE))}\nstringData:\n  app: '{entry()}'\n",
            "7: stringData.app: Expected `array` of length >= 1 - at `keys`",
        ),
        ("data:\n  app: '{}'\n", "5: data.app: must be base64"),
        ("stringData:\n  app: {keys: []}\n", "5: stringData.app: must be a string"),
        (f"stringData:\n  a/b: '{entry(ONE)}'\n", "1: the name of an entry is no name"),
    ],
)
def test_an_entry_that_lets_nobody_in_is_a_mistake(said: Any, lines: str, problem: str) -> None:
    """With file, line and the router's own words, which quote no value."""
    assert said(HEAD + lines) == (1, [f"c.yaml:{problem}", "1 error"])


def test_a_key_of_two_callers_is_a_mistake_of_both(said: Any) -> None:
    """Also in two Secrets of a namespace; in another namespace it is another router's."""
    first = f"{HEAD}stringData:\n  one: '{entry(ONE)}'\n"
    second = first.replace("name: callers", "name: more").replace("one:", "two:")
    text = "a key of it is a key of {} as well, and counts for nobody"

    assert said(f"{first}---\n{second}") == (
        1,
        [
            f"c.yaml:5: stringData.one: {text.format('two')}",
            f"c.yaml:11: stringData.two: {text.format('one')}",
            "2 errors",
        ],
    )
    assert said(f"{first}---\n{second.replace('name: more', 'namespace: b, name: more')}") == (
        0,
        [],
    )


def test_a_name_that_two_secrets_have_is_a_mistake_of_the_second(said: Any) -> None:
    """As the router says it."""
    first = f"{HEAD}stringData:\n  app: '{entry(ONE)}'\n"
    second = first.replace("name: callers", "name: more").replace(ONE, TWO)

    assert said(f"{first}---\n{second}") == (
        1,
        [
            "c.yaml:11: stringData.app: Secret callers has a caller of that name, which counts",
            "1 error",
        ],
    )


def test_a_secret_without_the_label_is_somebody_elses(said: Any) -> None:
    """Its values are not looked at."""
    assert said(HEAD.replace("callers:", "other:") + "data: {app: '{}'}\n") == (0, [])
