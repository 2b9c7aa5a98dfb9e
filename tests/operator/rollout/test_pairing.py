"""Which of two answers is the better one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.api.pairs import Pair, Side
from pointsman.operator.plan.rollout.pairing import PLACES, Unscored, questions, read, scored
from tests.operator.rollout.unseen import failed, pair, prefers

SIDES = st.builds(
    Side,
    status=st.sampled_from([200, 400, 500, 504]),
    text=st.sampled_from(["", " ", "Yes.", "No.", '{"a": 1}', "I'm sorry, but I can't help."])
    | st.text(max_size=20),
    finish=st.sampled_from(["", "stop", "length", "tool_calls", "content_filter"]),
    calls=st.booleans(),
    cut=st.booleans(),
)
PAIRS = st.builds(
    Pair, question=st.text(), control=SIDES, candidate=SIDES, wants_json=st.booleans()
)


def sided(**candidate: Any) -> Pair:
    made = pair()
    return structs.replace(made, candidate=structs.replace(made.candidate, **candidate))


@given(made=PAIRS, judged=st.booleans())
def test_swapping_the_two_swaps_the_score(made: Pair, judged: bool) -> None:
    """Nobody is liked for being the older one; without a judge nobody asks for one."""
    swapped = structs.replace(made, control=made.candidate, candidate=made.control)
    found, other = scored(made, judged=judged), scored(swapped, judged=judged)
    if isinstance(found, Unscored):
        assert other is found
        assert judged or found is not Unscored.ASK
    else:
        assert not isinstance(other, Unscored)
        assert found == -other
        assert -1 <= found <= 1


@pytest.mark.parametrize(
    "worse",
    [
        failed(500),
        failed(504),
        failed(400),
        sided(text="  \n"),
        sided(text="I'm sorry, but I can't help with that."),
        sided(finish="length"),
        structs.replace(pair(control='{"a": 1}', candidate="not at all"), wants_json=True),
    ],
)
@pytest.mark.parametrize("judged", [True, False])
def test_what_needs_no_judge(worse: Pair, judged: bool) -> None:
    """An error, nothing, a refusal, an answer that was cut, no JSON: worse, for any judge."""
    assert scored(worse, judged=judged) == -1.0


@pytest.mark.parametrize(
    "same",
    [
        structs.replace(failed(500), control=Side(status=503)),
        pair(control="Yes.", candidate=" Yes.\n"),
        structs.replace(
            pair(), control=Side(status=200, calls=True), candidate=Side(status=200, calls=True)
        ),
    ],
)
def test_what_is_as_good_needs_no_judge(same: Pair) -> None:
    """Both failed, both say the same, both call tools."""
    assert scored(same, judged=True) == 0.0


def test_who_has_both_answers_asks_a_judge_if_there_is_one() -> None:
    """Without one they are as good; nobody can compare a call with an answer."""
    assert scored(pair(), judged=True) is Unscored.ASK
    assert scored(pair(), judged=False) == 0.0
    assert scored(sided(calls=True, text=""), judged=True) is Unscored.NOBODY
    both_cut = structs.replace(
        pair(),
        control=Side(status=200, text="a", finish="length"),
        candidate=Side(status=200, text="b", finish="length"),
    )
    assert scored(both_cut, judged=True) is Unscored.ASK


def test_json_that_was_cut_cannot_be_judged_as_json() -> None:
    """Of a long answer its beginning and its end are here."""
    made = structs.replace(
        pair(control='{"a": 1}'),
        candidate=Side(status=200, text='{"a": [1, 2', cut=True),
        wants_json=True,
    )
    assert scored(made, judged=False) == 0.0


def test_a_judge_is_asked_with_swapped_places_and_does_not_hear_whose_they_are() -> None:
    """A liking for a place cancels."""
    made = pair(control="old words", candidate="new words")
    asked = [messages[-1]["content"] for messages in questions(made, "Be brief.")]

    assert len(asked) == len(PLACES) == 2
    assert read([prefers("new words")(text) for text in asked]) == 1.0
    assert read([prefers("old words")(text) for text in asked]) == -1.0
    assert read(['{"better": "A"}'] * 2) == 0.0
    assert read(['{"better": "same"}'] * 2) == 0.0
    assert all("Be brief." in text and made.question in text for text in asked)
    assert not any(word in text.lower() for text in asked for word in ("candidate", "control"))


@pytest.mark.slow
@given(verdict=st.text() | st.none())
def test_nonsense_is_no_verdict(verdict: str | None) -> None:
    """Whatever it says instead."""
    assert read([verdict, '{"better": "A"}']) in {None, 0.0, 0.5, 1.0}
    assert read(["I like the second one.", '{"better": "A"}']) is None
    assert read([None, '{"better": "A"}']) is None
    assert read(['{"better": "C"}', '{"better": "A"}']) is None
