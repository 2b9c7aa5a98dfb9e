"""Asks the ledger how good the answers of a policy were. Every wait has the target's deadline."""

import asyncio
from typing import Final

import msgspec

from pointsman.events.ship import Target, read
from pointsman.ledger.labels import Labels
from pointsman.operator.cluster.ledger import body_of, read_as

MAX_BYTES: Final = 96 * 1024 * 1024
"""20,000 labels with the longest texts."""
_labels = msgspec.json.Decoder(Labels).decode


async def read_labels(target: Target, policy: str, since_s: float) -> Labels:
    """Of the last so many seconds. Raises Waiting with what went wrong."""
    return await asyncio.to_thread(_read, target, policy, since_s)


def _read(target: Target, policy: str, since_s: float) -> Labels:
    query = {"policy": policy, "since": f"{max(1, round(since_s / 60))}m"}
    return read_as(_labels, body_of(lambda: read(target, "/v1/labels", query, MAX_BYTES)))
