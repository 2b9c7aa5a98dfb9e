"""PURE: from the bytes of a request to events with numbers, and which of them are new.

A spool's events are numbered; the ledger keeps the number it wants next. What is below was taken
before and is skipped, a jump over it is a loss that its writer has declared.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from pointsman.events import frames
from pointsman.events.schema import (
    SCHEMA,
    Evaluation,
    Event,
    EventError,
    Replicas,
    Request,
    Review,
    decode,
)
from pointsman.ledger.evaluations import refuse_evaluation
from pointsman.ledger.hosted import refuse_window
from pointsman.ledger.rows import Refusal, refuse_request, refuse_review

MAX_NEXT: Final = 2**62
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class BadBody(ValueError):
    """It will never be taken; the text says why."""


class NewerSchema(ValueError):
    """A later ledger can take it: the writer has to keep it."""


class Part(msgspec.Struct, frozen=True):
    """Events `first` to `after - 1` of a spool; `events` have their numbers."""

    first: int
    after: int
    events: list[tuple[int, Event | Refusal]]


class Batch(msgspec.Struct, frozen=True):
    """What one request brought, of one spool."""

    spool: str
    parts: list[Part]
    bytes: int = 0
    """Of the body; as objects it is some three times as large."""

    @property
    def size(self) -> int:
        """Number of events, new or not."""
        return sum(part.after - part.first for part in self.parts)

    def split(self) -> "list[Batch]":
        """Two halves, or itself if it has one event."""
        whole = [part for part in self.parts if part.after > part.first]
        if len(whole) > 1:
            middle = len(whole) // 2
            return [Batch(self.spool, whole[:middle]), Batch(self.spool, whole[middle:])]
        part = whole[0]
        middle = (part.first + part.after) // 2
        if middle == part.first:
            return [self]
        halves = (
            Part(part.first, middle, [one for one in part.events if one[0] < middle]),
            Part(middle, part.after, [one for one in part.events if one[0] >= middle]),
        )
        return [Batch(self.spool, [half]) for half in halves]

    def refused(self, reason: Refusal) -> "Batch":
        """The same numbers without their events."""
        parts = [
            Part(part.first, part.after, [(number, reason) for number, _ in part.events])
            for part in self.parts
        ]
        return Batch(self.spool, parts)


class Fresh(msgspec.Struct):
    """What of a batch is new."""

    next: int
    lost: int
    known: int
    events: list[tuple[int, Event | Refusal]]


def read(body: bytes) -> Batch:
    """Raises BadBody and NewerSchema; a line that is no event is in the batch as its refusal."""
    try:
        found = list(frames.read_all(body))
    except frames.FrameError as error:
        raise BadBody(str(error)) from None
    if not found:
        raise BadBody("no frame in it")
    spool = found[0].spool
    for frame in found:
        if frame.schema > SCHEMA:
            raise NewerSchema(
                f"a frame has events of version {frame.schema}, and this ledger knows"
                f" {SCHEMA}: update the ledger before routers and operator"
            )
        if frame.schema < 1 or frame.spool != spool or frame.after > MAX_NEXT:
            raise BadBody("its frames are of two spools, or have numbers that cannot be")
    parts = [
        Part(frame.first, frame.after, list(enumerate(map(_event, frame.lines()), frame.first)))
        for frame in found
    ]
    return Batch(spool, parts, len(body))


def _event(line: bytes) -> Event | Refusal:
    """The event of a line. U+0000 becomes U+FFFD: PostgreSQL has no text with it."""
    if b"\\u0000" in line:
        line = _NUL.sub(rb"\1\\ufffd", line)
    try:
        event = decode(line)
    except EventError:
        return "NotAnEvent"
    if isinstance(event, Request):
        return refuse_request(event) or event
    if isinstance(event, Replicas):
        return refuse_window(event) or event
    if isinstance(event, Evaluation):
        return refuse_evaluation(event) or event
    if isinstance(event, Review):
        return refuse_review(event) or event
    return event


def fresh(batch: Batch, wanted: int) -> Fresh:
    """What is new in it for a ledger that wants this number next."""
    found = Fresh(wanted, 0, 0, [])
    for part in batch.parts:
        found.known += max(0, min(part.after, found.next) - part.first)
        if part.after <= found.next:
            continue
        found.lost += max(0, part.first - found.next)
        if part.first >= found.next:
            found.events += part.events
        else:
            found.events += [one for one in part.events if one[0] >= found.next]
        found.next = part.after
    return found


def refused_ranges(
    refused: list[tuple[int, Refusal]],
) -> Iterator[tuple[int, int, Refusal]]:
    """(first number, how many, reason): neighbors of one reason are told together."""
    first, count, reason = 0, 0, None
    for number, why in refused:
        if why == reason and number == first + count:
            count += 1
            continue
        if reason is not None:
            yield first, count, reason
        first, count, reason = number, 1, why
    if reason is not None:
        yield first, count, reason
