"""What an answer says of itself is read; what makes no sense is left out, whatever it is."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.openai import read_answer
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.stated import Stated, read_stated

_WHOLE = {
    "id": "chatcmpl-1",
    "model": "deepseek-v3",
    "system_fingerprint": "fp_1",
    "choices": [
        {"message": {"content": 'say "finish_reason":"length"'}, "finish_reason": "tool_calls"}
    ],
}


def _of_whole(answer: object) -> Stated:
    body = json.dumps(answer).encode()
    return read_stated(read_answer(body)[0], b"", body)


def test_a_whole_answer() -> None:
    """All four; a text that quotes one does not count."""
    assert _of_whole(_WHOLE) == ("chatcmpl-1", "deepseek-v3", "fp_1", "tool_calls")


def test_a_stream() -> None:
    """From its first event and its last."""
    first = b": hello\n\ndata: " + json.dumps({**_WHOLE, "choices": []}).encode() + b"\n\n"
    end = b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
    assert read_stated(NO_ANSWER, first, end) == ("chatcmpl-1", "deepseek-v3", "fp_1", "length")


@pytest.mark.parametrize(
    "odd", [5, None, [], {"id": "x"}, "x" * 201, "", True], ids=lambda odd: str(odd)[:5]
)
def test_odd_values_are_left_out(odd: object) -> None:
    """Of other types, or too long."""
    answer = {
        "id": odd,
        "model": odd,
        "system_fingerprint": odd,
        "choices": [{"finish_reason": odd}],
    }
    assert _of_whole(answer) == ("", "", "", "")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_give_short_texts(opening: bytes, end: bytes) -> None:
    """No error, and nothing that cannot be encoded."""
    stated = read_stated(NO_ANSWER, b"data:" + opening, b'"finish_reason"' + end)
    assert all(len(text) <= 200 for text in stated)
    msgspec.json.encode(list(stated))


@given(st.text())
def test_any_text_is_itself_or_nothing(text: str) -> None:
    """As an id: lone surrogates too."""
    with suppress(UnicodeEncodeError):
        assert _of_whole({"id": text}).id in (text, "")
