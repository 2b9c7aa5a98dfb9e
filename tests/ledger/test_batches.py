"""Bodies to batches, and what is new in them: however they come, each event counts once."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.events import frames
from pointsman.events.schema import SCHEMA
from pointsman.ledger.batches import (
    BadBody,
    Batch,
    NewerSchema,
    Part,
    fresh,
    read,
    refused_ranges,
)
from pointsman.ledger.intake import TooLarge, decoded
from tests.ledger.events import SPOOL, batch, frame, request

SPANS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10)), min_size=1, max_size=12)


def _part(first: int, size: int) -> Part:
    return Part(first, first + size, [(n, "Empty") for n in range(first, first + size)])


@given(SPANS)
def test_each_number_is_taken_once_or_is_lost(spans: list[tuple[int, int]]) -> None:
    """However parts overlap: next - 1 = taken + lost, and no number is taken twice."""
    wanted, lost, taken = 1, 0, []
    for first, size in spans:
        found = fresh(Batch(SPOOL, [_part(first, size)]), wanted)
        assert found.next >= wanted
        assert found.known + len(found.events) == size
        wanted, lost = found.next, lost + found.lost
        taken += [number for number, _ in found.events]
    assert taken == sorted(set(taken))
    assert wanted - 1 == len(taken) + lost


@given(SPANS, st.integers(1, 20))
def test_parts_in_one_batch_are_as_batches(spans: list[tuple[int, int]], wanted: int) -> None:
    """Whether frames come in one request or in several."""
    parts = [_part(*span) for span in spans]
    whole = fresh(Batch(SPOOL, parts), wanted)
    singly = [fresh(Batch(SPOOL, [parts[0]]), wanted)]
    for part in parts[1:]:
        singly.append(fresh(Batch(SPOOL, [part]), singly[-1].next))
    assert whole.next == singly[-1].next
    assert whole.events == [event for one in singly for event in one.events]


@given(SPANS)
@pytest.mark.slow
def test_halves_are_the_whole(spans: list[tuple[int, int]]) -> None:
    """Splitting loses no event and ends at single ones."""
    waiting, single = [Batch(SPOOL, [_part(*span) for span in spans])], []
    numbers = [number for part in waiting[0].parts for number, _ in part.events]
    while waiting:
        one = waiting.pop(0)
        halves = one.split()
        if len(halves) == 1:
            assert one.size == 1
            single += [number for part in one.parts for number, _ in part.events]
        else:
            waiting = halves + waiting
    assert single == numbers


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["Empty", "Unknown"])), max_size=20))
def test_ranges_are_the_numbers(refused: list[tuple[int, str]]) -> None:
    """Nothing but them, in their order."""
    numbers = sorted(dict(refused).items())
    told = list(refused_ranges(numbers))  # type: ignore[arg-type]
    spread = [(first + n, why) for first, count, why in told for n in range(count)]
    assert spread == numbers


def test_a_cut_body_takes_nothing() -> None:
    """Wherever it is cut."""
    body = frame([request(1)]) + frame([request(2)], first=2)
    middle = len(frame([request(1)]))
    for end in range(len(body)):
        if end == middle:
            assert read(body[:end]).size == 1
        else:
            with pytest.raises(BadBody):
                read(body[:end])


def test_a_changed_byte_takes_nothing() -> None:
    """Wherever it is changed, unless the spool gets another name by it."""
    body = frame([request(1)])
    name = body.index(SPOOL.encode())
    for at in range(len(body)):
        if not name <= at < name + len(SPOOL):
            changed = bytearray(body)
            changed[at] ^= 1
            with pytest.raises((BadBody, NewerSchema)):
                read(bytes(changed))


def test_two_spools_in_one_body_are_refused() -> None:
    """There is one answer."""
    with pytest.raises(BadBody, match="two spools"):
        read(frame([request(1)]) + frame([request(1)], spool="spool-other"))


def test_numbers_that_cannot_be_are_refused() -> None:
    """They would be a loss of that many."""
    with pytest.raises(BadBody):
        read(frame([request(1)], first=10**18 * 5))
    with pytest.raises(BadBody):
        read(frames.build(0, SPOOL, 1, [b"{}"]))


def test_a_newer_frame_is_for_a_newer_ledger() -> None:
    """Nothing of the body is taken, and the message says what to do."""
    body = frame([request(1)]) + frame([request(2)], first=2, version=SCHEMA + 1)
    with pytest.raises(NewerSchema, match="update the ledger"):
        read(body)


def test_gzip_is_bounded() -> None:
    """A bomb is not unpacked; what is cut off or has something behind it is no gzip."""
    body = frame([request(1)])
    assert decoded(gzip.compress(body), "gzip", len(body)) == batch([request(1)])
    with pytest.raises(TooLarge):
        decoded(gzip.compress(bytes(1_000_000)), "gzip", 999_999)
    for bad in (gzip.compress(body)[:-1], gzip.compress(body) + b"x", b"nonsense", b""):
        with pytest.raises(BadBody):
            decoded(bad, "gzip", 1_000_000)
    with pytest.raises(BadBody, match="neither gzip"):
        decoded(body, "br", 1_000_000)
    with pytest.raises(TooLarge):
        decoded(body, "", len(body) - 1)
