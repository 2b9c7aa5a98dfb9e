"""Asks the ledger how good the answers of a policy were. Every wait has the target's deadline."""

import asyncio
import http.client
from typing import Final
from urllib.parse import urlencode

import msgspec

from pointsman.events.ship import Target
from pointsman.ledger.labels import Labels
from pointsman.operator.errors import Waiting

MAX_BYTES: Final = 96 * 1024 * 1024
"""20,000 labels with the longest texts."""
_labels = msgspec.json.Decoder(Labels).decode


async def read_labels(target: Target, policy: str, since_s: float) -> Labels:
    """Of the last so many seconds. Raises Waiting with what went wrong."""
    return await asyncio.to_thread(_read, target, policy, since_s)


def _read(target: Target, policy: str, since_s: float) -> Labels:
    query = urlencode({"policy": policy, "since": f"{max(1, round(since_s / 60))}m"})
    try:
        connection = target.connect()
        try:
            path = target.path(f"/v1/labels?{query}")
            connection.request("GET", path, headers=target.headers())
            answer = connection.getresponse()
            body = answer.read(MAX_BYTES)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Waiting(f"the ledger cannot be asked: {error or type(error).__name__}") from error
    if answer.status != 200:
        raise Waiting(f"the ledger answers {answer.status}")
    try:
        return _labels(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Waiting(f"the ledger's answer is none: {error}") from error
