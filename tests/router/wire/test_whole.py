"""Plain answers: read without the parser only where the parser would have read the same."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.router.wire import whole
from pointsman.router.wire.response import Malformed, ResponseReader
from pointsman.router.wire.whole import read_whole

PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 02:00:00 GMT\r\nServer: u\r\n"
    b'Content-Length: 5\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{"a"}'
)


def test_a_plain_answer_is_read() -> None:
    """With the headers that may go back, and no others."""
    for _ in range(2):  # its steady lines are known the second time
        answer = read_whole(PLAIN, 1000)
        assert answer is not None
        assert answer.headers == {
            b"date": b"Thu, 26 Nov 2026 02:00:00 GMT",
            b"content-type": b"application/json; charset=utf-8",
        }
        assert (answer.body, answer.told) == (b'{"a"}', {})


def test_lines_that_are_known_have_a_bound() -> None:
    """However many a server makes up, or however long; and none is known that changes."""
    whole._LINES.clear()
    for number in range(2 * whole._MOST_LINES):
        data = PLAIN.replace(b"Server: u", b"Server: u%d\r\nETag: %d" % (number, number))
        assert read_whole(data, 1000) is not None
    long = PLAIN.replace(b"Server: u", b"Vary: " + b"u" * 500)
    assert read_whole(long, 1000) is not None
    known = whole._LINES
    assert 0 < len(known) <= whole._MOST_LINES
    assert max(map(len, known)) <= whole._LINE_BYTES
    assert b"Server: u%d" % (2 * whole._MOST_LINES - 1) in known, "what is new is known as well"
    assert {line.partition(b":")[0] for line in known} <= {b"Server", b"Content-Type"}


def test_names_that_are_known_have_a_bound() -> None:
    """512 of 60 KiB each were kept for ever, and then no other name was ever known again."""
    whole._NAMES.clear()
    long = PLAIN.replace(b"Server", b"X-" + b"u" * 60_000)
    assert read_whole(long, 65_536) is not None
    for number in range(2 * whole._MOST_NAMES):
        data = PLAIN.replace(b"Server", b"X-%d" % number)
        assert read_whole(data, 1000) is not None
    assert 0 < len(whole._NAMES) <= whole._MOST_NAMES
    assert max(map(len, whole._NAMES)) <= whole._LINE_BYTES
    assert b"X-%d" % (2 * whole._MOST_NAMES - 1) in whole._NAMES, "what is new is known as well"


@pytest.mark.parametrize("line", [b"Content-Type: application/json", b"Content-Type: text/html"])
def test_a_known_line_that_stands_twice_is_left_to_the_parser(line: bytes) -> None:
    """Which of the two counts is not for here."""
    data = PLAIN.replace(b"Server: u", line)
    for _ in range(2):
        assert read_whole(data, 1000) is None


def test_what_a_provider_tells_of_its_limits_stays_apart() -> None:
    """It is the router's own, and goes back to no caller."""
    more = b"X-RateLimit-Remaining-Requests: 0\r\nx-ratelimit-reset-requests: 1s\r\nServer: u"
    found = read_whole(PLAIN.replace(b"Server: u", more), 1000)
    assert found is not None
    assert found.headers == read_whole(PLAIN, 1000).headers  # type: ignore[union-attr]
    assert found.told == {
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"1s",
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"200 OK", b"201 Created"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"application/json", b"text/event-stream"),
        (b"Length: 5", b"Length: 6"),
        (b"Length: 5", b"Length: 4"),
        (b"Length: 5", b"Length: 05"),
        (b"Length: 5", b"Length: +5"),
        (b"Length: 5", b"Length: 5 "),
        (b"Length: 5", b"Length: 5\r\nContent-Length: 5"),
        (b"Server: u", b"Transfer-Encoding: chunked"),
        (b"Server: u", b"transfer-encoding: identity"),
        (b"Server: u", b"Content-Encoding: gzip"),
        (b"Server: u", b"Connection: close"),
        (b"Server: u", b"Proxy-Connection: close"),
        (b"Server: u", b"Upgrade: h2c"),
        (b"Server: u", b"Server"),
        (b"Server: u", b"Server : u"),
        (b"Server: u", b" folded: u"),
        (b"Server: u", b"S\x00: u"),
        (b"Server: u", b"Server: \x00"),
        (b"Server: u", b"Server: a\rb"),
        (b"Server: u", b"Server: a\nb"),
        (b"Server: u", b": u"),
    ],
)
def test_anything_else_is_left_to_the_parser(old: bytes, new: bytes) -> None:
    """What ends elsewhere, goes on otherwise, or is spelled otherwise."""
    assert PLAIN.count(old) == 1
    assert read_whole(PLAIN.replace(old, new), 1000) is None


def test_a_head_over_the_bound_is_left_to_the_parser() -> None:
    """Which refuses it."""
    end = PLAIN.index(b"{")
    assert read_whole(PLAIN, end) is not None
    assert read_whole(PLAIN, end - 1) is None


@settings(max_examples=1000)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(PLAIN)),
            st.integers(0, 4),
            st.sampled_from(
                [
                    b"",
                    b"\r\n",
                    b"\r",
                    b"\n",
                    b"\x00",
                    b" ",
                    b"\t",
                    b":",
                    b"5",
                    b"\xe9",
                    b"Date: x\r\n",
                    b"Connection: close\r\n",
                    b"Proxy-Connection: close\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"X: y\r\n",
                    b"X-RateLimit-Remaining-Tokens: 0\r\n",
                    b"Retry-After-Ms: 5\r\n",
                ]
            ),
        ),
        max_size=3,
    )
)
@example([])
@pytest.mark.slow
def test_it_reads_as_the_parser_does(edits: list[tuple[int, int, bytes]]) -> None:
    """Whatever it does not leave to it."""
    data = PLAIN
    for at, gone, new in edits:
        data = data[:at] + new + data[at + gone :]
    found = read_whole(data, 1000)
    if found is None:
        return
    reader = ResponseReader(1000)
    try:
        reader.feed(data)
    except Malformed as error:
        raise AssertionError(f"{data!r} is read, though {error}") from None
    assert (reader.status, reader.complete, reader.reusable) == (200, True, True)
    assert (reader.headers, reader.take()) == (found.headers, found.body)
    assert reader.told == found.told
