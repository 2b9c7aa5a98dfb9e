"""What a caller says is read whole or refused with the field's name; nothing is lost in silence."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.events.schema import Feedback, decode, encode
from pointsman.router.errors import BadRequest
from pointsman.router.wire.feedback import MAX_COMMENT_CHARS, read_feedback

_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ("decision_id", "response_id", "score", "good", "verdict", "comment", "demonstration")


def _read(said: object) -> Feedback:
    return read_feedback(json.dumps(said).encode(), id="f-1", at_ms=7, caller="app")


def test_all_of_it_is_kept() -> None:
    """Each field, as the event that the ledger gets."""
    said = {
        "decision_id": "a-1", "score": 0.5, "good": False, "verdict": "underpowered",
        "comment": "short", "demonstration": "long",
    }  # fmt: skip
    assert _read(said) == Feedback(
        id="f-1", at_ms=7, decision="a-1", caller="app", score=0.5, good=False,
        verdict="underpowered", comment="short", demonstration="long",
    )  # fmt: skip
    assert _read({"response_id": "chatcmpl-1", "good": True}).response_id == "chatcmpl-1"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"good": True}, "decision_id"),
        ({"decision_id": "a", "response_id": "b", "good": True}, "decision_id"),
        ({"decision_id": "a"}, None),
        ({"decision_id": "a", "comment": ""}, None),
        ({"decision_id": "", "good": True}, "decision_id"),
        ({"decision_id": "a b", "good": True}, "decision_id"),
        ({"decision_id": "a\n", "good": True}, "decision_id"),
        ({"response_id": "x" * 201, "good": True}, "response_id"),
        ({"decision_id": 5, "good": True}, "decision_id"),
        ({"decision_id": "a", "good": "yes"}, "good"),
        ({"decision_id": "a", "score": 1.01}, "score"),
        ({"decision_id": "a", "score": -0.1}, "score"),
        ({"decision_id": "a", "score": True}, "score"),
        ({"decision_id": "a", "verdict": "great"}, "verdict"),
        ({"decision_id": "a", "comment": "x" * (MAX_COMMENT_CHARS + 1)}, "comment"),
        ({"decision_id": "a", "comment": 5}, "comment"),
        ({"decision_id": "a", "comment": ["x"]}, "comment"),
        ({"decision_id": "a", "score": "1"}, "score"),
        ({"decision_id": "a", "verdict": 1}, "verdict"),
        ({"decision_id": "a", "demonstration": {}}, "demonstration"),
        ({"decision_id": "a", "coment": "misspelled"}, None),
        ([], None),
        ("a", None),
    ],
)
def test_what_says_nothing_clear_is_refused(said: object, param: str | None) -> None:
    """With the field that is wrong."""
    with pytest.raises(BadRequest) as found:
        _read(said)
    assert found.value.status == 400
    assert found.value.param == param


def test_a_misspelled_field_is_named() -> None:
    """In the message: there is no field to name."""
    with pytest.raises(BadRequest, match="coment"):
        _read({"decision_id": "a", "coment": "x"})


def test_ten_megabytes_are_not_parsed() -> None:
    """413, with what is allowed."""
    with pytest.raises(BadRequest, match="4,000 characters") as found:
        _read({"decision_id": "a", "comment": "x" * 10_000_000})
    assert found.value.status == 413


@pytest.mark.slow
@given(_JSON | st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_any_json_is_read_or_refused(said: object) -> None:
    """BadRequest is the only way to say no; what is taken survives its line."""
    with suppress(BadRequest):
        feedback = _read(said)
        assert decode(encode(feedback)) == feedback
