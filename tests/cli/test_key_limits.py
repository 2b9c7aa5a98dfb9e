"""`pointsman key create` and `limit`: what a caller or a team may take, as a router reads it."""

import base64
from pathlib import Path

import pytest
import yaml

from pointsman.api.callers import Limits
from pointsman.cli.__main__ import main
from pointsman.router.callers import Caller
from pointsman.router.control.callers import combine, read_secret

SECRET = "pointsman-callers"


def callers(file: Path) -> dict[str, Caller]:
    """Whom a router would let in, were this manifest applied."""
    (found,) = [one for one in yaml.safe_load_all(file.read_text()) if one]
    data = {name: base64.b64decode(value) for name, value in found["data"].items()}
    secret = read_secret(SECRET, found["metadata"]["labels"], data)
    known, problems = combine([SECRET], {SECRET: secret})
    assert problems == ()
    return {caller.name: caller for caller in known.everyone}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A manifest with one caller, limited to 60 requests a minute."""
    found = tmp_path / "callers.yaml"
    made = ("--team", "search", "--rpm", "60", "--into", str(found))
    assert main(["key", "create", "app", *made]) == 0
    return found


def test_a_key_with_limits(file: Path) -> None:
    """A second key keeps them, but for those that are said again."""
    assert callers(file)["app"].limits == Limits(rpm=60)
    more = ("--tpm", "9000", "--max-concurrent-requests", "4", "--into", str(file))
    assert main(["key", "create", "app", *more]) == 0
    assert callers(file)["app"].limits == Limits(rpm=60, tpm=9000, max_concurrent_requests=4)
    assert len(callers(file)["app"].digests) == 2


def test_limits_without_a_new_key(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly those that are said; none takes them away."""
    assert main(["key", "limit", "app", "--tpm", "500", "--into", str(file)]) == 0
    assert callers(file)["app"].limits == Limits(tpm=500)
    assert main(["key", "limit", "app", "--into", str(file)]) == 0
    assert callers(file)["app"].limits is None
    assert len(callers(file)["app"].digests) == 1
    assert capsys.readouterr().out.splitlines() == ["app: tpm 500", "app: no limits"]


def test_limits_of_a_team(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said twice, the later count; the list shows them."""
    into = ("--into", str(file))
    assert main(["key", "limit", "search", "--team", "--rpm", "100", *into]) == 0
    assert main(["key", "limit", "search", "--team", "--rpm", "90", "--tpm", "5", *into]) == 0
    app = callers(file)["app"]
    assert (app.limits, app.team_limits) == (Limits(rpm=60), Limits(rpm=90, tpm=5))
    assert main(["check", str(file)]) == 0
    capsys.readouterr()
    assert main(["key", "list", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "team search: rpm 90, tpm 5",
        "app: team search, policies *, keys 1, rpm 60",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "job", "--rpm", "0"), "Expected `int` >= 1 - at `limits.rpm`"),
        (("limit", "app", "--tpm", "-5"), "Expected `int` >= 1 - at `limits.tpm`"),
        (("limit", "job", "--rpm", "5"), "has no caller job"),
        (("limit", "search", "--team"), "say a limit; to take those of a team away"),
        (("limit", "a b", "--team", "--rpm", "5"), "team must be a plain name"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """One line that says why."""
    before = file.read_text()
    capsys.readouterr()
    assert main(["key", *arguments, "--into", str(file)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert file.read_text() == before


def test_a_caller_with_the_name_of_a_teams_entry_stays(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather refused than written over."""
    assert main(["key", "create", "team.search", "--into", str(file)]) == 0
    before = file.read_text()
    assert main(["key", "limit", "search", "--team", "--rpm", "5", "--into", str(file)]) == 1
    assert "is the name of a caller" in capsys.readouterr().err
    assert file.read_text() == before


def test_check_says_bad_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line, for a caller and a team."""
    keys = '"keys": ["sha256:' + "0" * 64 + '"]'
    text = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: callers, labels: {{pointsman.dev/callers: "true"}}}}
stringData:
  app: '{{{keys}, "limits": {{"rpm": 0}}}}'
  team.x: '{{"kind": "Team", "team": "x", "limits": {{"rps": 5}}}}'
"""
    (tmp_path / "c.yaml").write_text(text)
    assert main(["check", str(tmp_path / "c.yaml")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("c.yaml:")[2] for line in lines[:2]] == [
        "5: stringData.app: Expected `int` >= 1 - at `limits.rpm`",
        "6: stringData.team.x: Object contains unknown field `rps` - at `limits`",
    ]
