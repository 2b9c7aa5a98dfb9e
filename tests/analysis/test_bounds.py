"""What holds for any text: no exception, one answer, bounded work, no secrets in the evidence."""

import ast
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pointsman.analysis
from pointsman.analysis import Prompt, Task, analyze
from pointsman.analysis.text import HEAD, TAIL, cap, read
from tests.analysis.prompts import ask
from tests.perf.analysis import large_prompts

# Every code point, lone surrogates and control characters too.
ANY_TEXT = st.text(st.characters(), max_size=400)
MARKS = st.lists(
    st.sampled_from(
        [
            "```", "$", "\\frac", "def ", "(", ")", "\n", "select ", " from ", ": ", "article",
            "the following ", "a) ", "b) ", "c) ", "=", "x^2", "in spanish", "say ",
            "é", "中", "\ud83d",
            "12", "how many ", "?", "{", ";", "#", "error: ", "at a.b(c.d:1", "public static ",
        ]
    ),
    max_size=80,
).map("".join)  # fmt: skip
PARTS = st.one_of(ANY_TEXT, MARKS)


@given(
    st.builds(
        Prompt,
        user=PARTS,
        system=PARTS,
        history=PARTS,
        total_chars=st.integers(0, 10**9),
        turns=st.integers(0, 50),
        images=st.booleans(),
    )
)
def test_any_request_gets_the_same_valid_answer_twice(prompt: Prompt) -> None:
    """Never an exception, whatever a client sends; no state between two calls."""
    first, second = analyze(prompt), analyze(prompt)
    assert first == second
    assert 0.0 <= first.confidence <= 1.0
    assert first.context_tokens >= 0
    assert first.evidence
    assert first.decided or first.task is Task.CHAT


@given(ANY_TEXT, st.integers(1, 50))
def test_the_middle_of_a_huge_message_is_not_looked_at(middle: str, repeats: int) -> None:
    """Head and tail decide; of the rest only its length counts."""
    head, tail = "word " * (HEAD // 5), " text" * (TAIL // 5)
    huge, other = head + middle * repeats + tail, head + "x" * len(middle * repeats) + tail
    length = len(huge)
    assert cap(huge) == cap(other) or length <= HEAD + TAIL
    if length > HEAD + TAIL:
        first = analyze(Prompt(user=huge, total_chars=length))
        assert first == analyze(Prompt(user=other, total_chars=length))


@given(PARTS)
def test_a_text_within_the_cap_is_read_as_it_is(text: str) -> None:
    """Nothing is lost below 4,000 characters."""
    assert cap(text) == text
    assert read(text).chars == len(text)


@given(st.text(st.characters(), max_size=200))
def test_more_text_never_costs_fewer_tokens(text: str) -> None:
    """The estimate grows with the length of all messages."""
    prompt = Prompt(user=text, total_chars=len(text))
    longer = Prompt(user=text, total_chars=len(text) + 1_000, history="word " * 200)
    assert analyze(longer).context_tokens >= analyze(prompt).context_tokens + 199


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("The committee will meet again on Thursday to discuss the budget. " * 20, 240, 380),
        ("委员会将于星期四再次开会讨论预算。" * 20, 180, 300),
        ("Комитет снова соберётся в четверг для обсуждения бюджета. " * 20, 300, 600),
    ],
)
def test_the_token_estimate_is_within_the_usual_range_of_its_script(
    text: str, low: int, high: int
) -> None:
    """Ranges around 20 times what byte-pair vocabularies of 100k to 200k entries give (±30 %)."""
    assert low <= ask(text).context_tokens <= high


@given(st.text("qxzj", min_size=8, max_size=30), MARKS, MARKS)
def test_the_evidence_never_quotes_the_prompt(secret: str, before: str, after: str) -> None:
    """Evidence may be logged and sent in headers where prompts may not."""
    for text in (f"{before} {secret} {after}", f"{before}{secret}{after}", f"def {secret}(): 1"):
        evidence = " ".join(ask(text).evidence)
        assert secret not in evidence
        assert evidence.isascii()
        assert evidence.isprintable()


def test_100_kb_of_anything_costs_less_than_5_ms() -> None:
    """A wide margin over the 0.3 ms measured (tests/perf/analysis.py): catches a runaway search."""
    for name, prompt in large_prompts().items():
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            analyze(prompt)
            taken.append(time.perf_counter() - start)
        assert min(taken) < 0.005, name


@settings(max_examples=200)
@given(st.lists(st.sampled_from([" ", "a", "1", "(", ")", "$", "\\", "\n", "=", ".", "def", "say", "in", ":", "{", "select", "public", "at", "x", "-", "<", "`"]), min_size=1, max_size=6).map("".join))  # fmt: skip  # noqa: E501
def test_no_repeated_pattern_makes_a_search_run_away(unit: str) -> None:
    """Any short unit repeated to 20,000 characters stays under 10 ms."""
    text = unit * (20_000 // len(unit))
    prompt = Prompt(user=text, total_chars=len(text))
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        analyze(prompt)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.010


def test_the_analysis_imports_nothing_that_could_make_it_impure() -> None:
    """Only itself, the API, msgspec's Struct and a few pure modules of the standard library."""
    allowed = {"re", "collections", "dataclasses", "itertools", "enum", "msgspec"}
    allowed |= {"math", "struct", "typing"}
    allowed |= {"operator"}
    for path in Path(pointsman.analysis.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] in allowed or name.startswith(
                    ("pointsman.analysis", "pointsman.api")
                ), f"{path.name} imports {name}"
