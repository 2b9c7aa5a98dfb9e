"""What is to be asked next, and what an answer is worth: from the calls alone."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.v1alpha1 import EvaluationSuiteSpec
from pointsman.api.validation import parse
from pointsman.evaluation.suite.calls import ANSWER, Call, Unit, next_steps, outcome_of, units
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.outcome import Missing, Outcome

UNIT = Unit("t", 0, "p")
JUDGE = {"judge": {"rubric": "Be kind."}}
PAIR = {"judge": {"rubric": "Be kind.", "reference": "Kindly."}}


def suite_of(*checks: dict[str, Any], **more: Any) -> Suite:
    prompts = [{"name": "p", "prompt": "x", "checks": list(checks), **more}]
    spec = parse(EvaluationSuiteSpec, {"prompts": prompts, "judge": {"model": "j"}})
    found = compile_suite(spec)
    assert isinstance(found, Suite)
    return found


def call(step: str = ANSWER, **more: Any) -> Call:
    return Call(target="t", run=0, prompt="p", step=step, at_ms=0, **more)


def asked(suite: Suite, *calls: Call) -> list[str]:
    done = {one.step: one for one in calls}
    return [one.name for one in next_steps(suite.prompts["p"], UNIT, suite.judge, done)]


def worth(suite: Suite, *calls: Call) -> Outcome | None:
    return outcome_of(suite.prompts["p"], UNIT, {one.step: one for one in calls})


def test_first_the_answer_then_the_judge() -> None:
    """A pair is judged twice; at the end nothing is left."""
    suite = suite_of({"contains": "yes"}, JUDGE, PAIR)
    answer = call(text="yes")

    assert asked(suite) == [ANSWER]
    assert worth(suite) is None
    steps = asked(suite, answer)
    assert steps[0] == "judge/1"
    assert set(steps[1:]) == {"judge/2/first", "judge/2/second"}
    assert worth(suite, answer) is None
    half = [call("judge/1", text='{"score": 0.8}'), call(steps[1], text='{"better": "same"}')]
    assert asked(suite, answer, *half) == steps[2:]
    last = call(steps[2], text='{"better": "same"}')
    assert asked(suite, answer, *half, last) == []
    found = worth(suite, answer, *half, last)
    assert found is not None
    assert found.score == 0.5


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [("A", "B", 1.0), ("B", "A", 0.0), ("A", "A", 0.5), ("B", "B", 0.5), ("A", "same", 0.75)],
)
def test_a_liking_for_a_place_cancels(first: str, second: str, score: float) -> None:
    """A judge that always says A says nothing."""
    suite = suite_of(PAIR)
    found = worth(
        suite,
        call(text="Dear."),
        call("judge/0/first", text=f'{{"better": "{first}"}}'),
        call("judge/0/second", text=f'{{"better": "{second}"}}'),
    )

    assert found is not None
    assert found.score == score


def test_a_judge_is_not_asked_in_vain() -> None:
    """An answer that is wrong already, has no score or is not there costs nothing more."""
    suite = suite_of({"number": {"value": "1"}}, JUDGE)

    assert asked(suite, call(text="2")) == []
    assert asked(suite, call(text="one")) == []
    assert asked(suite, call(missing=Missing.TIMED_OUT)) == []
    assert asked(suite, call(text="1")) == ["judge/1"]


def test_the_worst_check_decides() -> None:
    """0 whatever else is not known; what is missing beside a 1 is missing."""
    number, word = {"number": {"value": "1"}}, {"contains": "yes"}

    assert getattr(worth(suite_of(word, number), call(text="yes 1")), "score", None) == 1
    assert getattr(worth(suite_of(word, number), call(text="yes 2")), "score", None) == 0
    assert getattr(worth(suite_of(word, number), call(text="no")), "score", None) == 0
    absent = worth(suite_of(word, number), call(text="yes"))
    assert absent is not None
    assert absent.missing is Missing.UNREADABLE


@pytest.mark.parametrize("missing", list(Missing))
def test_what_was_not_answered_is_not_wrong(missing: Missing) -> None:
    """Whoever failed: the model, or its judge."""
    suite = suite_of({"contains": "yes"}, JUDGE)
    found = worth(suite, call(missing=missing, why="because"))
    judged = worth(suite, call(text="yes"), call("judge/1", missing=missing, why="because"))

    assert found == Outcome(None, "because", missing)
    assert judged == Outcome(None, "the judge: because", missing)


@pytest.mark.parametrize("again", [False, True])
def test_a_judge_that_fails_ends_what_follows(again: bool) -> None:
    """Nobody else is asked, and the answer has no score, unless it was wrong already."""
    suite = suite_of(JUDGE, PAIR, JUDGE)
    pair = asked(suite, call(text="yes"))[1]
    answer, right = call(text="yes"), call("judge/0", text='{"score": 1}')
    first = call("judge/0", missing=Missing.TIMED_OUT, why="late", again=again)
    second = call(pair, missing=Missing.REFUSED, why="busy", again=again)

    for calls, found in (
        ((answer, first), Outcome(None, "the judge: late", Missing.TIMED_OUT)),
        ((answer, right, second), Outcome(None, "the judge: busy", Missing.REFUSED)),
        ((answer, call("judge/0", text='{"score": 0}'), second), Outcome(0.0, "the judge gives 0")),
    ):
        assert asked(suite, *calls) == []
        assert worth(suite, *calls) == found


def test_who_declines_is_not_wrong_unless_that_is_asked() -> None:
    """And who begins with an excuse and is right, is right."""
    sorry = "I'm sorry, but I can't help with that."
    plain, strict = suite_of({"contains": "42"}), suite_of({"refusal": "NotExpected"})

    assert worth(plain, call(text=sorry)) == Outcome(None, "the model declined", Missing.REFUSED)
    assert getattr(worth(plain, call(text=sorry + " 42")), "score", None) == 1
    assert getattr(worth(plain, call(text="No idea.")), "score", None) == 0
    assert getattr(worth(plain, call(declined=True)), "missing", None) is Missing.REFUSED
    assert getattr(worth(strict, call(text=sorry)), "score", None) == 0
    assert getattr(worth(suite_of({"refusal": "Expected"}), call(declined=True)), "score", 0) == 1


@pytest.mark.parametrize("more", [[], [{"refusal": "Expected"}]])
def test_who_declines_without_a_word_is_not_judged(more: list[dict[str, Any]]) -> None:
    """A filter cut everything off: the prompt is over all the same."""
    suite = suite_of(*more, JUDGE)
    found = worth(suite, call(declined=True))

    assert asked(suite, call(declined=True)) == []
    assert found is not None
    assert found.missing is Missing.REFUSED


def test_targets_stay_side_by_side() -> None:
    """A cap then leaves what can be compared."""
    suite = suite_of({"contains": "x"})

    assert list(units(suite, ["a", "b"], 2)) == [
        Unit("a", 0, "p"), Unit("b", 0, "p"), Unit("a", 1, "p"), Unit("b", 1, "p"),
    ]  # fmt: skip


def test_a_body_is_what_the_api_takes() -> None:
    """A judge gets its own model and none of the prompt's metadata."""
    suite = suite_of({"contains": "yes"}, JUDGE, metadata={"team": "a"}, maxTokens=7)
    (first,) = next_steps(suite.prompts["p"], UNIT, suite.judge, {})
    (second,) = next_steps(suite.prompts["p"], UNIT, suite.judge, {ANSWER: call(text="yes")})

    assert first.body("m") == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 7,
        "metadata": {"team": "a"},
    }
    assert second.body("m")["model"] == "j"
    assert "metadata" not in second.body("m")


@given(st.text(), st.sampled_from([None, *Missing]), st.booleans())
def test_a_call_comes_back_from_its_line(
    text: str, missing: Missing | None, declined: bool
) -> None:
    """Exact."""
    one = call(text=text, missing=missing, declined=declined, cost_nano=10**12, latency_ms=0.001)

    assert msgspec.json.decode(msgspec.json.encode(one), type=Call) == one
