"""Asks the ledger what ordinary traffic looked like. Every wait has the target's deadline."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from pointsman.evaluation.drift.passive import BINS_AT_MOST, Counts
from pointsman.events.ship import Target, read
from pointsman.ledger.traffic import Seen, Traffic
from pointsman.operator.cluster.ledger import body_of, read_as
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.drifting.traffic import Named, Window

MAX_BYTES: Final = 16 * 1024 * 1024
"""Thousands of backends."""
_traffic = msgspec.json.Decoder(Traffic).decode


async def read_traffic(target: Target, from_ms: int, until_ms: int) -> Mapping[str, Window]:
    """By backend. Raises Waiting with what went wrong."""
    return await asyncio.to_thread(_read, target, from_ms, until_ms)


def _read(target: Target, from_ms: int, until_ms: int) -> Mapping[str, Window]:
    query = {"since": _when(from_ms), "until": _when(until_ms)}
    found = read_as(_traffic, body_of(lambda: read(target, "/v1/traffic", query, MAX_BYTES)))
    if (found.from_ms, found.to_ms) != (from_ms, until_ms):
        raise Waiting("the ledger answers for another time")  # what overlaps would count twice
    return {name: _window(seen) for name, seen in found.backends.items()}


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def _window(seen: Seen) -> Window:
    counts = Counts(
        requests=seen.requests,
        errors=seen.errors,
        output_tokens=seen.output_tokens,
        first_token=seen.first_token[:BINS_AT_MOST],
        finishes=seen.finishes,
        rated=seen.rated,
        rating_micro=seen.rating_micro,
    )
    named = tuple(
        Named(model=one.model, fingerprint=one.fingerprint, answers=one.answers)
        for one in seen.said
    )
    return Window(counts=counts, named=named)
