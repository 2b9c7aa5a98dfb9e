"""Words that a shell can give to a command and nobody means: one line each, never a traceback."""

import subprocess
from pathlib import Path

import pytest

from pointsman.api.callers import CallerEntry, hash_of
from pointsman.cli.__main__ import main
from pointsman.cli.key import manifest
from tests.local.running import DEADLINE_S, command, environment

Capture = pytest.CaptureFixture[str]
DESK = str(Path(__file__).parent.parent.parent / "crds" / "examples" / "02-support-desk")
LONG = "x" * 300
"""No file can have this name; one in a folder of another user is refused at the same place."""


@pytest.mark.parametrize(
    "command",
    [
        ["check", LONG],
        ["up", LONG, "--port", "0"],
        ["explain", "-f", LONG, "--prompt", "x"],
        ["explain", "--decision", "d", "--ledger", LONG],
        ["explain", "--decision", "d", "--ledger", f"{LONG}.db"],
        ["audit", LONG],
        ["audit", "--ledger", LONG],
        ["report", "--db", LONG],
        ["simulate", "-f", DESK, "--traffic", LONG],
        ["import", "litellm", LONG],
        ["key", "list", LONG],
        ["key", "create", "app", "--into", LONG],
    ],
    ids=lambda words: f"{words[0]} {words[-2]}"[:30],
)
def test_a_path_that_cannot_be_looked_at_is_told(command: list[str], capsys: Capture) -> None:
    """Where it is read, in the system's words."""
    assert main(command) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"{LONG}: File name too long\n" in told.err or f"{LONG}.db: File name" in told.err


def test_a_folder_that_cannot_be_looked_at_gets_no_files(tmp_path: Path, capsys: Capture) -> None:
    """Of `import -o`."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: os.environ/A}}]"
    )
    assert main(["import", "litellm", str(config), "-o", LONG]) == 1
    assert "File name too long" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["check", "\udcff"],
        ["audit", "log", "--since", "\udcff"],
        ["reviews", "show", "\udcff"],
        ["key", "create", "app", "--team", "\udcff"],
        ["explain", "-f", DESK, "--prompt", "caf\udce9"],
        ["evaluate", "-f", DESK, "--model=\udcff"],
        ["\udcff"],
    ],
)
def test_a_word_that_is_not_utf_8_is_told(command: list[str], capsys: Capture) -> None:
    """As Python gives it: a byte that it cannot decode is half of a surrogate pair."""
    with pytest.raises(SystemExit) as ended:
        main(command)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "\\udc" in told
    assert "is not UTF-8 (see " in told
    assert told.count("\n") == 1


def test_an_approval_ends_while_there_are_dates(capsys: Capture) -> None:
    """Not after a model was asked everything."""
    with pytest.raises(SystemExit) as ended:
        main(["vet", "--url", "http://127.0.0.1:9/v1", "--model", "m", "--days", "999999999"])
    assert ended.value.code == 2
    assert "argument --days: '999999999' is more than 36,500 days" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "-"], "<stdin>: Bad file descriptor\n1 error\n"),
        (["key", "hash"], "<stdin>: Bad file descriptor\n"),
        (["audit", "-"], "-: Bad file descriptor\npointsman audit: no request in -\n"),
        (["explain", "-f", DESK, "--prompt", "-"], "--prompt -: Bad file descriptor\n"),
        (["import", "litellm", "-"], "pointsman import: standard input: Bad file descriptor\n"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_standard_input_that_is_closed_is_told(
    words: list[str], said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `pointsman check - <&-`: Python has none then."""
    monkeypatch.setattr("sys.stdin", None)
    assert main(words) == 1
    assert capsys.readouterr() == ("", said)


@pytest.mark.local
def test_a_list_that_nobody_reads_to_its_end_is_no_fault(tmp_path: Path) -> None:
    """`| head -1`: exit status 1 as of other commands, and not a word."""
    file = tmp_path / "callers.yaml"
    text = manifest.new("pointsman-callers", "app-0", CallerEntry(keys=(hash_of(b"k"),)))
    entry = text.splitlines()[-1]
    others = (entry.replace("app-0", f"app-{number}") for number in range(1, 3000))
    file.write_text(text + "".join(f"{line}\n" for line in others))
    process = subprocess.Popen(
        command("key", "list", str(file)),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=DEADLINE_S) == 1
