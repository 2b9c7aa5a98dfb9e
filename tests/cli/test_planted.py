"""No command prints, and no status says, a word of a prompt, an answer or a comment."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.cli.__main__ import main
from pointsman.events.schema import Text
from pointsman.operator.plan.policy_status import policy_status
from tests.cli.traffic import DESK, stored, write
from tests.ledger.events import feedback, request
from tests.ledger.test_planted import chat, planted
from tests.operator.objects import NOW, backend, compiled, policy

Capture = pytest.CaptureFixture[str]
FILES = ["-f", str(DESK)]
TRAFFIC: list[list[str]] = [
    ["audit", "FILE"],
    ["audit", "FILE", "-o", "csv"],
    ["audit", "FILE", "-o", "json"],
    ["simulate", *FILES, "--traffic", "FILE"],
    ["simulate", *FILES, "--traffic", "FILE", "-o", "csv"],
    ["simulate", *FILES, "--against", str(DESK), "--traffic", "FILE", "-o", "json"],
    ["explain", *FILES, "--request", "FILE:1"],
    ["explain", *FILES, "--request", "FILE:3", "-o", "json"],
]
LEDGER: list[list[str]] = [
    ["report", "--db", "FILE", "-o", "json"],
    ["report", "--db", "FILE", "-o", "csv"],
    ["audit", "--ledger", "FILE"],
    ["simulate", *FILES, "--traffic", "FILE"],
    ["explain", "--decision", "d-1", "--ledger", "FILE"],
    ["explain", "--decision", "d-1", "--ledger", "FILE", "-f", str(DESK), "-o", "json"],
]


def said_by(command: list[str], file: Path, capsys: Capture) -> str:
    """Everything that it prints; it has to succeed."""
    status = main([word.replace("FILE", str(file)) for word in command])
    said = capsys.readouterr()
    assert status == 0, said.err
    assert said.out
    return said.out + said.err


@pytest.mark.slow
@pytest.mark.parametrize("command", TRAFFIC, ids=" ".join)
def test_traffic_is_told_in_numbers(command: list[str], tmp_path: Path, capsys: Capture) -> None:
    """Whatever a line carries: messages, tools, images, metadata, headers, answers."""
    message = {"role": "assistant", "content": planted("answer")}
    usage = {"prompt_tokens": 9, "completion_tokens": 9}
    answer = {"choices": [{"message": message}], "usage": usage}
    headers = {"authorization": f"Bearer {planted('api-key')}", "x-note": planted("header")}
    lines: list[object] = [
        chat() | {"tools": [], "messages": chat()["messages"][:2]},
        {"request": chat(), "response": answer, "headers": headers},
        {"model": "auto", "prompt": planted("completed")},
    ]
    file = write(tmp_path / "t.jsonl", lines)
    assert "canary-" in file.read_text()
    if command[0] == "audit":
        command = [*command, "--policy-out", str(tmp_path / "first.yaml")]
    said = said_by(command, file, capsys)
    assert "canary-" not in said
    assert all("canary-" not in path.read_text() for path in tmp_path.glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("command", LEDGER, ids=" ".join)
def test_a_ledger_is_told_in_numbers(command: list[str], tmp_path: Path, capsys: Capture) -> None:
    """Though it has the texts, and what people wrote."""
    text = Text(how="Full", prompt=planted("prompt"), answer=planted("answer"), keep_s=10**9)
    file = stored(
        tmp_path / "ledger.db",
        [
            request(
                1,
                at_ms=time.time_ns() // 1_000_000,
                text=text,
                policy="support-desk",
                task="Coding",
                evidence=("code: fence",),
            ),
            feedback(1, good=False, comment=planted("comment"), demonstration=planted("delta")),
        ],
    )
    assert b"canary-" in file.read_bytes()
    assert "canary-" not in said_by(command, file, capsys)


def failing() -> dict[str, Any]:
    """A policy whose tests fail, each in another way."""
    said = {"prompt": f"Fix it: ```print('{planted('prompt')}')```", "caller": "app"}
    turns = [
        {"role": "system", "content": planted("system")},
        {"role": "user", "content": planted("history")},
    ]
    found = policy()
    found["spec"]["tests"] = [
        {"name": "a", **said, "expect": {"task": "Chat", "rule": "other", "backend": "b"}},
        {"name": "b", "messages": turns, "expect": {"task": "Coding"}},
        {"name": "c", **said, "headers": {"x": planted("header")}, "expect": {"rule": "other"}},
    ]
    return found


def test_a_failed_test_does_not_show_its_prompt(tmp_path: Path, capsys: Capture) -> None:
    """Not in the status, not in what routers get, and not in what `pointsman check` prints."""
    written = failing()
    plan = compiled(written)
    (verdict,) = plan.verdicts.values()
    assert all(b"canary-" not in blob for blob in plan.blobs.values())
    status = json.dumps(policy_status(verdict, (), stored={}, now=NOW))
    assert "3 of 3 tests fail" in status
    assert "canary-" not in status

    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump_all([written, backend("a")]))
    assert main(["check", str(path)]) == 1
    said = capsys.readouterr()
    assert "test a: " in said.err
    assert "canary-" not in said.out + said.err
