"""Reading answers: independent of how bytes are cut, complete only when they are."""

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.router.wire.framing import LENGTH_DIGITS
from pointsman.router.wire.response import Malformed, ResponseReader
from tests.support.work import growth

ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nSet-Cookie: c\r\n"
    b"Content-Length: 5\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n",
    "end": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nhello",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
}


def read(data: bytes, cuts: list[int]) -> tuple[ResponseReader, bytes]:
    """A reader that was fed `data` in pieces, and the body."""
    reader = ResponseReader(1000)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    body = b""
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
        body += reader.take()
    return reader, body


@pytest.mark.parametrize("kind", ANSWERS)
@given(cuts=st.lists(st.integers(0, 200), max_size=30))
def test_cutting_does_not_matter(kind: str, cuts: list[int]) -> None:
    """Status, kept headers, body and end are the same."""
    reader, body = read(ANSWERS[kind], cuts)
    assert (reader.status, body) == (200, b"hello")
    assert reader.headers == {b"content-type": b"a/b"}
    assert reader.complete == reader.reusable == (kind != "end")
    assert reader.eof()


@pytest.mark.parametrize("framing", ["Content-Length: 3", "Transfer-Encoding: chunked"])
def test_an_interim_answer_says_nothing_about_the_final_one(framing: str) -> None:
    """A length of it, passed on, would cut the final answer in two for whoever reads it next."""
    interim = f"HTTP/1.1 103 Early\r\n{framing}\r\n\r\n".encode()
    for kind in ("chunks", "end"):
        reader, body = read(interim + ANSWERS[kind], [])
        assert (reader.length, body) == (None, b"hello")
        assert reader.complete == (kind != "end")
        assert reader.eof()


@given(st.sampled_from(["length", "chunks"]), st.integers(0, 200))
def test_a_cut_answer_is_never_complete(kind: str, at: int) -> None:
    """Not even when the connection ends."""
    data = ANSWERS[kind]
    reader, _ = read(data[: at % len(data)], [])
    assert not reader.complete
    assert not reader.eof()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 099 OK\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 O\x01K\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2000 + b"\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_malformed(data: bytes) -> None:
    """With a reason of our own, whole or byte by byte."""
    for cuts in ([], list(range(len(data)))):
        with pytest.raises(Malformed):
            read(data, cuts)


@pytest.mark.parametrize(
    "framing",
    [b"1;" + b"x" * 100_000, b"0\r\nx: " + b"x" * 100_000, b"0\r\n" + b"x: y\r\n" * 20_000],
)
def test_framing_without_end_is_malformed(framing: bytes) -> None:
    """A trailer is held until it ends, so that it must."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(Malformed):
        read(head + framing, list(range(0, len(framing), 1000)))


@pytest.mark.parametrize("kind", ["length", "chunks"])
@pytest.mark.parametrize("surplus", [b"x", b"\r\n", b"\n", ANSWERS["length"]])
@given(cuts=st.lists(st.integers(0, 300), max_size=10))
def test_an_answer_ends_where_it_ends(kind: str, surplus: bytes, cuts: list[int]) -> None:
    """What follows is no part of it, and nobody else's answer either."""
    reader, body = read(ANSWERS[kind] + surplus, cuts)
    assert (reader.status, body, reader.complete) == (200, b"hello", True)
    assert not reader.reusable


@given(st.integers(0, 500), st.lists(st.integers(0, 1500), max_size=10))
def test_a_head_is_too_large_however_it_is_cut(more: int, cuts: list[int]) -> None:
    """The bound is in bytes of the head; a body that came with it does not count."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 800\r\nx: "
    head += b"y" * (750 + more - len(head)) + b"\r\n\r\n"
    data = head + b"z" * 800
    if len(head) <= 1000:
        reader, body = read(data, cuts)
        assert (len(body), reader.complete) == (800, True)
    else:
        with pytest.raises(Malformed):
            read(data, cuts)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    """Nothing else is raised."""
    with suppress(Malformed):
        read(data, [])


def test_a_reader_is_used_again() -> None:
    """One connection carries one answer after another."""
    reader = ResponseReader(1000)
    for _ in range(3):
        reader.reset()
        reader.feed(ANSWERS["length"])
        assert (reader.take(), reader.complete, reader.reusable) == (b"hello", True, True)


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = (
    b"2\r\nhe\r\n", b"3\r\nllo\r\n", b"000A\r\n0123456789\r\n", b"2\r\n\r\n\r\n",
    b"2;a=b\r\nhe\r\n",
    b"1\r\nx\r\n1\r\ny\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"+2\r\nhe\r\n", b"0x2\r\nhe\r\n",
    b"2 \r\nhe\r\n", b"2\nhe\r\n", b"2\r\nheX\n", b"2\r\nhell\r\n", b"2\r\nh\r\n", b"\r\n", b"2",
    b"_2\r\nhe\r\n",
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=6), st.lists(st.integers(0), max_size=4))
@example([PIECES[0], PIECES[6]], [])
@example([PIECES[0], b"2\r\nhe\r", b"\n3\r\nabc\r\n", PIECES[6]], [])
@pytest.mark.slow
def test_a_chunk_taken_whole_is_what_the_parser_reads(pieces: list[bytes], cuts: list[int]) -> None:
    """The parser goes on behind it as if it had seen it."""
    data = CHUNKED + b"".join(pieces)
    edges = {0, len(data), *(cut % (len(data) + 1) for cut in cuts)}
    for count in range(len(pieces)):
        edges.add(len(CHUNKED) + sum(map(len, pieces[:count])))
    ends, bodies = [], []
    for taking in (False, True):
        reader, body, end = ResponseReader(1000), b"", ""
        try:
            for start, stop in pairwise(sorted(edges)):
                content = b""
                if taking and reader.between_chunks and not reader.complete:
                    content = reader.take_chunk(data[start:stop])
                if not content:
                    reader.feed(data[start:stop])
                body += content + reader.take()
        except Malformed:
            end = "refused"
        ends.append((end, reader.complete, reader.reusable))
        bodies.append(body)
    assert ends[0] == ends[1]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("digits", [LENGTH_DIGITS + 1, 4300, 4301, 50_000])
def test_a_length_of_very_many_digits_is_malformed(digits: int) -> None:
    """Python reads no more than 4,300 of them, and says so by another exception."""
    length = b"5".rjust(digits, b"0")
    for kind in (b"HTTP/1.1 200 OK", b"HTTP/1.1 103 Early"):
        reader = ResponseReader(64 * 1024)
        with pytest.raises(Malformed, match="digits"):
            reader.feed(kind + b"\r\nContent-Length: %b\r\n\r\nhello" % length)


def test_a_length_may_begin_with_zeros() -> None:
    """And have blanks behind it."""
    length = b"5".rjust(LENGTH_DIGITS, b"0") + b" " * 30
    reader, body = read(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\nhello" % length, [])
    assert (reader.length, body, reader.complete) == (5, b"hello", True)


@pytest.mark.slow
def test_interim_answers_in_one_read_are_read_once() -> None:
    """Each had all that came behind it copied."""

    def interims(count: int) -> Callable[[], object]:
        data = b"HTTP/1.1 100 C\r\n\r\n" * count + b" " * (256 * count)
        return lambda: _refused(data)

    assert growth(interims, 1500) < 8


def _refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        ResponseReader(16 * 1024 * 1024).feed(data)
