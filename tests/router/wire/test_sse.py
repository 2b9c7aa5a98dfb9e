"""Streams: what commits, what is held back, how they end; however the bytes are cut."""

import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.router.wire.delta import decode_chunk, has_content
from pointsman.router.wire.lengths import MOST_CHOICES
from pointsman.router.wire.sse import (
    BLANK_LINES,
    PART_BYTES,
    EventReader,
    Opening,
    StreamOpening,
    StreamTail,
    WholeEvents,
    ends_in_error,
)
from tests.support.work import growth, least_s, peak_bytes

EVENTS = (
    b'\xef\xbb\xbf: comment\n\ndata: {"a":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\n'
    b"data\rdata: \r\r\nid: 5\n\ndata: [DONE]\n\n"
)
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
ERROR = b'data: {"error":{"message":"it died","code":500}}\n\n'
BARE_ERROR = b'error: {"code":500,"message":"it died","type":"server_error"}\n\n'
DONE = b"data: [DONE]\n\n"


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


def naive(data: bytes) -> list[bytes]:
    """The data of each event, by the definition."""
    found: list[bytes] = []
    lines: list[bytes] = []
    for line in re.split(rb"\r\n|\n|\r", data)[:-1]:
        name, _, value = line.partition(b":")
        if not line and lines:
            found.append(b"\n".join(lines))
            lines = []
        elif name == b"data":
            lines.append(value.removeprefix(b" "))
    return found


@given(
    st.lists(
        st.sampled_from([b"\n", b"\r", b"\r\n", b"data", b"data:", b"data: ", b":", b"a", b" "]),
        max_size=40,
    ),
    st.lists(st.integers(0, 100), max_size=20),
)
def test_events_are_those_of_the_definition(words: list[bytes], cuts: list[int]) -> None:
    """Whatever line ends stand in a row, wherever they are cut."""
    data, reader = b"".join(words), EventReader()
    assert [one for piece in cut(data, cuts) for one in reader.feed(piece)] == naive(data)


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"data:ab\n"])
def test_lines_of_an_event_count_as_what_they_take(line: bytes) -> None:
    """Also one without a colon, which held a place in a list and counted nothing."""
    reader = EventReader()
    taken = peak_bytes(lambda: reader.feed(line * 20_000))
    assert reader.pending_bytes > taken / 2
    assert reader.pending_bytes >= 20_000 * len(line.strip())


def test_an_event_of_one_line_counts_as_its_bytes() -> None:
    """No bound is lower for it."""
    reader = EventReader()
    reader.feed(b"data: " + b"x" * 94 + b"\n")
    assert reader.pending_bytes == 100


@pytest.mark.slow
def test_blank_lines_cost_next_to_nothing() -> None:
    """They are passed over together, whatever their ends."""
    lines = b":\n" * 50_000
    for ends in (b"\n", b"\r\n", b"\r"):
        blank = ends * (len(lines) // len(ends))
        blanks_s = least_s(lambda blank=blank: EventReader().feed(blank))  # type: ignore[misc]
        assert 10 * blanks_s < least_s(lambda: EventReader().feed(lines))


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
    [b"data: x\n\n", b'data: {"error":{"message":"x"}}\n\n', BARE_ERROR, b"data: {\xff}\n\n",
     b"data: []\n\n",
     b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n' + b"data: {\n\n", b"x" * 600,
     ROLE * 10],
    ids=["no JSON", "error", "llama.cpp's", "UTF-8", "list", "then no JSON", "endless line",
         "endless start"],
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
    assert len(tail.bytes()) <= 2 * 32 * 1024 + 10_000


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


def test_no_more_choices_are_looked_at_than_can_be_asked_for() -> None:
    """The last of these has its say, and none behind it."""
    nothing, word = b'{"delta":{}}', b'{"delta":{"content":"x"}}'
    for count, seen in ((MOST_CHOICES - 1, True), (MOST_CHOICES, False)):
        chunk = decode_chunk(b'{"choices":[%b]}' % b",".join([nothing] * count + [word]))
        assert has_content(chunk) is seen


@pytest.mark.parametrize("choice", [b"{}", b'{"delta":{}}'])
def test_an_opening_of_very_many_choices_is_broken(choice: bytes) -> None:
    """It is not decoded: each would take a hundred bytes."""
    data = b'data: {"choices":[%b]}\n\n' % b",".join([choice] * 500_000)
    opening = StreamOpening(256 * 1024, 16 * 1024 * 1024)
    assert peak_bytes(lambda: opening.feed(data)) < 3 * len(data)
    assert opening.feed(b"") is Opening.BROKEN
    assert opening.why


def test_a_large_picture_is_content() -> None:
    """The bounds are of choices and objects, not of bytes."""
    opening = StreamOpening(256 * 1024, 16 * 1024 * 1024)
    assert opening.feed(event(content="x" * 4_000_000)) is Opening.CONTENT
    opening = StreamOpening(256 * 1024, 16 * 1024 * 1024)
    drawn = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "x" * 4_000_000}}
    assert opening.feed(event(role="assistant", content="", images=[drawn])) is Opening.CONTENT


@pytest.mark.slow
def test_a_tail_that_comes_byte_by_byte_is_put_together_once() -> None:
    """Each byte that may be the end has it asked for."""

    def drip(count: int) -> Callable[[], object]:
        def feed() -> None:
            tail = StreamTail()
            for _ in range(count):
                if tail.feed(b"\n"):
                    tail.done()

        return feed

    assert growth(drip, 2000) < 8


@given(st.lists(st.integers(1, 6000), min_size=1, max_size=60), st.integers(1, 20))
def test_a_tail_has_a_bound_and_counts_all_events(sizes: list[int], asked_each: int) -> None:
    """Whatever the pieces' sizes, and however often it is asked for; it is the end, unchanged."""
    tail, all_of_it = StreamTail(), b""
    for number, size in enumerate(sizes):
        piece = event(content="x" * size)
        all_of_it += piece
        tail.feed(piece)
        if number % asked_each == 0:
            kept = tail.bytes()
            assert all_of_it.endswith(kept)
            assert len(kept) >= min(len(all_of_it), 4096)
            assert len(kept) <= 2 * 32 * 1024 + 6200
    assert abs(tail.events - len(sizes)) <= 1 + len(sizes) // 20


def begun(data: bytes) -> list[bytes]:
    """The lines of an event that has no end yet, by the definition."""
    *lines, last = re.split(rb"\r\n|\n|\r", data)
    found: list[bytes] = []
    for line in lines:
        found = [*found, line] if line else []
    return [line for line in found if not line.startswith(b":")] + [last] * bool(last)


@given(
    st.lists(
        st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"data", b"data: a", b"event: x", b":\n"]),
        max_size=30,
    ),
    st.lists(st.integers(0, 100), max_size=30),
)
def test_no_part_of_an_event_goes_on(words: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut; nothing is lost, and no event that is whole waits."""
    data, events, fed, sent = b"".join(words), WholeEvents(), b"", b""
    for piece in cut(data, cuts):
        fed += piece
        sent += events.feed(piece)
        assert begun(sent) == []
        assert naive(sent) == naive(fed)
    assert (sent + events.rest(), events.held_bytes) == (data, 0)


def test_a_comment_goes_on_though_no_blank_line_follows_it() -> None:
    """It is there so that nobody takes the connection for dead; within an event it waits."""
    events = WholeEvents()
    for _ in range(2):
        assert events.feed(b": ping\n") == b": ping\n"
    assert events.feed(WORD + b": one\n: two\n") == WORD + b": one\n: two\n"
    assert events.feed(b"event: x\n") == events.feed(b": ping\n") == b""
    assert events.feed(b"data: y\n\n") == b"event: x\n: ping\ndata: y\n\n"


def test_an_event_over_the_bound_goes_on_as_it_comes() -> None:
    """It is kept in no memory, and the events behind it are whole again."""
    events, sent, piece = WholeEvents(), b"", b"x" * 1000
    for number in range(1, 1001):
        sent += events.feed(piece)
        assert events.held_bytes <= PART_BYTES
        assert number * 1000 - len(sent) == events.held_bytes
    assert events.feed(b"\n\ndata: ha").endswith(b"x\n\n")
    assert events.rest() == b"data: ha"


@pytest.mark.parametrize("end", BLANK_LINES)
def test_what_ends_in_a_blank_line_needs_no_closer_look(end: bytes) -> None:
    """All of it would go on."""
    for data in (end, b"data: x" + end):
        assert WholeEvents().feed(data) == data


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((WORD, ERROR, DONE), True),
        ((WORD, ERROR), True),
        ((WORD, BARE_ERROR, DONE), True),
        ((BARE_ERROR, WORD, DONE), False),
        ((ERROR.replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")), True),
        ((ERROR, b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n', DONE), True),
        ((ERROR, WORD, DONE), False),
        ((WORD, b'data: {"choices":[],"error":null}\n\n', DONE), False),
        ((b'data: {"choices":[{"delta":{"content":"\\"error\\": {}"}}]}\n\n', DONE), False),
        ((WORD, b'data: {"error": no\n\n', DONE), False),
        ((DONE,), False),
        ((), False),
    ],
)
def test_an_error_at_the_end_is_told_from_a_text(events: tuple[bytes, ...], found: bool) -> None:
    """Of the last event that says anything; content behind it means that the answer went on."""
    assert ends_in_error(b"".join(events)) is found


@given(st.integers(0, 30_000), st.lists(st.integers(0, 100_000), max_size=40))
@example(30_000, list(range(0, 100_000, 1000)))
def test_a_long_error_is_in_the_tail_however_it_was_cut(size: int, cuts: list[int]) -> None:
    """It may quote what was asked; behind 4 KiB it was none."""
    error = b'data: {"error":{"message":"%b"}}\n\n' % (b"x" * size)
    tail = StreamTail()
    for piece in (*[WORD] * 300, *cut(error, cuts), DONE):
        tail.feed(piece)
    assert tail.done()
    assert ends_in_error(tail.bytes())
