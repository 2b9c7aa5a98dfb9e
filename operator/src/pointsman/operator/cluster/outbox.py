"""The operator's events on their way to the ledger: in memory, bounded, sent by a thread.

Guarantees that `put` never waits, that what is not kept is counted and said, and that a ledger that
is away is tried again until it is there.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pointsman.events.metrics import kept, shipped
from pointsman.events.schema import OPERATORS, Evaluation, Replicas, encode
from pointsman.events.segments import Bounds
from pointsman.events.ship import Shipper, Target
from pointsman.events.spool import Spool
from pointsman.operator.metrics import REGISTRY

log = logging.getLogger("pointsman.outbox")
MEMORY: Final = Bounds(memory_bytes=4 * 1024 * 1024, segment_bytes=256 * 1024)
"""Some 16,000 windows: a day of 60 backends, an hour of 1,300."""
TELL_S: Final = 30.0
_PREFIX: Final = "pointsman_operator_events_"


class Outbox(Collector):
    """Runs once made; for a loop that runs."""

    def __init__(self, ledger: Target, *, bounds: Bounds = MEMORY) -> None:
        later = asyncio.get_running_loop().call_later
        self._spool = Spool(None, later=later, bounds=bounds, schema=OPERATORS)
        self._shipper = Shipper(self._spool.segments, ledger)
        self._told = 0
        self._spool.start()
        self._shipper.start()
        REGISTRY.register(self)

    def put(self, event: Replicas | Evaluation) -> None:
        """Keep it until the ledger has it, or until later ones need its place."""
        self._spool.put(encode(event))

    @property
    def dropped(self) -> int:
        """Events that the ledger will never get."""
        return sum(self._spool.dropped.values())

    async def run(self) -> None:
        """Say what is dropped, until it is cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(TELL_S)

    def tell(self) -> None:
        """Once for what was dropped since."""
        dropped = self.dropped
        if dropped > self._told:
            reason = self._shipper.problem or "the ledger is slow"
            log.warning("windows-dropped", extra={"count": dropped - self._told, "reason": reason})
        self._told = dropped

    def close(self, deadline_s: float) -> None:
        """Send what the ledger takes within the deadline; waits for it, in a thread."""
        REGISTRY.unregister(self)
        self._spool.close(deadline_s / 2)
        self._shipper.stop(deadline_s / 2)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        yield from kept(_PREFIX, self._spool)
        yield from shipped(_PREFIX, self._shipper)
