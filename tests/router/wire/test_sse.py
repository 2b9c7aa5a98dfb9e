"""Streams: what commits, what is held back, how they end; however the bytes are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.router.wire.sse import EventReader, Opening, StreamOpening, StreamTail

EVENTS = (
    b'\xef\xbb\xbf: comment\n\ndata: {"a":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\n'
    b"data\rdata: \r\r\nid: 5\n\ndata: [DONE]\n\n"
)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in pieces."""
    edges = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.integers(0, len(EVENTS)), max_size=30))
@example(list(range(len(EVENTS))))
def test_events_do_not_depend_on_cuts(cuts: list[int]) -> None:
    """All three line ends, comments, a byte order mark, data of several lines."""
    reader = EventReader()
    found = [event for piece in cut(EVENTS, cuts) for event in reader.feed(piece)]
    assert found == [b'{"a":1}', b"two\nlines", b"\n", b"[DONE]"]
    assert reader.pending_bytes == 0


def event(**delta: object) -> bytes:
    """One chunk with this delta."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


ROLE = event(role="assistant", content="")
NOTHING = (
    ROLE, b": ping\n\n", b'data: {"choices":[]}\n\n', b'data: {"choices":null,"usage":{}}\n\n',
    event(), event(content=None, tool_calls=[], refusal=None), event(role="assistant", name="x"),
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"retry: 5\n\n",
)  # fmt: skip
CONTENT = (
    event(content="x"), event(content=" "), event(reasoning_content="x"), event(reasoning="x"),
    event(refusal="x"), event(tool_calls=[{"index": 0}]), event(function_call={"name": "x"}),
    b'data: {"choices":[{"text":"x"}]}\n\n', b"data: [DONE]\n\n",
)  # fmt: skip


@given(
    st.lists(st.sampled_from(NOTHING), max_size=6),
    st.sampled_from(CONTENT),
    st.lists(st.integers(0, 2000), max_size=20),
)
def test_only_content_commits(nothing: list[bytes], content: bytes, cuts: list[int]) -> None:
    """And what was held back until then is every byte that was fed."""
    opening = StreamOpening(100_000, 100_000)
    fed = b""
    for piece in cut(b"".join(nothing) + content, cuts):
        fed += piece
        seen = opening.feed(piece)
        complete = len(fed) >= len(b"".join(nothing)) + len(content) - 1
        assert seen is not Opening.BROKEN
        assert (seen is Opening.CONTENT) <= complete
        if seen is Opening.CONTENT:
            break
    assert seen is Opening.CONTENT
    assert b"".join(opening.held) == fed


@pytest.mark.parametrize(
    "data",
    [b"data: x\n\n", b'data: {"error":{"message":"x"}}\n\n', b"data: {\xff}\n\n", b"data: []\n\n",
     b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + b"data: {\n\n", b"x" * 600,
     ROLE * 10],
    ids=["no JSON", "error", "UTF-8", "list", "then no JSON", "endless line", "endless start"],
)  # fmt: skip
def test_a_broken_start_is_said_to_be_broken(data: bytes) -> None:
    """With the reason in our words."""
    opening = StreamOpening(500, 500)
    if b"content" in data and b"\xff" in data:
        assert opening.feed(data) is Opening.CONTENT  # the bytes are relayed, not judged
        return
    assert opening.feed(data) is Opening.BROKEN
    assert opening.why


@given(
    st.binary(max_size=9000),
    st.sampled_from([b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n", b"data: [DONE]"]),
    st.lists(st.integers(0, 20_000), max_size=30),
)
def test_done_is_seen_at_the_end_only(before: bytes, done: bytes, cuts: list[int]) -> None:
    """However long the stream was; text that mentions it is not it."""
    tail = StreamTail()
    for piece in cut(before + b"\n" + done, cuts):
        tail.feed(piece)
    assert tail.done()
    tail.feed(b'data: {"content":"[DONE]"}\n\n')
    assert not tail.done()
    assert len(tail.bytes()) <= 5 * 4096 + 10_000


def test_the_hint_that_a_stream_may_be_done_never_misses() -> None:
    """Byte by byte or in one piece."""
    for size in range(1, 20):
        tail = StreamTail()
        data = event(content="x") + b"data: [DONE]\n\n"
        hints = [tail.feed(data[at : at + size]) for at in range(0, len(data), size)]
        assert any(hints)
        assert tail.done()


@pytest.mark.parametrize(
    ("after", "done"),
    [
        (b": bye\n\n", True),
        (b": one\r\n: two\r\n\r\n", True),
        (b'data: {"more": 1}\n\n', False),
        (b"event: x\n\n", False),
    ],
)
def test_a_comment_may_follow_the_end_and_nothing_else(after: bytes, done: bool) -> None:
    """Comments are no events (WHATWG HTML 9.2.6): a last keep-alive does not break a stream."""
    tail = StreamTail()
    tail.feed(event(content="x") + b"data: [DONE]\n\n")
    tail.feed(after)

    assert tail.done() is done
