"""Reading requests: independent of how bytes are cut, and at least as strict as h11."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.router.callers import ANYONE, NOT_READ, Refusal, Verdict
from pointsman.router.wire.framing import LENGTH_DIGITS
from pointsman.router.wire.headers import as_texts
from pointsman.router.wire.heads import Heads
from pointsman.router.wire.received import Head, Request, Unreadable
from pointsman.router.wire.request import RequestReader

HEAD_BYTES, BODY_BYTES = 4096, 8192
Events = list[Request | Unreadable]
GOOD = (
    b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    b"GET /v1/models HTTP/1.1\r\nhost: a\r\nX-Two: 1\r\nx-two: 2\r\n\r\n"
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    b"POST /u HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
    b"http2-settings: AA\r\ncontent-length: 2\r\n\r\nhi"
    b"GET /last HTTP/1.0\r\n\r\n"
)


def read(
    data: bytes,
    cuts: list[int] | None = None,
    judge: Callable[[Head], Verdict] | None = None,
) -> Events:
    """All that a reader makes of `data`, fed in the pieces between `cuts`."""
    reader = RequestReader(HEAD_BYTES, BODY_BYTES, judge)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or ())})
    found: Events = []
    for start, end in pairwise(edges):
        found += reader.feed(data[start:end])
    return found


def told(events: Events) -> list[object]:
    """What they say, to be compared."""
    return [
        (e.head.method, e.head.target, e.head.headers, e.head.keep_alive, e.head.http11, e.body)
        if isinstance(e, Request)
        else e
        for e in events
    ]


def test_what_is_sent_is_what_is_read() -> None:
    """Lengths, chunks, an ignored upgrade, HTTP/1.0: in order."""
    found = [event for event in read(GOOD) if isinstance(event, Request)]
    assert [(r.head.method, r.head.target, r.body) for r in found] == [
        (b"POST", b"/v1/chat/completions?x=1", b"hello"),
        (b"GET", b"/v1/models", b""),
        (b"POST", b"/c", b"abcde"),
        (b"POST", b"/u", b"hi"),
        (b"GET", b"/last", b""),
    ]
    assert [r.head.keep_alive for r in found] == [True, True, True, True, False]
    assert as_texts(found[1].head.headers)["x-two"] == "1, 2"
    assert as_texts(found[0].head.headers) == {"host": "a"}


def test_a_rule_sees_no_space_around_a_value() -> None:
    """It is no part of it (RFC 9110, 5.5): who adds some must not pass by a rule."""
    head = b"POST / HTTP/1.1\r\nhost: a\r\nx-tier:\t gold \t\r\nx-none: \r\n\r\n"
    (found,) = RequestReader(4096, 4096).feed(head)
    assert isinstance(found, Request)
    assert as_texts(found.head.headers) == {"host": "a", "x-tier": "gold", "x-none": ""}


@settings(deadline=None)
@given(st.lists(st.integers(0, len(GOOD)), max_size=40))
@example([])
@example(list(range(len(GOOD))))
def test_of_who_is_refused_no_body_is_kept(cuts: list[int]) -> None:
    """However it comes; the requests behind it are read as before."""

    def by_chunks(head: Head) -> Verdict:
        chunked = any(name == b"transfer-encoding" for name, _ in head.headers)
        return Verdict(NOT_READ, ANYONE if chunked else Refusal.NO_KEY)

    found = [event for event in read(GOOD, cuts, by_chunks) if isinstance(event, Request)]
    plain = [event for event in read(GOOD) if isinstance(event, Request)]
    assert [request.body for request in found] == [b"", b"", b"abcde", b"", b""]
    assert [request.head.headers for request in found] == [
        request.head.headers for request in plain
    ]
    assert all(request.verdict is not None for request in found)


@given(st.lists(st.integers(0, len(GOOD)), max_size=40))
@example(list(range(len(GOOD))))
def test_cutting_does_not_matter(cuts: list[int]) -> None:
    """However the network cuts the bytes, the same requests are read."""
    assert told(read(GOOD, cuts)) == told(read(GOOD))


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=3)), max_size=3),
    st.lists(st.integers(0, len(GOOD)), max_size=10),
)
def test_cutting_does_not_matter_for_broken_bytes_either(
    edits: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    """The same requests come before the same refusal; only its wording may differ."""
    data = GOOD
    for at, new in edits:
        data = data[:at] + new + data[at + len(new) :]
    found = [told([e for e in read(data, c) if isinstance(e, Request)]) for c in (None, cuts)]
    assert found[0] == found[1]


NAMES = st.sampled_from(
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "X-A", "Upgrade",
     "Content-Length ", "X A", "", "Ü", "X\tB", "transfer-encoding", "content-length"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["a", "5", "0", "5, 5", "+5", "-1", "0x5", " 5", "5 ", "chunked", "Chunked", "gzip, chunked",
     "chunked, chunked", "identity", "close", "keep-alive", "100-continue", "\x00", "a\rb", "a\nb",
     "\x7f", "\xe9", "", "a\r\n b", "99999999999999999999", "é", "x" * 50]
)  # fmt: skip
LINES = st.sampled_from(
    ["POST / HTTP/1.1", "GET /a HTTP/1.1", "GET / HTTP/1.0", "get / HTTP/1.1", "POST  / HTTP/1.1",
     "POST / HTTP/1.1 ", "POST / http/1.1", "POST / HTTP/2.0", "POST / HTTP/1.2",
     "POST /\x7f HTTP/1.1",
     "POST /a b HTTP/1.1", "POST", "POST /", "POST * HTTP/1.1", "OPTIONS * HTTP/1.1",
     "GET http://a/b HTTP/1.1", "POST /\x00 HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET /é HTTP/1.1",
     "PRI * HTTP/2.0", "GET\t/ HTTP/1.1", "GET / HTTP/1.1\r", " GET / HTTP/1.1"]
)  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5 \r\nhello\r\n0\r\n\r\n",
     b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
     b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n", b"\r\n",
     b"fffffffffffffffff\r\nx", b"0\r\nA: b\r\n\r\n", b"0\r\nA b\r\n\r\n", b"5\r\nhello\r\n0\r\n\r"]
)  # fmt: skip
ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Mostly nearly right requests."""
    lines = [draw(LINES)]
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
    if draw(st.integers(0, 4)):
        headers.append(("Host", "a"))
    lines += [f"{name}: {value}" for name, value in headers]
    text = "".join(line + draw(ENDS) for line in lines) + draw(ENDS)
    return text.encode("latin-1") + draw(BODIES)


def h11_reads(data: bytes) -> tuple[str, bytes]:
    """What h11 makes of the first request: "refused", "incomplete", or "read" and its body."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    try:
        connection.receive_data(data)
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "incomplete", b""
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.EndOfMessage):
                return "read", body
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return "refused", b""
    except h11.RemoteProtocolError:
        return "refused", b""


@settings(max_examples=300)  # tests/fuzz does it more often
@given(messages())
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
@pytest.mark.slow
def test_what_h11_refuses_we_refuse(data: bytes) -> None:
    """The second opinion: no request is read that h11 refuses, and a body is what h11 reads."""
    verdict, body = h11_reads(data)
    found = read(data)
    if found and isinstance(found[0], Request):
        assert verdict == "read", data
        assert found[0].body == body, data


@settings(max_examples=500)
@given(st.binary(max_size=300))
@pytest.mark.slow
def test_any_bytes_are_requests_or_one_refusal(data: bytes) -> None:
    """Nothing raises, nothing follows a refusal."""
    found = read(data)
    assert not any(isinstance(event, Unreadable) for event in found[:-1])


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * HEAD_BYTES, 431),
        (b"GET /" + b"y" * HEAD_BYTES, 431),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8193\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2001\r\n"
         + b"x" * 8193, 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 4096
         + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
         + b"1\r\na\r\n" * 7000, 413),
    ],
    ids=["header", "target", "length", "chunks", "trailer", "framing"],
)  # fmt: skip
def test_sizes_are_bounded(data: bytes, status: int) -> None:
    """Also when the bytes come one by one and never end."""
    for cuts in ([len(data) // 2], list(range(0, len(data), 7))):
        last = read(data, cuts)[-1]
        assert isinstance(last, Unreadable)
        assert last.status == status


@pytest.mark.parametrize("digits", [LENGTH_DIGITS, LENGTH_DIGITS + 1, 4300, 4301, 30_000])
def test_a_length_has_as_many_digits_as_fit(digits: int) -> None:
    """Python reads no more than 4,300 of them, and says so by another exception."""
    length = b"2".rjust(digits, b"0")
    data = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %b\r\n\r\nhi" % length
    for edges in ([0, len(data)], [0, 60, len(data) - 1, len(data)]):
        reader = RequestReader(32 * 1024, BODY_BYTES)
        found = [event for start, end in pairwise(edges) for event in reader.feed(data[start:end])]
        if digits <= LENGTH_DIGITS:
            assert [event.body for event in found if isinstance(event, Request)] == [b"hi"]
        else:
            assert [event.status for event in found if isinstance(event, Unreadable)] == [400]
        assert len(found) == 1


def test_continue_is_asked_for_once_and_only_while_the_body_is_missing() -> None:
    """Whoever sends the body at once needs no 100."""
    reader = RequestReader(HEAD_BYTES, BODY_BYTES)
    head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    assert reader.feed(head) == []
    assert [reader.takes_continue() for _ in range(2)] == [True, False]
    assert len(reader.feed(b"hi")) == 1
    assert len(reader.feed(head + b"hi")) == 1
    assert not reader.takes_continue()


@given(st.lists(st.integers(0, len(GOOD)), max_size=10), st.integers(1, 4))
def test_reading_a_few_requests_at_a_time_reads_the_same(cuts: list[int], at_once: int) -> None:
    """What waits is bytes, however many requests they are."""
    reader = RequestReader(HEAD_BYTES, BODY_BYTES, at_once=at_once)
    edges = sorted({0, len(GOOD), *cuts})
    found: Events = []
    for start, end in pairwise(edges):
        events = reader.feed(GOOD[start:end])
        while events:
            assert len(events) <= at_once
            found += events
            events = reader.feed(b"")
        assert not reader.waiting_bytes
    assert told(found) == told(read(GOOD))


@pytest.mark.slow
def test_what_is_read_later_takes_no_more_memory_than_its_bytes() -> None:
    """Thousands of small requests in one read are not thousands of objects."""
    reader = RequestReader(HEAD_BYTES, BODY_BYTES, at_once=16)
    data = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3000
    with traced() as grown:
        assert len(reader.feed(data)) == 16
    assert grown[0] < 2 * len(data)


@pytest.mark.slow
def test_small_chunks_take_no_more_memory_than_their_bytes() -> None:
    """An object for each piece of two bytes would be twenty times the body."""
    size = 1 << 20
    reader = RequestReader(HEAD_BYTES, size)
    reader.feed(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    chunks = b"4\r\nabcd\r\n" * 1000
    with traced() as grown:
        for _ in range(20):
            assert reader.feed(chunks) == []
    assert reader.body_bytes == 80_000
    assert grown[0] < 3 * reader.body_bytes


@contextmanager
def traced() -> Iterator[list[int]]:
    """How many bytes of memory are held afterwards that were not before."""
    grown = [0]
    gc.collect()
    tracemalloc.start()
    try:
        yield grown
        gc.collect()
        grown[0] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("count", "status"), [(99, None), (100, 431), (2000, 431)])
def test_headers_are_counted(count: int, status: int | None) -> None:
    """A hundred with Host; each rule on headers looks through all of them."""
    data = b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x:y\r\n" * count + b"\r\n"
    (event,) = RequestReader(64 * 1024, BODY_BYTES).feed(data)
    assert (event.status if isinstance(event, Unreadable) else None) == status


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://b/v1/models?x=1", b"/v1/models?x=1"),
        (b"HTTPS://b:443", b"/"),
        (b"http://b?x", b"/?x"),
        (b"*", b"*"),
    ],
)
def test_an_absolute_target_is_the_path_in_it(target: bytes, path: bytes) -> None:
    """RFC 9112 3.2.2: a server must accept the absolute form."""
    (event,) = read(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % target)
    assert isinstance(event, Request)
    assert event.head.target == path


SDK = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
    b"Content-Length: %d\r\nX-Request-Id: r\r\n\r\n%b"
)


def sdk(body: bytes) -> bytes:
    """As an SDK sends it: each of its requests has the same head but for the length."""
    return SDK % (len(body), body)


@given(
    st.lists(st.binary(max_size=300), min_size=2, max_size=5), st.lists(st.integers(0), max_size=9)
)
@example([bytes(3), bytes(3), bytes(12), bytes(12), bytes(1)], [132_121_000])
def test_a_known_head_is_read_as_a_new_one(bodies: list[bytes], cuts: list[int]) -> None:
    """However its bytes come, also in one read with others."""
    data = b"".join(map(sdk, bodies))
    found = [event for event in read(data, cuts) if isinstance(event, Request)]
    assert [event.body for event in found] == bodies
    alone = [told(read(sdk(body)))[0] for body in bodies]
    lengths = {b"content-length"}
    for one, other in zip(told(list(found)), alone, strict=True):
        assert isinstance(one, tuple)
        assert isinstance(other, tuple)
        assert one[:2] + one[3:] == other[:2] + other[3:]
        assert [h for h in one[2] if h[0] not in lengths] == [
            h for h in other[2] if h[0] not in lengths
        ]


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 150),
            st.integers(0, 3),
            st.sampled_from([b"", b"0", b"9", b"+", b" ", b"_", b"\r", b"\n", b"a", b"\r\n", b":"]),
        ),
        max_size=3,
    ),
    st.lists(st.integers(0), max_size=4),
)
@example([(SDK.index(b"%d"), 1, b"+5")], [])
@example([(SDK.index(b"%d"), 1, b"1_0")], [])
@example([(SDK.index(b"%d"), 1, b"99999999999999999999")], [])
@example([(SDK.index(b"%d"), 1, "٥".encode())], [])
@example([(SDK.index(b"%d"), 1, b"5\r\nContent-Length: 4")], [])
@example([(SDK.index(b"%d"), 1, b"5\r\nTransfer-Encoding: chunked")], [])
@pytest.mark.slow
def test_what_came_before_does_not_matter(
    edits: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    """A head that is nearly the last one is read, or refused, as if it were the first."""
    data = sdk(b"hello") + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    for at, gone, new in edits:
        data = data[:at] + new + data[at + gone :]
    reader = RequestReader(HEAD_BYTES, BODY_BYTES)
    assert len(reader.feed(sdk(b"before"))) == 1
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    found: Events = []
    for start, end in pairwise(edges):
        found += reader.feed(data[start:end])
    fresh = read(data, cuts)
    assert [type(event) for event in found] == [type(event) for event in fresh]
    for one, other in zip(found, fresh, strict=True):
        if isinstance(one, Request) and isinstance(other, Request):
            assert (one.body, one.head.target) == (other.body, other.head.target)
            assert one.head.keep_alive == other.head.keep_alive
        else:
            assert one == other


def test_a_known_head_is_judged_each_time() -> None:
    """Its key may have been retired, or the limit of the body reached."""
    verdicts = [Verdict(NOT_READ, ANYONE), Verdict(NOT_READ, Refusal.EXPIRED_KEY)]
    reader = RequestReader(HEAD_BYTES, BODY_BYTES, lambda _: verdicts.pop(0))
    first, second = reader.feed(sdk(b"one")) + reader.feed(sdk(b"two"))
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert (first.body, second.body) == (b"one", b"")
    assert second.head is first.head
    reader = RequestReader(HEAD_BYTES, BODY_BYTES)
    assert len(reader.feed(sdk(b"one"))) == 1
    (refused,) = reader.feed(SDK % (BODY_BYTES + 1, b""))
    assert isinstance(refused, Unreadable)
    assert refused.status == 413


def test_connections_share_a_known_head_and_it_goes_with_the_last_of_them() -> None:
    """Byte for byte the same, but for the length; a key is in memory no longer than its caller."""
    heads = Heads()
    readers = [RequestReader(HEAD_BYTES, BODY_BYTES, heads=heads) for _ in range(3)]
    bodies = (b"one", b"four", b"twelve")
    found = [reader.feed(sdk(body)) for reader, body in zip(readers, bodies, strict=True)]
    requests = [one for (one,) in found if isinstance(one, Request)]
    assert [one.body for one in requests] == list(bodies)
    assert len({id(one.head) for one in requests}) == 1

    (other,) = RequestReader(HEAD_BYTES, BODY_BYTES, heads=heads).feed(
        sdk(b"one").replace(b"\r\nHost: ", b"\r\nhost: ")
    )
    assert isinstance(other, Request)
    assert other.head is not requests[0].head
    del other, found, requests
    assert len(heads) == 1
    del readers
    assert len(heads) == 0


def test_a_head_that_may_not_be_known_is_not_shared() -> None:
    """Its connection ends, or there is no length in it."""
    heads = Heads()
    for data in (
        sdk(b"a").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        reader = RequestReader(HEAD_BYTES, BODY_BYTES, heads=heads)
        assert len(reader.feed(data)) == 1
        assert len(heads) == 0
