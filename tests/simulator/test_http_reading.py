"""However the network cuts the bytes, the same requests come out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.simulator.http_reading import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Request,
    RequestReader,
    Unreadable,
)

GET = b"GET /v1/models?x=1 HTTP/1.1\r\nHost: a\r\nX-Empty: \r\nx-two: 2\r\n\r\n"
POST = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
)
UPGRADE = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
UPGRADE_POST = (
    b"POST /v1/x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
CLOSE = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OLD = b"GET /health HTTP/1.0\r\n\r\n"
CONNECT = b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"
ZEROS = b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 5000 + b"1\r\n\r\na"
SMUGGLED = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
JUNK = b"\x16\x03\x01\x00\xff"
MESSAGES = [GET, POST, CHUNKED, UPGRADE, UPGRADE_POST, CLOSE, OLD, CONNECT, SMUGGLED, JUNK]


def read(*parts: bytes) -> list[Request | Unreadable]:
    """Everything one reader finds in these parts."""
    reader = RequestReader()
    return [found for part in parts for found in reader.feed(part)]


@given(st.lists(st.sampled_from(MESSAGES), max_size=5).map(b"".join), st.data())
@example(b"".join([GET, POST, CHUNKED]), None)
def test_the_cuts_do_not_matter(stream: bytes, data: st.DataObject | None) -> None:
    """Pipelined, chunked, closed, upgraded or broken: cut anywhere, the result is the same."""
    whole = read(stream)
    if data is None:
        cuts = list(range(len(stream)))
    else:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*parts) == whole


@given(st.binary(max_size=300))
def test_no_bytes_raise(junk: bytes) -> None:
    """What is not HTTP is one Unreadable, never an exception."""
    found = read(junk, POST)
    assert all(isinstance(one, Request | Unreadable) for one in found)
    assert sum(isinstance(one, Unreadable) for one in found) <= 1


def test_requests_are_read_as_sent() -> None:
    """Headers keep case, order and empty values; the query is not part of the path."""
    first, second, third = read(GET + POST + CHUNKED)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert isinstance(third, Request)
    assert (first.method, first.path, first.body) == ("GET", "/v1/models", b"")
    assert first.headers == [(b"Host", b"a"), (b"X-Empty", b""), (b"x-two", b"2")]
    assert first.header(b"x-two") == b"2"
    assert first.header(b"x-three") is None
    assert second.body == third.body == b"hello"


def test_an_upgrade_is_answered_and_ignored() -> None:
    """The requests after it on the same connection are read, too."""
    found = read(UPGRADE + POST)
    assert [r.body for r in found if isinstance(r, Request)] == [b"", b"hello"]


def test_nothing_is_read_after_the_last_request() -> None:
    """`Connection: close`, HTTP/1.0 and CONNECT end a connection."""
    assert len(read(CLOSE + POST)) == 1
    assert len(read(OLD + POST)) == 1
    assert read(CONNECT + POST) == [Unreadable(405, "The simulator is no proxy.")]


@pytest.mark.parametrize("message", [SMUGGLED, JUNK, UPGRADE_POST, ZEROS])
def test_broken_or_ambiguous_http_is_refused(message: bytes) -> None:
    """Two lengths, one without end, or a body that a parser may take for the next request."""
    (found,) = read(message)
    assert isinstance(found, Unreadable)
    assert found.status == 400


def test_large_heads_and_bodies_are_refused() -> None:
    """In one piece or in many; also a header that never ends."""
    line = b"x-long: " + b"a" * 1000 + b"\r\n"
    lines = line * (MAX_HEAD_BYTES // 1000 + 1)
    endless = [b"GET / HTTP/1.1\r\nx-long: "] + [b"a" * 1000] * (MAX_HEAD_BYTES // 250)
    too_long = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
    big = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for parts, status in [
        ([b"GET / HTTP/1.1\r\n" + lines], 431),
        ([b"GET / HTTP/1.1\r\n", *[line] * (MAX_HEAD_BYTES // 1000 + 1)], 431),
        (endless, 431),
        ([too_long], 413),
        ([big, b"fffffff\r\n", *[bytes(MAX_BODY_BYTES // 4)] * 5], 413),
    ]:
        (found,) = read(*parts)
        assert isinstance(found, Unreadable)
        assert found.status == status


def test_continue_is_asked_for_once() -> None:
    """Only between a head that asks and its body."""
    reader = RequestReader()
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    reader.feed(head[:30])
    assert not reader.takes_continue()
    reader.feed(head[30:])
    assert reader.takes_continue()
    assert not reader.takes_continue()
    (found,) = reader.feed(b"ok")
    assert isinstance(found, Request)
    assert not reader.takes_continue()
    assert len(RequestReader().feed(head + b"ok")) == 1
