"""What is searched of a body: everything that is said in it, as a model may get it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.literals import MOST_BYTES, literals
from tests.router.wire.test_openai import VALUES

MAIL = "ada@example.org"
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def said(value: object) -> list[str]:
    """Names, texts and numbers, in their order."""
    if isinstance(value, dict):
        return [text for name, one in value.items() for text in (name, *said(one))]
    if isinstance(value, list):
        return [text for one in value for text in said(one)]
    if isinstance(value, str):
        return [value]
    return [] if value is None or isinstance(value, bool) else [json.dumps(value)]


@given(VALUES, st.booleans())
def test_all_that_is_said_is_there(value: object, ascii_only: bool) -> None:
    """In its order, however it is escaped, wherever it stands."""
    written = json.dumps(value, ensure_ascii=ascii_only)
    try:
        body = written.encode()
    except UnicodeEncodeError:
        return
    found = literals(body, 100_000)
    if found is None:  # half a surrogate pair
        assert "\\ud" in written.lower()
        return
    left = iter(found)
    frame = ("type", "text", "role", "content")
    assert all(text in left for text in said(value) if text not in frame)


@pytest.mark.parametrize("depth", range(1, 5))
def test_escapes_in_arguments_are_read(depth: int) -> None:
    """They are JSON in a text, and may hold such a text again."""
    text = '{"to": "ada\\u0040example.org"}'
    for _ in range(depth):
        text = json.dumps({"arguments": text})
    assert MAIL not in text
    found = literals(text.encode(), 10_000)
    assert found is not None
    assert any(MAIL in one for one in found)


def test_a_name_that_stands_twice_hides_nothing() -> None:
    """Some servers read the first."""
    assert literals(b'{"a": "first", "a": "last"}', 100) == ["a", "first", "a", "last"]


def test_parts_of_a_message_follow_each_other() -> None:
    """A model reads them as one text; an image between them is not looked into."""
    parts = [
        {"type": "text", "text": "Project"},
        {"type": "image_url", "image_url": {"url": IMAGE}},
        {"type": "text", "text": "X"},
    ]
    found = literals(json.dumps({"content": [parts[0], parts[2]]}).encode(), 100)
    assert found == ["Project", "X"]
    found = literals(json.dumps({"content": parts}).encode(), 100)
    assert found == ["Project", "image_url", "image_url", "url", "X"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\xff"}',
        b'{"a": "data:application/pdf;base64,eA=="}',
        b'{"a": "DATA:text/plain;charset=utf-8;base64,eA=="}',
        b'{"a": "data\\u003aapplication/pdf;base64,eA=="}',
        json.dumps({"a": f"{IMAGE} and {MAIL}"}).encode(),
        json.dumps({"a": "x" * 100}).encode(),
        json.dumps({"a": "é" * 100}).encode(),
        json.dumps({"a": ["x"] * 100}).encode(),
        json.dumps({"a": list(range(100))}).encode(),
        json.dumps({"a": IMAGE + "A" * MOST_BYTES}).encode(),
    ],
    ids=["bytes", "file", "FILE", "escaped", "no image",
         "long", "escapes", "many", "numbers", "huge"],
)  # fmt: skip
def test_what_cannot_be_read_is_said(body: bytes) -> None:
    """Never a part of it as if it were all."""
    assert literals(body, 100) is None


def test_escapes_do_not_count() -> None:
    """Most clients write other letters than English ones with six characters."""
    assert literals(json.dumps({"a": "é" * 90}).encode(), 100) == ["a", "é" * 90]
