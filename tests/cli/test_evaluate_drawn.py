"""`pointsman evaluate` with a suite that is drawn from a real ledger, against a real simulator."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.events.schema import Event, Text
from pointsman.events.ship import Target, post
from tests.cli.test_evaluate import HEAD, URL, base, simulator, write
from tests.ledger.events import feedback, frame, request
from tests.ledger.process import ledger_process

Capture = pytest.CaptureFixture[str]
SUITE = (
    f"---\n{HEAD}EvaluationSuite\nmetadata: {{name: desk}}\nspec:\n  judge: {{model: m}}\n"
    "  ledger: {policyRef: {name: desk}, sample: 5, minimum: 3}\n"
)


def fill(url: str, count: int, first: int = 1) -> None:
    """Requests that callers liked."""
    now_ms = int(time.time() * 1000)
    events: list[Event | bytes] = []
    for number in range(first, first + count):
        text = Text(how="Full", prompt=f"user: Secret {number}", answer="Secret.", keep_s=3600)
        events += [
            request(number, at_ms=now_ms, policy="desk", operation="chat/completions", text=text),
            feedback(number),
        ]
    spool = f"spool-{first:08d}"
    status, body = post(Target(url=url), "/v1/events", frame(events, spool=spool))
    assert status == 200, body


@pytest.mark.local
@pytest.mark.slow
def test_a_draw_is_the_same_at_the_next_start(tmp_path: Path, capsys: Capture) -> None:
    """Also when there is more; its file has no text; another spec needs another draw."""
    draw, results = tmp_path / "d.json", tmp_path / "r.jsonl"
    with (
        simulator("--ttft", "0") as url,
        ledger_process(f"--db={tmp_path / 'ledger.db'}") as running,
    ):
        ledger = f"http://127.0.0.1:{running.port}"
        files = write(tmp_path, SUITE)
        flags = ["evaluate", "-f", files, "--url", base(url), "--model", "m", "--ledger", ledger,
                 "--draw", str(draw), "--results", str(results), "-o", "json"]  # fmt: skip
        fill(ledger, 2)
        assert main(flags) == 2
        said = capsys.readouterr().err
        assert "2 requests of RoutingPolicy desk can be drawn (of 2 with" in said
        assert not draw.exists()
        fill(ledger, 2, first=3)
        assert main(flags) == 1  # a simulator is no judge
        first = json.loads(capsys.readouterr().out)
        assert len(first["prompts"]) == 4
        assert "Secret" not in draw.read_text()
        fill(ledger, 9, first=5)
        main(flags)
        assert json.loads(capsys.readouterr().out)["content"] == first["content"]
        with closing(sqlite3.connect(tmp_path / "ledger.db", timeout=10)) as file, file:
            file.execute("DELETE FROM texts WHERE decision = 'd-1'")
        main(flags)
        left = json.loads(capsys.readouterr().out)
        assert (left["content"], len(left["prompts"])) == (first["content"], 3)
        write(tmp_path, SUITE.replace("sample: 5", "sample: 4"))
        assert main(flags) == 2
        assert "is a draw of another spec.ledger: remove it" in capsys.readouterr().err
        draw.write_text("{")
        assert main(flags) == 2
        assert "d.json: no draw" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "spec.ledger: say where the ledger is, with --ledger"),
        (["--ledger", "http://127.0.0.1:9"], "--ledger http://127.0.0.1:9: Unreachable"),
    ],
)
def test_without_a_ledger_nothing_is_asked(
    flags: list[str], words: str, tmp_path: Path, capsys: Capture
) -> None:
    """Status 2 and one line."""
    draw, results = str(tmp_path / "d.json"), str(tmp_path / "r.jsonl")
    known = ["evaluate", "-f", write(tmp_path, SUITE), *URL, "--model", "m", "--draw", draw]
    assert main([*known, "--results", results, *flags]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_check_takes_such_a_suite(tmp_path: Path, capsys: Capture) -> None:
    """The ledger is not asked."""
    assert main(["check", write(tmp_path, SUITE)]) == 0
    capsys.readouterr()
