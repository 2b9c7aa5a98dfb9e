"""`reviews` and `audit log` against a ledger's process, as reviewers type them."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.cli.__main__ import main
from tests.ledger.process import LedgerProcess, ledger_process
from tests.ledger.reviewing.desks import Caller, people_file
from tests.ledger.reviews.opened import answer_text, opening

pytestmark = pytest.mark.local
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerProcess]:
    """With a viewer, two reviewers and an operator."""
    people = people_file(tmp_path)
    with ledger_process(f"--db={tmp_path / 'l.db'}", f"--people={people}") as process:
        yield process


class Desk:
    """The commands of one person."""

    def __init__(self, ledger: LedgerProcess, folder: Path, capsys: Capture) -> None:
        self._ledger = ledger
        self._folder = folder
        self._capsys = capsys

    def types(self, *words: str, who: str = "ada", status: int = 0) -> tuple[str, str]:
        """Standard output and standard error."""
        token = self._folder / f"token-{who}"
        token.write_text(f"token of {who}\n")
        flags = ["--ledger", f"http://127.0.0.1:{self._ledger.port}", "--token-file", str(token)]
        assert main([*words, *flags]) == status
        told = self._capsys.readouterr()
        return told.out, told.err

    def opens(self, number: int = 1, **fields: Any) -> None:
        """A request is held."""
        Caller(self._ledger.port).post("/v1/reviews", opening(number, **fields))

    def decided(self, number: int = 1) -> dict[str, Any]:
        """What the router would be told."""
        asked = {"ids": [f"d-{number}"], "wait_s": 0.1}
        (found,) = Caller(self._ledger.port).post("/v1/reviews/decided", asked)[1]["decided"]
        return dict(found)


@pytest.fixture
def desk(ledger: LedgerProcess, tmp_path: Path, capsys: Capture) -> Desk:
    """Of the ledger above."""
    return Desk(ledger, tmp_path, capsys)


def test_a_reviewers_day(desk: Desk) -> None:
    """The queue, one of it with its texts, a decision, and the trail."""
    desk.opens()
    desk.opens(2, priority="High")
    out, _ = desk.types("reviews", "list")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:7] == ["ID", "STATE", "PRIORITY", "MODE", "STAGE", "POLICY", "RULE"]
    assert [row[0] for row in rows[1:]] == ["d-2", "d-1"]
    out, _ = desk.types("reviews", "show", "d-1")
    assert "refund 1" in out
    assert desk.types("reviews", "claim", "d-1")[0] == "review/d-1 claimed\n"
    assert "ada" in desk.types("reviews", "list")[0]
    assert desk.types("reviews", "release", "d-1")[0] == "review/d-1 released\n"
    assert desk.types("reviews", "approve", "d-1")[0] == "review/d-1 approved\n"
    assert desk.decided()["state"] == "Approved"
    out, _ = desk.types("audit", "log", who="vera")
    actions = [line.split()[4] for line in out.splitlines()[1:]]
    assert actions[0] == "review.approve"
    assert set(actions) == {"review.approve", "review.claim", "review.release"}
    assert "entries hold" in desk.types("audit", "log", "--verify")[0]


def test_a_rejection_carries_its_message(desk: Desk) -> None:
    """To the caller."""
    desk.opens()
    desk.types("reviews", "reject", "d-1", "-m", "not without a receipt")
    found = desk.decided()
    assert (found["state"], found["message"]) == ("Rejected", "not without a receipt")


def test_an_edit_of_a_file(desk: Desk, tmp_path: Path) -> None:
    """The whole answer as it shall be."""
    desk.opens()
    file = tmp_path / "edit.json"
    file.write_text(answer_text("Only within 14 days."))
    assert desk.types("reviews", "edit", "d-1", "-f", str(file))[0] == "review/d-1 edited\n"
    found = desk.decided()
    assert found["state"] == "Edited"
    assert "Only within 14 days." in found["answer"]


def editor(folder: Path, script: str) -> str:
    """A program that edits the file that it is given."""
    program = folder / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_an_edit_in_an_editor(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the held answer, and what it leaves goes out."""
    desk.opens(answer=answer_text("Yes."))
    monkeypatch.setenv("EDITOR", editor(tmp_path, "sed -i 's/Yes\\./Perhaps./' \"$1\""))
    monkeypatch.delenv("VISUAL", raising=False)
    desk.types("reviews", "edit", "d-1")
    assert "Perhaps." in desk.decided()["answer"]


def test_an_editor_that_cannot_be_started_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not there, or written with half a quote."""
    desk.opens()
    for program in ("no-such-editor", "vi 'x"):
        monkeypatch.setenv("VISUAL", program)
        _, err = desk.types("reviews", "edit", "d-1", status=1)
        assert f"{program} cannot be started: " in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo '{broken' > \"$1\"", "the edit is no JSON"),
        ("echo '{}' > \"$1\"", ""),
        ("true", "nothing was edited"),
        ("false", "ended with 1"),
        ("printf '{\\377}' > \"$1\"", "the edit is not UTF-8"),
        ('echo x > "$1"; rm "$1"', "left no file: No such file or directory"),
    ],
)
def test_an_edit_that_is_none_decides_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """And what was written is kept in a file that is named."""
    desk.opens()
    monkeypatch.setenv("EDITOR", editor(tmp_path, script))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, err = desk.types("reviews", "edit", "d-1", status=1)
    assert said in err
    if "{" in script:
        name = err.split("your text is in ")[1].split(":")[0]
        assert Path(name).read_bytes()
    assert err.count("\n") == 1
    out, _ = desk.types("reviews", "list", "--state", "Pending", "-o", "name")
    assert out == "review/d-1\n"


def test_one_at_a_time(desk: Desk) -> None:
    """Who comes second is told who holds it; what has ended stays so."""
    desk.opens()
    desk.types("reviews", "claim", "d-1")
    _, err = desk.types("reviews", "approve", "d-1", who="ben", status=1)
    assert "ada holds it" in err
    desk.types("reviews", "approve", "d-1")
    _, err = desk.types("reviews", "reject", "d-1", status=1)
    assert "pointsman reviews: " in err


def test_only_about_the_request_that_was_meant(desk: Desk) -> None:
    """Another hash: nothing is decided, and the claim is given back."""
    desk.opens()
    _, err = desk.types("reviews", "approve", "d-1", "--request-hash", "0" * 64, status=1)
    assert "it is about another request" in err
    assert desk.types("reviews", "approve", "d-1", who="ben")[0] == "review/d-1 approved\n"


def test_forms_of_output(desk: Desk) -> None:
    """As objects, as names, with more columns; nothing is told on standard error."""
    desk.opens()
    listed = json.loads(desk.types("reviews", "list", "-o", "json")[0])
    assert [one["id"] for one in listed["items"]] == ["d-1"]
    assert yaml.safe_load(desk.types("reviews", "list", "-o", "yaml")[0]) == listed
    assert "CALLER" in desk.types("reviews", "list", "-o", "wide")[0]
    shown = json.loads(desk.types("reviews", "show", "d-1", "-o", "json")[0])
    assert shown["review"]["id"] == "d-1"
    assert desk.types("reviews", "list", "--state", "Rejected") == ("", "No review found.\n")


def test_who_may_not_is_told(desk: Desk, ledger: LedgerProcess, capsys: Capture) -> None:
    """A viewer, somebody without a token, a ledger that is not there."""
    desk.opens()
    assert "pointsman reviews: " in desk.types("reviews", "claim", "d-1", who="vera", status=1)[1]
    url = f"http://127.0.0.1:{ledger.port}"
    assert main(["reviews", "list", "--ledger", url]) == 1
    assert "$POINTSMAN_TOKEN_FILE" in capsys.readouterr().err
    assert main(["audit", "log", "--ledger", "http://127.0.0.1:9"]) == 1
    assert "cannot be asked" in capsys.readouterr().err


def test_texts_cannot_move_the_cursor(desk: Desk) -> None:
    """What a caller wrote is shown, and does nothing."""
    desk.opens(
        request='{"model": "auto", "messages": [{"role": "user", "content": "a\\u001b[2J"}]}'
    )
    out, _ = desk.types("reviews", "show", "d-1")
    assert "\x1b" not in out


def test_texts_hide_nothing(desk: Desk) -> None:
    """Of a name that stands twice, a model server may take the other one."""
    said = '{"role": "user", "content": "EVIL", "content": "benign\U000e0145"}'
    desk.opens(request=f'{{"model": "auto", "messages": [{said}]}}')
    out, _ = desk.types("reviews", "show", "d-1")
    assert "EVIL" in out
    assert "benign⟨U+E0145⟩" in out


def test_in_local_mode_nobody_shows_a_token(tmp_path: Path, capsys: Capture) -> None:
    """Its ledger knows the person at this machine."""
    with ledger_process(f"--db={tmp_path / 'l.db'}", "--local-person=me") as ledger:
        Caller(ledger.port).post("/v1/reviews", opening())
        flags = ["--ledger", f"http://127.0.0.1:{ledger.port}"]
        assert main(["reviews", "approve", "d-1", *flags]) == 0
        assert capsys.readouterr().out == "review/d-1 approved\n"
        assert main(["audit", "log", *flags]) == 0
        assert "me " in capsys.readouterr().out


def test_a_queue_of_pages(desk: Desk) -> None:
    """All of it up to --limit, in one list."""
    for number in range(1, 6):
        desk.opens(number)
    listed = desk.types("reviews", "list", "-o", "name", "--limit", "3")[0].splitlines()
    assert len(listed) == 3
    assert len(desk.types("reviews", "list", "-o", "name")[0].splitlines()) == 5
