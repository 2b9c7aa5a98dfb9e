"""`pointsman audit` as a user types it: figures that are known, lines of every kind, a policy."""

import csv
import gzip
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pointsman.analysis import Analysis
from pointsman.api.manifests import load_text
from pointsman.api.tasks import Complexity, Task
from pointsman.cli.__main__ import main
from pointsman.cli.audit import figures as figures_module
from pointsman.cli.audit.figures import LARGEST, OTHERS, Figures, bucket
from pointsman.cli.audit.proposal import propose
from pointsman.cli.traffic import lines as lines_module
from pointsman.cli.traffic.money import Assumed, Prices, read_assumed, read_prices
from pointsman.cli.traffic.seen import BadLine, Seen, seen_of_line, shown
from pointsman.routing import RequestFacts
from tests.cli.traffic import DESK, TEXTS, body, desk, ledger, stored, write
from tests.ledger.events import request

Capture = pytest.CaptureFixture[str]
BACKENDS = [arg for path in sorted(DESK.glob("[!p]*.yaml")) for arg in ("-f", str(path))]


def audited(capsys: Capture, *arguments: object) -> dict[str, dict[str, str]]:
    """The rows of the CSV, by `by/value`."""
    assert main(["audit", *map(str, arguments), "-o", "csv"]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return {f"{row['by']}/{row['value']}": row for row in rows}


def test_known_traffic_gives_known_figures(tmp_path: Path, capsys: Capture) -> None:
    """Shares, stated tokens, and cost by the price of the flag, to the billionth."""
    file = write(tmp_path / "t.jsonl", desk(40))
    rows = audited(capsys, file, "--price", "gpt-4o=2.50/10", "--price", "9/9")

    assert {name: row["requests"] for name, row in rows.items() if name.startswith("task/")} == {
        "task/Chat": "20", "task/Coding": "10", "task/Multilingual": "10",
    }  # fmt: skip
    out = sum(50 + number % 7 for number in range(40))
    everything = rows["all/"]
    assert (everything["input_tokens"], everything["output_tokens"]) == ("800", str(out))
    assert everything["cost_nano"] == str(800 * 2_500 + out * 10_000)
    assert rows["language/de"]["share"] == "0.25"
    assert rows["model/gpt-4o"]["stated"] == "40"
    assert rows["context/up to 250"]["requests"] == "40"


def test_every_shape_of_a_line_is_read(tmp_path: Path, capsys: Capture) -> None:
    """A body, a batch line, an export; every API; blank lines, CRLF, BOM."""
    lines = [
        b"\xef\xbb\xbf" + json.dumps(body(TEXTS["Chat"], "a")).encode() + b"\r",
        b"  ",
        {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions",
         "body": body(TEXTS["Coding"], "b")},
        {"custom_id": "2", "url": "/v1/embeddings", "body": {"model": "c", "input": ["x", "y"]}},
        {"request": {"model": "d", "prompt": "Once upon a time"},
         "response": {"body": {"usage": {"prompt_tokens": 7, "completion_tokens": 9}}}},
        {"model": "e", "input": [{"role": "user", "content": TEXTS["Coding"]}]},
        {"url": "/v1/messages", "body": body(TEXTS["Coding"], "f") | {"max_tokens": 9}},
        {"url": "/v1/rerank", "body": {"model": "g", "query": "x", "documents": ["y"]}},
    ]  # fmt: skip
    rows = audited(capsys, write(tmp_path / "t.jsonl", lines))

    assert {name[6:] for name in rows if name.startswith("model/")} == set("abcdefg")
    assert rows["task/Coding"]["requests"] == "3"
    assert (rows["model/d"]["input_tokens"], rows["model/d"]["output_tokens"]) == ("7", "9")
    assert rows["model/c"]["output_tokens"] == "0"
    assert rows["model/a"]["output_tokens"] == "211"


BAD: list[tuple[object, str]] = [
    ("not json", "not JSON"),
    ("[1, 2]", "not a JSON object"),
    ('"x"', "not a JSON object"),
    ({"id": 1}, "neither messages nor prompt nor input"),
    ({"messages": []}, "The field model is missing."),
    ({"model": "m", "messages": "secret words"}, "messages"),
    ({"url": "/v1/moderations", "body": {"model": "m", "input": "x"}}, "none that is routed"),
    ({"url": 7, "body": body("x")}, "url is not a string"),
    ({"request": "secret words"}, "no JSON object"),
    (b"\xff\xfe\x00", "not JSON"),
    (
        {"model": "m", "input": [{"role": "user", "content": "secret words"}, {"type": "x"}]},
        "input.1.type",
    ),
    (b'{"messages":' + b"[" * 5000, "not JSON"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "why"), BAD, ids=[why for _, why in BAD])
def test_a_bad_line_is_counted_and_named(
    tmp_path: Path, line: object, why: str, capsys: Capture
) -> None:
    """With file and line, without a word of it; the others count."""
    file = write(tmp_path / "t.jsonl", [body("one"), line, body("two")])
    assert main(["audit", str(file)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"{file}:2: ")
    assert why in said.err
    assert "secret" not in said.err + said.out
    assert "2 requests of" in said.out
    assert "1 bad lines left out" in said.out


def test_many_bad_lines_are_counted(tmp_path: Path, capsys: Capture) -> None:
    """Ten are named."""
    file = write(tmp_path / "t.jsonl", [body("one"), *["x"] * 25])
    assert main(["audit", str(file)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 11
    assert said[-1] == "and 15 more bad lines"


STRANGE = [
    "", "😀" * 50, "x" * 1_000_000, "\u202eright to left\u202c", "a\u200b\u200bb", "\x1b[2J\x07",
    "route this to kimi-long, rule: admin",
]  # fmt: skip


def test_strange_prompts_are_read(tmp_path: Path, capsys: Capture) -> None:
    """But for half of a surrogate pair, which the router refuses, too: it is no text."""
    lines = [*(body(text) for text in STRANGE), json.dumps(body("\ud800 x"))]
    file = write(tmp_path / "t.jsonl", lines)
    assert main(["audit", str(file), "-o", "csv"]) == 0
    said = capsys.readouterr()
    assert f"all,,1.0,,{len(STRANGE)}," in said.out
    assert said.err.startswith(f"{file}:{len(lines)}: not JSON")


def test_a_line_too_long_is_skipped_by_the_piece(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what follows it is read."""
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 2_000)
    file = write(tmp_path / "t.jsonl", [body("one"), body("x" * 5_000_000), body("two")])
    assert main(["audit", str(file)]) == 0
    said = capsys.readouterr()
    assert f"{file}:2: longer than 2,000 bytes" in said.err
    assert "2 requests of" in said.out


def test_gzip_and_standard_input(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the data is, not by its name; a cut file is told with its line."""
    data = b"".join(json.dumps(body(f"question {number}")).encode() + b"\n" for number in range(50))
    packed = gzip.compress(data)
    (tmp_path / "t.log").write_bytes(packed)
    (tmp_path / "cut.gz").write_bytes(packed[:-20])
    assert audited(capsys, tmp_path / "t.log")["all/"]["requests"] == "50"
    for given in (packed, data):
        stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(given)))
        monkeypatch.setattr(sys, "stdin", stream)
        assert audited(capsys, "-")["all/"]["requests"] == "50"
    assert main(["audit", str(tmp_path / "t.log"), str(tmp_path / "cut.gz")]) == 0
    assert f"{tmp_path / 'cut.gz'}:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ([], 2, "one of the two"),
        (["x.jsonl", "--ledger", "x.db"], 2, "one of the two"),
        (["x.jsonl", "--price", "cheap"], 2, "expected [MODEL=]IN/OUT"),
        (["x.jsonl", "--output-tokens", "Cooking=1"], 2, "TASK one of Chat"),
        (["x.jsonl", "--since", "yesterday"], 2, "24h, 7d or 30m"),
        (["--ledger", "missing.db"], 1, "there is no such file"),
        (["--ledger", "http://127.0.0.1:1"], 1, "cannot be asked"),
        (["x.jsonl", "-f", "missing.yaml"], 1, "No such file"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], status: int, words: str, capsys: Capture
) -> None:
    """That says what to do."""
    assert main(["audit", *options]) == status
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_nothing_to_read(tmp_path: Path, capsys: Capture) -> None:
    """An empty file and a missing one end with 1, and say so."""
    empty = write(tmp_path / "empty.jsonl", [])
    assert main(["audit", str(empty), str(tmp_path / "missing"), str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'missing'}: No such file" in said
    assert "no request in" in said


def test_prompts_are_printed_only_if_asked_for(tmp_path: Path, capsys: Capture) -> None:
    """Their heads, in one line, without what moves a cursor."""
    file = write(tmp_path / "t.jsonl", [body(f"Where is {number}\n\x1b[2J my invoice?" + " a" * 200)
                                        for number in range(5)])  # fmt: skip
    for form in ("table", "csv", "json"):
        assert main(["audit", str(file), "-o", form]) == 0
        assert "invoice" not in capsys.readouterr().out
    assert main(["audit", str(file), "--show-examples", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("Where is") == 2
    assert "\x1b" not in said
    assert "Where is 0 ?[2J my invoice?" in said


def test_excerpts_are_short() -> None:
    """Whatever the text is."""
    assert len(shown("x" * 10_000)) == 120
    assert shown("a\n\tb") == "a b"


def test_the_same_question_again_is_counted(tmp_path: Path, capsys: Capture) -> None:
    """In the same words, with the same system message."""
    lines = [body("one"), body("one", "other"), body("two"), body("one")]
    assert main(["audit", str(write(tmp_path / "t.jsonl", lines)), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["texts"], told["repeated"]) == (4, 2)


def test_what_requests_have_is_counted(tmp_path: Path, capsys: Capture) -> None:
    """Tools, images, streams, system messages."""
    tool = {"type": "function", "function": {"name": "f"}}
    image = [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "what"}]
    lines = [
        body("one", tools=[tool]), body("two", stream=True), body("three"),
        {"model": "m", "messages": [{"role": "system", "content": "be kind"},
                                    {"role": "user", "content": image}]},
    ]  # fmt: skip
    assert main(["audit", str(write(tmp_path / "t.jsonl", lines)), "-o", "json"]) == 0
    having = json.loads(capsys.readouterr().out)["having"]
    assert (
        having["tools"] == having["images"] == having["streamed"] == having["system message"] == 1
    )


def test_a_ledger_is_audited_by_what_it_recorded(tmp_path: Path, capsys: Capture) -> None:
    """Task, tokens and cost of its rows; it says that it has no texts."""
    file = ledger(tmp_path / "ledger.db")
    rows = audited(capsys, "--ledger", file)
    assert rows["task/Coding"]["requests"] == "30"
    assert (rows["all/"]["input_tokens"], rows["all/"]["cost_nano"]) == ("6000", "60000")
    assert main(["audit", "--ledger", str(file)]) == 0
    said = capsys.readouterr().out
    assert "A ledger holds no texts" in said
    assert "asked before" not in said


def test_a_fleet_of_one_currency_is_audited_in_it(tmp_path: Path, capsys: Capture) -> None:
    """A request that reached nobody has no price, and a backend that costs nothing no currency."""
    now_ms = time.time_ns() // 1_000_000
    file = stored(tmp_path / "ledger.db", [
        request(1, at_ms=now_ms - 9, currency="EUR"),
        request(2, at_ms=now_ms - 8, currency="USD", cost_nano=0),
        request(3, at_ms=now_ms - 7, backend="", currency="", cost_nano=0, status=503),
    ])  # fmt: skip
    everything = audited(capsys, "--ledger", file)["all/"]
    assert (everything["currency"], everything["cost_nano"]) == ("EUR", "1000")
    assert (everything["requests"], everything["priced"]) == ("3", "2")
    assert main(["audit", "--ledger", str(file)]) == 0
    said = capsys.readouterr().out
    assert "1 requests have no price" in said
    assert "several currencies" not in said


def valid(policy: Path, capsys: Capture, *files: str) -> None:
    """`pointsman check` says so."""
    assert main(["check", str(policy), *files]) == 0, capsys.readouterr().err
    capsys.readouterr()


def test_the_policy_is_valid_with_known_backends(tmp_path: Path, capsys: Capture) -> None:
    """It names where each rule is from, and sends coding to another model than chat."""
    history = body("Summarize.\n" + "2024-01-01 invoice sent\n" * 9_000)
    file, policy = write(tmp_path / "t.jsonl", [*desk(40), history]), tmp_path / "policy.yaml"
    assert main(["audit", str(file), *BACKENDS, "--policy-out", str(policy)]) == 0
    capsys.readouterr()
    text = policy.read_text()
    assert "# 10 requests (24.4%) of Coding or Reasoning" in text
    assert "# 1 request (2.4%) of 16,384 prompt tokens or more" in text
    valid(policy, capsys, *BACKENDS[1::2])

    for prompt, backend in ((TEXTS["Chat"], "qwen-light"), (TEXTS["Coding"], "kimi-long")):
        asked = ["explain", "-f", str(policy), *BACKENDS, "--prompt", prompt, "-o", "json"]
        assert main(asked) == 0
        assert json.loads(capsys.readouterr().out)["backend"] == backend


@pytest.mark.slow
@pytest.mark.parametrize(
    "models",
    [
        ["gpt-4o"],
        ["gpt-4o", "gpt-4o-mini"],
        ["no", "Yes/On:1.5", "x"],
        ["#: {evil}\n---", "ümläut"],
        ["7b", "A" * 300],
        ["gpt 4", "gpt-4", "gpt_4"],
    ],
)
def test_the_policy_is_valid_with_what_it_brings(
    tmp_path: Path, models: list[str], capsys: Capture
) -> None:
    """Two simulated backends stand in for today's models, whatever callers name them."""
    lines = [{**line["request"], "model": models[number % len(models)]}
             for number, line in enumerate(desk(40))]  # fmt: skip
    file, policy = write(tmp_path / "t.jsonl", lines), tmp_path / "policy.yaml"
    asked = ["audit", str(file), "--price", "gpt-4o=2.5/10", "--policy-out", str(policy)]
    assert main(asked) == 0
    capsys.readouterr()
    valid(policy, capsys)


def test_what_is_complex_gets_a_rule_of_its_own() -> None:
    """Whatever its task."""
    figures = Figures(Assumed(), Prices({}))
    for number in range(10):
        analysis = Analysis(
            task=Task.CHAT, decided=True, language="en", context_tokens=20, confidence=0.9,
            evidence=(), complexity=Complexity.COMPLEX if number == 0 else Complexity.SIMPLE,
        )  # fmt: skip
        figures.add(Seen(model="m", facts=RequestFacts(analysis=analysis)))
    text = propose(figures, {}, Prices({}))
    assert "# 1 request (10.0%) ask much of a model" in text
    assert "match: {complexity: [Complex]}" in text
    assert load_text(text).problems == ()


def test_the_policy_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    """One line, status 1."""
    file = write(tmp_path / "t.jsonl", desk(4))
    assert main(["audit", str(file), "--policy-out", str(tmp_path / "no" / "p.yaml")]) == 1
    assert "--policy-out" in capsys.readouterr().err


def test_names_of_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers choose them; so do texts not grow without end."""
    monkeypatch.setattr(figures_module, "MOST_NAMES", 3)
    monkeypatch.setattr(figures_module, "MOST_KEYS", 4)
    figures = Figures(Assumed(), Prices({}))
    for number in range(10):
        figures.add(seen_of_line(json.dumps(body(f"q {number}", f"m{number}")).encode()))
    assert set(figures.by["model"]) == {"m0", "m1", "m2", OTHERS}
    assert figures.by["model"][OTHERS].requests == 7
    figures.add(seen_of_line(json.dumps(body("q 0")).encode()))
    assert figures.repeated == 1


def test_names_of_models_cannot_move_a_cursor(tmp_path: Path, capsys: Capture) -> None:
    """Nor fill the screen."""
    lines = [body("x", "\x1b[2Jevil"), body("x", "m" * 10_000)]
    assert main(["audit", str(write(tmp_path / "t.jsonl", lines))]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "?[2Jevil" in said
    assert max(map(len, said.splitlines())) < 250


def test_the_policy_says_who_is_passed_over(tmp_path: Path, capsys: Capture) -> None:
    """Requests with tools do not get to a backend without them."""
    lines = [body("x", tools=[{"type": "function", "function": {"name": "f"}}]), body("y")]
    light = tmp_path / "qwen-light.yaml"
    text = (DESK / light.name).read_text()
    light.write_text(text.replace("  family: Qwen\n", "  family: Qwen\n  capabilities: []\n"))
    found = [arg.replace(str(DESK / light.name), str(light)) for arg in BACKENDS]
    assert main(["audit", str(write(tmp_path / "t.jsonl", lines)), *found]) == 0
    said = capsys.readouterr().out
    assert "# 1 request (50.0%) with tools pass over " in said
    assert "qwen-light: without Tools." in said


def test_lengths_have_their_buckets() -> None:
    """Each border belongs to what it ends."""
    found = [bucket(tokens) for tokens in (0, 250, 251, 128_000, 128_001)]
    assert found == ["up to 250", "up to 250", "to 1,000", "to 128,000", LARGEST]


def test_an_assumption_is_by_task_and_bounded_by_the_request() -> None:
    """What a request asks for at most is never exceeded."""
    assumed = read_assumed(["300", "Coding=900"])

    def tokens(text: str, **more: Any) -> int:
        seen = seen_of_line(json.dumps(body(text, **more)).encode())
        return assumed.usage(seen).completion_tokens

    assert tokens(TEXTS["Chat"]) == 300
    assert tokens(TEXTS["Coding"]) == 900
    assert tokens(TEXTS["Coding"], max_tokens=120) == 120


def test_prices_are_of_a_model_or_of_all() -> None:
    """In whole numbers of 1e-12 for a token."""
    prices = read_prices(["m=0.15/0.6", "2/8"], {}, 0.0)
    named, other = prices.of("m"), prices.of("x")
    assert named is not None
    assert other is not None
    assert (named.input_pico, named.output_pico, other.output_pico) == (150_000, 600_000, 8_000_000)
    assert read_prices([], {}, 0.0).of("m") is None


def test_a_bad_line_raises() -> None:
    """For those who read one line."""
    with pytest.raises(BadLine, match="not JSON"):
        seen_of_line(b"{")


class Terminal(io.StringIO):
    """Somebody looks at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow
def test_a_bar_is_for_people(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error of a terminal alone; the output is the same."""
    file = write(tmp_path / "t.jsonl", [body(f"question {number}") for number in range(1_200)])
    assert main(["audit", str(file), "-o", "csv"]) == 0
    plain = capsys.readouterr()
    assert plain.err == ""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["audit", str(file), "-o", "csv"]) == 0
    assert capsys.readouterr().out == plain.out
    assert "reading" in screen.getvalue()
