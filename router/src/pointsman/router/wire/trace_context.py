"""PURE: a caller's W3C trace context, and the header lines that hand it on.

Guarantees that what is handed on is well-formed: `traceparent` of version 00, `tracestate` of at
most 512 bytes in whole entries. A context that is malformed, or there twice, counts as none.
Source: W3C Trace Context, sections 3.2 and 3.3.
"""

import re
from typing import Final

import msgspec

_LINE: Final = re.compile(rb"^(traceparent|tracestate): ([^\r\n]*)\r\n", re.MULTILINE)
_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ENTRY: Final = re.compile(
    rb"[a-z0-9][-a-z0-9_*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_MOST_STATE_BYTES: Final = 512
_LONG_ENTRY_BYTES: Final = 128
"""Entries over it are dropped first."""
_MOST_ENTRIES: Final = 32
SAMPLED: Final = 0x01


class TraceContext(msgspec.Struct, frozen=True, gc=False):
    """Of one request. `trace_id` is 128 bits, `parent_id` 64; both 0: the caller has none."""

    trace_id: int
    parent_id: int
    flags: int
    state: bytes
    """The value of `tracestate`; empty: none."""
    others: bytes
    """The forwarded header lines without these two."""

    @property
    def sampled(self) -> bool:
        """True if the caller records this trace."""
        return bool(self.flags & SAMPLED)


def read_context(forwarded: bytes) -> TraceContext:
    """From header lines such as `Head.forwarded`, with names in lower case."""
    if b"trace" not in forwarded:
        return TraceContext(0, 0, 0, b"", forwarded)
    found = _LINE.findall(forwarded)
    others = _LINE.sub(b"", forwarded)
    parents = [value for name, value in found if name == b"traceparent"]
    parent = _PARENT.fullmatch(parents[0].strip()) if len(parents) == 1 else None
    if parent is None or not _is_valid(parent):
        return TraceContext(0, 0, 0, b"", others)
    state = bounded([value for name, value in found if name == b"tracestate"])
    return TraceContext(int(parent[2], 16), int(parent[3], 16), int(parent[4], 16), state, others)


def _is_valid(parent: re.Match[bytes]) -> bool:
    version, more = parent[1], parent[5]
    return (
        version != b"ff"
        and (version != b"00" or more is None)
        and int(parent[2], 16) != 0
        and int(parent[3], 16) != 0
    )


def bounded(values: list[bytes]) -> bytes:
    """One `tracestate` of all its lines; empty if an entry is malformed or there are too many."""
    entries = [entry for entry in (e.strip() for v in values for e in v.split(b",")) if entry]
    if len(entries) > _MOST_ENTRIES or not all(map(_ENTRY.fullmatch, entries)):
        return b""
    if _size(entries) > _MOST_STATE_BYTES:
        entries = [entry for entry in entries if len(entry) <= _LONG_ENTRY_BYTES]
    while _size(entries) > _MOST_STATE_BYTES:
        entries.pop()
    return b",".join(entries)


def _size(entries: list[bytes]) -> int:
    return sum(map(len, entries)) + len(entries) - 1


def context_lines(trace_id: int, span_id: int, flags: int, state: bytes) -> bytes:
    """Header lines for whoever is asked by this span."""
    line = b"traceparent: 00-%032x-%016x-%02x\r\n" % (trace_id, span_id, flags)
    return line + b"tracestate: %b\r\n" % state if state else line
