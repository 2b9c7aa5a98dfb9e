"""W3C trace context: what counts, what counts as none, and what is handed on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.trace_context import TraceContext, bounded, context_lines, read_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
ACCEPT = b"accept: application/json\r\n"


def lines(*values: str, state: str = "") -> bytes:
    """Between other lines."""
    found = b"".join(b"traceparent: %b\r\n" % value.encode() for value in values)
    return ACCEPT + found + (b"tracestate: %b\r\n" % state.encode() if state else b"")


def test_a_context_is_taken_apart() -> None:
    """And what stands beside it is kept as it was."""
    found = read_context(lines(GOOD, state="vendor=a1, other=b"))
    assert found == TraceContext(int(TRACE, 16), int(SPAN, 16), 1, b"vendor=a1,other=b", ACCEPT)
    assert found.sampled
    assert not read_context(lines(GOOD[:-1] + "2")).sampled
    assert read_context(lines(f" {GOOD} ")).trace_id == int(TRACE, 16)


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        ("00-1-2-01",),
        (GOOD.upper(),),
        (GOOD + "-more",),
        ("ff" + GOOD[2:],),
        (f"00-{'0' * 32}-{SPAN}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (GOOD + "x",),
        (GOOD, GOOD),
        (f"{GOOD},{GOOD}",),
    ],
)
def test_a_malformed_one_is_none(values: tuple[str, ...]) -> None:
    """With its state, of which nobody knows what it belongs to."""
    assert read_context(lines(*values, state="a=b")) == TraceContext(0, 0, 0, b"", ACCEPT)


def test_a_later_version_may_say_more() -> None:
    """What we know of it counts."""
    assert read_context(lines(f"01-{TRACE}-{SPAN}-01-more")).trace_id == int(TRACE, 16)
    assert read_context(lines(f"01-{TRACE}-{SPAN}-01more")).trace_id == 0


def test_another_header_that_speaks_of_one_is_left_alone() -> None:
    """Only whole lines are taken."""
    said = b"accept: traceparent: %b\r\n" % GOOD.encode()
    assert read_context(said) == TraceContext(0, 0, 0, b"", said)


def test_a_state_is_bounded_in_whole_entries() -> None:
    """Long entries go first, then the last ones."""
    long, rest = b"long=" + b"x" * 200, [b"k%d=%b" % (n, b"v" * 90) for n in range(5)]
    assert bounded([b"a=1", b" , b=2 "]) == b"a=1,b=2"
    assert bounded([long, b"a=1"]) == long + b",a=1"
    assert bounded([b",".join([rest[0], long, *rest[1:]])]) == b",".join(rest)
    assert bounded([b",".join([*rest, b"z=" + b"v" * 100])]) == b",".join(rest)
    assert bounded([b",".join(b"k%d=1" % n for n in range(33))]) == b""
    for bad in (b"A=1", b"a", b"a=", b"a=b=c", b"a=\xff", b"a=b\tc"):
        assert bounded([b"ok=1," + bad]) == b""


@given(st.binary(max_size=300))
def test_whatever_comes_what_goes_is_well_formed(value: bytes) -> None:
    """And short."""
    value = value.replace(b"\r", b"").replace(b"\n", b"")
    found = read_context(b"traceparent: %b\r\ntracestate: %b\r\n" % (GOOD.encode(), value))
    sent = context_lines(found.trace_id, 7, found.flags, found.state)
    assert re.fullmatch(
        rb"traceparent: 00-[0-9a-f]{32}-0{15}7-01\r\n(tracestate: [\x20-\x7e]{3,512}\r\n)?", sent
    )
    assert read_context(b"traceparent: %b\r\n" % value).others == b""
