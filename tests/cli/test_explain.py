"""`pointsman explain` of what was seen: a line of traffic, and a decision that was recorded."""

import io
import json
from pathlib import Path

import pytest

from pointsman.cli.__main__ import main
from pointsman.events.schema import Try
from tests.cli.traffic import DESK, TEXTS, body, ledger, stored, write
from tests.ledger.events import request
from tests.ledger.process import ledger_process

Capture = pytest.CaptureFixture[str]


def test_a_line_of_traffic_is_traced(tmp_path: Path, capsys: Capture) -> None:
    """With the model of its time, its headers, tools and length; with what it would cost."""
    lines = [
        body(TEXTS["Chat"]),
        "",
        {"request": body(TEXTS["Coding"], max_tokens=100),
         "response": {"usage": {"prompt_tokens": 20, "completion_tokens": 50}}},
    ]  # fmt: skip
    file = write(tmp_path / "t.jsonl", lines)
    assert main(["explain", "-f", str(DESK), "--request", f"{file}:3"]) == 0
    said = capsys.readouterr().out
    assert "backend   deepseek-code" in said
    assert "rule      bug-report" in said
    assert "cost      0.000060 USD for 20 tokens in, 50 out" in said
    assert main(["explain", "-f", str(DESK), "--request", f"{file}:1", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["analysis"]["task"], found["backend"]) == ("Chat", "qwen-light")
    assert "if the answer has 211 out" in found["cost"]


def test_a_prompt_on_standard_input_is_utf_8(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the locale says; what is not is one line."""
    asked = ["explain", "-f", str(DESK), "--prompt", "-"]
    for text, status in (("Wie kann ich meine Rechnung ändern?".encode(), 0), (b"caf\xe9", 1)):
        stdin = io.TextIOWrapper(io.BytesIO(text), encoding="ascii")
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(asked) == status
    told = capsys.readouterr()
    assert "glm-multilingual" in told.out
    assert told.err == "--prompt -: not UTF-8\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "prompt",
    ["-- SELECT 1", "--- a/x\n+++ b/x\n", "--- \n", "--\nx", "-\tone", "--prompt x", "--model=a b"],
)
@pytest.mark.parametrize("flag", ["--prompt", "--system"])
def test_a_text_that_begins_like_a_flag_is_a_text(prompt: str, flag: str, capsys: Capture) -> None:
    """A comment in SQL, a diff, a list: no flag has a space in it."""
    other = ["--prompt", "hello"] if flag == "--system" else []
    asked = ["explain", "-f", str(DESK), *other, flag, prompt, "-o", "json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"]
    assert main(["explain", f"-f={DESK}", *other, f"{flag}={prompt}", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--promt", "-- SELECT 1"], "no flag --promt (did you mean --prompt?)"),
        (["--prompt", "--promt"], "no flag --promt (did you mean --prompt?)"),
        (["-- SELECT 1"], "no flag -- SELECT 1"),
    ],
)
def test_a_flag_that_is_mistyped_is_still_told(
    words: list[str], said: str, capsys: Capture
) -> None:
    """Also before and as a text."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", "-f", str(DESK), *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_a_line_carries_is_left_out_for(tmp_path: Path, capsys: Capture) -> None:
    """An image needs a backend that sees; none of the desk does."""
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    line = {"model": "auto", "messages": [{"role": "user", "content": [image]}]}
    file = write(tmp_path / "t.jsonl", [line])
    assert main(["explain", "-f", str(DESK), "--request", f"{file}:1"]) == 0
    assert "qwen-light: skipped, it lacks the capability Vision" in capsys.readouterr().out


def test_a_decision_is_traced_by_its_id(tmp_path: Path, capsys: Capture) -> None:
    """One command: task, rule, who was left out and why, tokens, cost, time."""
    event = request(
        7, task="Coding", rule="bug-report", policy="support-desk", language="en",
        context_tokens=20, candidates=("deepseek-code", "kimi-long"), backend="kimi-long",
        confidence=0.9, skipped=(Try(backend="small", reason="it lacks the capability Tools"),),
        left=(Try(backend="deepseek-code", reason="FirstTokenTimeout"),), tools=True,
        baseline_nano=2_000, evidence=("code: fence", "with tools"),
    )  # fmt: skip
    file = stored(tmp_path / "ledger.db", [event])
    asked = ["explain", "--decision", "d-7", "--ledger", str(file)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    for part in (
        "decision  d-7, 2026-11-18 11:06:40 UTC, by app of blue",
        "backend   kimi-long",
        "rule      bug-report",
        "task      Coding, confidence 0.90",
        "100 in, 50 out",
        "  code: fence",
        "cost      0.000001 USD; the baseline would have cost 0.000002 USD",
        "backend small: left out, it lacks the capability Tools",
        "backend deepseek-code: tried and left, FirstTokenTimeout",
    ):
        assert part in said
    assert said.count("  with tools\n") == 1
    assert main([*asked, "-f", str(DESK)]) == 0
    said = capsys.readouterr().out
    assert "from what was recorded" in said
    assert "rule bug-report: taken" in said
    assert main([*asked, "-f", str(DESK), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["decision"], found["now"]["rule"]) == ("d-7", "bug-report")


@pytest.mark.local
def test_a_running_ledger_is_asked_too(tmp_path: Path, capsys: Capture) -> None:
    """By every command: the same as by its file."""
    file = ledger(tmp_path / "ledger.db")
    with ledger_process(f"--db={file}") as running:
        url = f"http://127.0.0.1:{running.port}"
        for asked in (
            ["explain", "--decision", "d-3", "--ledger"],
            ["audit", "-o", "csv", "--ledger"],
            ["simulate", "-f", str(DESK), "-o", "csv", "--traffic"],
        ):
            assert main([*asked, url]) == 0
            told = capsys.readouterr().out
            assert main([*asked, str(file)]) == 0
            assert capsys.readouterr().out == told
        assert main(["explain", "--decision", "none/such?x", "--ledger", url]) == 1
        assert "has no decision none/such?x" in capsys.readouterr().err
        assert running.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ([], 2, "give one of --prompt, --request and --decision"),
        (["--prompt", "x", "--decision", "d"], 2, "give one of"),
        (["--prompt", "x"], 2, "-f is needed"),
        (["--request", "t.jsonl:1"], 2, "-f is needed"),
        (["-f", str(DESK), "--request", "t.jsonl"], 1, "expected FILE:LINE"),
        (["-f", str(DESK), "--request", "t.jsonl:0"], 1, "expected FILE:LINE"),
        (["-f", str(DESK), "--request", "missing.jsonl:1"], 1, "No such file"),
        (["-f", str(DESK), "--request", "BAD:1"], 1, "BAD:1: not JSON"),
        (["-f", str(DESK), "--request", "BAD:9"], 1, "has no line 9"),
        (["--decision", "d-9", "--ledger", "LEDGER"], 1, "has no decision d-9"),
        (["--decision", "d-1", "--ledger", "LEDGER", "-f", str(DESK)], 1, "name support"),
        (["--decision", "d", "--ledger", "missing.db"], 1, "there is no such file"),
        (["--decision", "d", "--ledger", "http://127.0.0.1:1"], 1, "cannot be asked"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, options: list[str], status: int, words: str, capsys: Capture
) -> None:
    """That says what to do."""
    bad = write(tmp_path / "bad.jsonl", ["x"])
    file = stored(tmp_path / "ledger.db", [request(1)])
    given = [one.replace("BAD", str(bad)).replace("LEDGER", str(file)) for one in options]
    assert main(["explain", *given]) == status
    said = capsys.readouterr().err
    assert words.replace("BAD", str(bad)) in said
    assert said.count("\n") == 1


def test_what_a_profile_changes_is_named(tmp_path: Path, capsys: Capture) -> None:
    """The members, of the backend that answers; nothing of what they hold."""
    told = str(DESK.parent / "18-prompt-profile")
    asked = {"model": "told", "messages": [{"role": "developer", "content": "Secret."}]}
    file = write(tmp_path / "t.jsonl", [asked | {"temperature": 0.5, "logprobs": True}])
    assert main(["explain", "-f", told, "--request", f"{file}:1"]) == 0
    said = capsys.readouterr().out
    assert "profile   changes messages, logprobs, chat_template_kwargs, stop\n" in said
    assert "Secret" not in said
    assert main(["explain", "-f", told, "--prompt", "Hello", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["profileChanges"] == ["messages", "temperature", "chat_template_kwargs", "stop"]
    assert main(["explain", "-f", str(DESK), "--prompt", "Hello"]) == 0
    assert "profile" not in capsys.readouterr().out


def test_who_costs_more_than_the_cap_is_named(tmp_path: Path, capsys: Capture) -> None:
    """`fallback.maxCost` reaches the table, and its verdict the evidence."""
    backend = (
        "apiVersion: pointsman.dev/v1alpha1\nkind: ModelBackend\nmetadata: {name: %s}\n"
        "spec:\n  model: m\n  service: {name: m, port: 80}\n"
        "  cost: {inputPerMillion: '%s', outputPerMillion: '%s'}\n---\n"
    )
    files = tmp_path / "all.yaml"
    files.write_text(
        backend % ("large", "10", "10")
        + backend % ("small", "1", "1")
        + "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {name: desk}\n"
        "spec:\n  modelNames: [auto]\n  default:\n    targets: [{backendRef: {name: large}}]\n"
        "    fallback: {chain: [{name: small}], maxCost: '0.005'}\n"
    )
    line = {"model": "auto", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
    file = write(tmp_path / "t.jsonl", [line])
    assert main(["explain", "-f", str(files), "--request", f"{file}:1"]) == 0
    said = capsys.readouterr().out
    assert "backend   small" in said
    assert "backend large: skipped, it may cost 0.010" in said
    assert "USD, over maxCost 0.005" in said
