"""`pointsman key` as a user types it: keys that a router takes, files that stay as they were."""

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.callers import CallerEntry, hash_of
from pointsman.api.text import MAX_BYTES
from pointsman.cli.__main__ import main
from pointsman.cli.key import manifest
from pointsman.router.callers import Refusal, judge
from pointsman.router.control.callers import combine, read_secret

SECRET = "pointsman-callers"


def secrets_of(text: str) -> dict[str, dict[str, Any]]:
    """The Secrets of a manifest by name."""
    documents = [one for one in yaml.safe_load_all(text) if one]
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == "Secret"}


def who(text: str, key: str, secret: str = SECRET) -> str:
    """Whom a router would see, were this manifest applied."""
    found = secrets_of(text)[secret]
    data = {name: base64.b64decode(value) for name, value in found.get("data", {}).items()}
    data |= {name: value.encode() for name, value in found.get("stringData", {}).items()}
    read = read_secret(secret, found["metadata"]["labels"], data)
    callers, problems = combine([secret], {secret: read})
    assert problems == ()
    caller = judge(callers, [(b"authorization", f"Bearer {key}".encode())], 0.0).caller
    return str(caller) if isinstance(caller, Refusal) else caller.name


def create(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The key that `pointsman key create ... --into` prints."""
    assert main(["key", "create", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_made_key_is_one_that_a_router_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """stdout has the key alone, the file its hash; each key is another."""
    file = tmp_path / "callers.yaml"
    into = ("--into", str(file))
    app = create(capsys, "app", "--team", "search", "--policy", "desk", *into)
    other = create(capsys, "1e3", *into)
    text = file.read_text()

    assert app.startswith("pmk-")
    assert len(app) == len(other) == 47
    assert (who(text, app), who(text, other)) == ("app", "1e3")
    assert app not in text
    assert other not in text
    entry = manifest.entries(text, SECRET)["app"]
    assert (entry.team, entry.policies) == ("search", ("desk",))


def test_without_a_file_the_manifest_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """For a pipe into kubectl; the key is on stderr."""
    assert main(["key", "create", "app", "--secret", "mine", "--namespace", "models"]) == 0
    said = capsys.readouterr()
    key = next(word for word in said.err.split() if word.startswith("pmk-"))

    assert who(said.out, key, "mine") == "app"
    assert secrets_of(said.out)["mine"]["metadata"]["namespace"] == "models"
    assert key not in said.out


def test_a_rotation_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second key beside the first, which keeps team and policies; then the first is retired."""
    file = tmp_path / "callers.yaml"
    into = ("--into", str(file))
    old = create(capsys, "app", "--team", "search", "--policy", "desk", *into)
    new = create(capsys, "app", *into)
    both = file.read_text()
    assert main(["key", "retire", "app", *into]) == 0
    after = file.read_text()

    assert [who(both, key) for key in (old, new)] == ["app", "app"]
    assert [who(after, key) for key in (old, new)] == ["UnknownKey", "app"]
    assert manifest.entries(after, SECRET)["app"].policies == ("desk",)
    capsys.readouterr()
    assert main(["key", "list", str(file)]) == 0
    assert capsys.readouterr().out == "app: team search, policies desk, keys 1\n"


def test_a_caller_that_has_ended_gets_no_key_until_it_has_another_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end is the caller's: a new key would be refused like the old ones."""
    file = tmp_path / "callers.yaml"
    ended = CallerEntry(keys=(hash_of(b"old"),), expires_at=datetime(2020, 1, 31, tzinfo=UTC))
    file.write_text(manifest.new(SECRET, "app", ended))
    before = file.read_text()

    assert main(["key", "create", "app", "--into", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, file.read_text()) == ("", before)
    assert "which is past" in err
    create(capsys, "app", "--expires-at", "9999-01-31T00:00:00Z", "--into", str(file))


@pytest.mark.parametrize("text", ["", "kind: Service\nmetadata: {name: first}\n"])
def test_a_file_without_callers_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Also where they are in a Secret of another name; what a script reads stays empty."""
    file = tmp_path / "callers.yaml"
    file.write_text(text)
    said = f"{file}: Secret {SECRET} has no caller; --secret names another\n"

    assert main(["key", "list", str(file)]) == 0
    assert capsys.readouterr() == ("", said)
    for secret in ("mine", "theirs"):
        create(capsys, "app", "--secret", secret, "--into", str(file))
    assert main(["key", "list", str(file)]) == 0
    assert capsys.readouterr() == ("", said)
    assert main(["key", "list", str(file), "--secret", "mine"]) == 0
    assert capsys.readouterr() == ("app: team -, policies *, keys 1\n", "")


def test_a_rotation_stays_in_the_secret_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release `desk` reads desk-callers: in another Secret a key would let nobody in."""
    file = tmp_path / "callers.yaml"
    into = ("--into", str(file))
    old = create(capsys, "app", "--secret", "desk-callers", *into)
    new = create(capsys, "app", *into)
    assert [*secrets_of(file.read_text())] == ["desk-callers"]
    assert [who(file.read_text(), key, "desk-callers") for key in (old, new)] == ["app", "app"]
    assert main(["key", "limit", "app", "--rpm", "5", *into]) == 0
    assert main(["key", "retire", "app", *into]) == 0
    assert "1 are retired" in capsys.readouterr().out
    assert who(file.read_text(), new, "desk-callers") == "app"
    assert who(file.read_text(), old, "desk-callers") != "app"
    assert main(["key", "list", str(file)]) == 0
    assert capsys.readouterr().out == "app: team -, policies *, keys 1, rpm 5\n"


def test_everything_else_of_a_file_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comments, other objects, other entries, the form in which they are written."""
    file = tmp_path / "all.yaml"
    hand = hash_of(b"by-hand")
    text = f"""# ours
kind: ConfigMap   # not a Secret
metadata: {{name: {SECRET}}}
---
apiVersion: v1
kind: Secret
metadata:
  name: {SECRET}
  labels: {{pointsman.dev/callers: "true"}}
stringData:
    # by hand
    hand: |
      {{"keys": ["{hand}"]}}
    other: '{{"keys": ["{hash_of(b"other")}"]}}'  # stays
---
kind: Service
metadata: {{name: last}}
"""
    file.write_text(text)
    key = create(capsys, "app", "--into", str(file))
    second = create(capsys, "hand", "--into", str(file))
    after = file.read_text()

    for part in ("# ours\n", "# not a Secret", "    # by hand\n", "# stays\n", "name: last}\n"):
        assert part in after
    assert [who(after, k) for k in (key, second, "by-hand", "other")] == [
        "app", "hand", "hand", "other",
    ]  # fmt: skip
    lines = [line for line in text.splitlines() if "hand" not in line and hand not in line]
    assert [line for line in lines if line not in after] == []


def test_a_file_without_the_secret_gets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a document more."""
    file = tmp_path / "all.yaml"
    file.write_text("kind: Service\nmetadata: {name: first}\n")
    key = create(capsys, "app", "--into", str(file))

    assert who(file.read_text(), key) == "app"
    assert file.read_text().startswith("kind: Service\nmetadata: {name: first}\n---\n")


def test_what_stands_between_documents_is_no_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comments, and nothing at all."""
    file = tmp_path / "callers.yaml"
    file.write_text("---\n---\n# ours\n---\nkind: Service\nmetadata: {name: first}\n")
    key = create(capsys, "app", "--into", str(file))

    assert who(file.read_text(), key) == "app"


LABELED = """kind: Secret
metadata: {name: pointsman-callers, labels: {pointsman.dev/callers: "true"}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Secret\nmetadata: {name: pointsman-callers}\ndata: {}\n", "lacks the label"),
        ("kind: [", "not YAML"),
        ("[" * 5000, "not YAML"),
        ('{"model": "auto"}\n{"model": "auto"}\n', "not YAML"),
        ("OPENAI_API_KEY\n", "a part of it is no object"),
        ("kind: Service\n---\n- kind: Service\n", "a part of it is no object"),
        (f"{LABELED}", "no entries yet"),
        (f'{LABELED}data: {{a: "%"}}\n', "entry a is not base64"),
        (f'{LABELED}stringData: {{a: "pmk-secret"}}\n', "entry a: it is not JSON"),
        (
            f'{LABELED}stringData: {{a: \'{{"keys": ["{hash_of(b"k")}"]}}\'}}\n',
            "one line for each caller",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """One line, exit 1, and no key that nobody could use."""
    file = tmp_path / "callers.yaml"
    file.write_text(text)

    assert main(["key", "create", "app", "--into", str(file)]) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert "pmk-" not in out + err
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"# ours\n# caf\xe9\n", ":2: not UTF-8"),
        (b"#" * (MAX_BYTES + 1), ": larger than 8,388,608 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    """One line with its name, whatever was asked for."""
    file = tmp_path / "callers.yaml"
    file.write_bytes(data)
    into = ["--into", str(file)]
    for action in (
        ["create", "app", *into],
        ["retire", "app", *into],
        ["limit", "app", "--rpm", "1", *into],
        ["list", str(file)],
    ):
        assert main(["key", *action]) == 1
        assert capsys.readouterr() == ("", f"{file}{said}\n")
    assert file.read_bytes() == data


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a b"], "no name for a caller"),
        (["app", "--policy", "A B"], "policies[0] must be a plain name"),
        (["app", "--team", "a b"], "team must be a plain name"),
        (["app", "--expires-at", "2027-01-31T00:00:00"], "expiresAt"),
        (
            ["app", "--expires-at", "2020-01-31T00:00:00Z"],
            "the keys of app end at 2020-01-31T00:00:00+00:00, which is past",
        ),
        (["app", "--into", "/no/such/folder/x"], "/no/such/folder/x"),
    ],
)
def test_what_no_router_would_take_is_not_written(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """One line and exit 1."""
    assert main(["key", "create", *arguments]) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert len(err.splitlines()) == 1
    assert out == ""


def test_a_time_that_is_none_is_answered_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Not by the name of a function."""
    with pytest.raises(SystemExit) as ended:
        main(["key", "create", "app", "--expires-at", "tomorrow"])
    assert ended.value.code == 2
    assert "'tomorrow' is no time such as 2027-01-31T00:00:00Z" in capsys.readouterr().err


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize(
    ("given_key", "status"),
    [(b"k" * 32, 0), (b"k" * 32 + b"\n", 0), (b"k" * 512, 0), (b"short", 1), (b"", 1),
     (b"k" * 513, 1), (b"k" * 16 + b" " + b"k" * 16, 1), (b"\xe9" * 40, 1)],
)  # fmt: skip
def test_hash_takes_long_plain_keys_only(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given_key: bytes,
    status: int,
) -> None:
    """Its hash has no salt, so a short key could be found from it."""
    monkeypatch.setattr("sys.stdin", _Stdin(given_key))

    assert main(["key", "hash"]) == status
    out, _ = capsys.readouterr()
    assert out == (f"{hash_of(given_key.strip())}\n" if status == 0 else "")


_NAMES = st.from_regex(r"[-._a-zA-Z0-9]{1,12}", fullmatch=True).filter(
    lambda name: name not in (".", "..")
)


@settings(deadline=None)
@given(st.dictionaries(_NAMES, st.binary(min_size=1, max_size=8), min_size=1, max_size=6))
@pytest.mark.slow
def test_any_names_come_back(callers: dict[str, bytes]) -> None:
    """Also those that YAML would read as numbers, words or nothing."""
    text = ""
    for name, key in callers.items():
        entry = CallerEntry(keys=(hash_of(key),))
        text = (
            manifest.put(text, SECRET, name, entry) if text else manifest.new(SECRET, name, entry)
        )

    found = manifest.entries(text, SECRET)
    assert {name: entry.keys for name, entry in found.items()} == {
        name: (hash_of(key),) for name, key in callers.items()
    }
