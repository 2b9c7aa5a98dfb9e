"""A replay: the ledger's recent requests, and a process of its own that routes them again.

Every wait has a deadline, and what is held is bounded.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.events.ship import Target, read
from pointsman.operator.cluster.ledger import body_of
from pointsman.operator.cluster.worker import answer
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.rollout.replaying import Replayed
from pointsman.operator.plan.rollout.rerouting import Job

DEADLINE_S: Final = 60.0
"""10,000 requests by 64 rules take seconds; a machine may be busy."""
REPLAYER: Final = (sys.executable, "-m", "pointsman.operator.replayer")
MAX_BYTES: Final = 32 * 1024 * 1024
"""10,000 requests with the longest names."""
_replayed = msgspec.json.Decoder(Replayed)


async def read_recent(target: Target, policy: str, window_s: float, requests: int) -> msgspec.Raw:
    """The ledger's answer, unread. Raises Waiting with what went wrong."""
    return await asyncio.to_thread(_read, target, policy, window_s, requests)


def _read(target: Target, policy: str, window_s: float, requests: int) -> msgspec.Raw:
    query = {"policy": policy, "since": f"{max(1, round(window_s))}s", "limit": str(requests)}
    return msgspec.Raw(body_of(lambda: read(target, "/v1/recent", query, MAX_BYTES)))


async def replay(
    job: Job, *, replayer: Sequence[str] = REPLAYER, deadline_s: float = DEADLINE_S
) -> Replayed:
    """Raises Waiting if the process fails or takes too long; it is ended then."""
    body = msgspec.json.encode(job)
    out = await answer(replayer, body, deadline_s=deadline_s, what="the replay")
    try:
        return _replayed.decode(out)
    except msgspec.DecodeError as error:
        raise Waiting(f"the replay's answer is none: {error}") from error
