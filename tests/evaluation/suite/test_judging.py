"""What a judge is asked, and what its verdicts say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.v1alpha1 import JudgeCheck
from pointsman.evaluation.suite.judging import (
    Place,
    blind_order,
    pair_messages,
    read_pair,
    read_score,
    score_messages,
)
from pointsman.evaluation.suite.outcome import Missing

ASKED = [{"role": "user", "content": "What is a train?"}]


@pytest.mark.parametrize(
    ("verdict", "score"),
    [
        ('{"score": 0.7}', 0.7),
        ('{"score": 1}', 1),
        ('Let me think.\n```json\n{"score": 0}\n```', 0),
        ('{"reason": "good", "score": 0.25}', 0.25),
    ],
)
def test_a_score_is_read(verdict: str, score: float) -> None:
    """With words around it."""
    assert read_score(verdict).score == score


@pytest.mark.parametrize(
    "verdict",
    [
        "",
        "These words only fill the answer",
        "0.7",
        '{"score": "0.7"}',
        '{"score": true}',
        '{"score": 1.01}',
        '{"score": -1}',
        '{"score": NaN}',
        '{"score": 1e400}',
        '{"score": 0.1} or {"score": 0.9}',
        '{"score": 0.1, "score": 0.9}',
        '{"better": "A"}',
        "{" * 100_000,
        "\ud800",
    ],
)
def test_nonsense_of_a_judge_makes_nobody_worse(verdict: str) -> None:
    """It is unreadable, not 0."""
    for outcome in (read_score(verdict), read_pair(verdict.replace("better", "b"), "first")):
        assert (outcome.score, outcome.missing) == (None, Missing.UNREADABLE)
        assert len(outcome.reason) < 200


@pytest.mark.parametrize(
    ("better", "place", "score"),
    [
        ("A", "first", 1),
        ("B", "first", 0),
        ("a ", "second", 0),
        ("B", "second", 1),
        ("same", "first", 0.5),
        ("Same", "second", 0.5),
    ],
)
def test_a_preference_is_of_the_place(better: str, place: Place, score: float) -> None:
    """A is the first one."""
    assert read_pair(json.dumps({"better": better}), place).score == score


def test_places_are_swapped_and_nobody_is_named() -> None:
    """The same two texts, the other way round."""
    check = JudgeCheck(rubric="Be brief.", reference="REFERENCE")
    first = pair_messages(ASKED, "CANDIDATE", check, "first")[-1]["content"]
    second = pair_messages(ASKED, "CANDIDATE", check, "second")[-1]["content"]

    assert first.index("CANDIDATE") < first.index("REFERENCE")
    assert second.index("REFERENCE") < second.index("CANDIDATE")
    assert sorted(first) == sorted(second)
    assert "What is a train?" in first
    assert "Be brief." in first


def test_neither_place_is_always_asked_first() -> None:
    """And the order is the same for all who are evaluated: it comes from the prompt's name."""
    orders = [blind_order(f"prompt-{i}", 0)[0] for i in range(200)]

    assert 60 < orders.count("first") < 140
    assert all(set(blind_order(f"p{i}", i)) == {"first", "second"} for i in range(20))


@given(st.text())
def test_an_answer_cannot_leave_its_marks(answer: str) -> None:
    """They hold a hash of it."""
    text = score_messages(ASKED, answer, JudgeCheck(rubric="r"))[-1]["content"]
    begin = text.index("<<answer ")
    mark = text[begin + 9 : begin + 17]

    assert mark not in answer
    assert text.count(f"\n{mark} answer>>") == 1


def test_a_judge_is_shown_no_book() -> None:
    """Of a megabyte the beginning."""
    text = score_messages(ASKED, "x" * 1_000_000, JudgeCheck(rubric="r"))[-1]["content"]

    assert len(text) < 40_000
