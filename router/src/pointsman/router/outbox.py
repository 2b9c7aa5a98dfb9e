"""A router's events on their way to the ledger: recorder, spool, shipper and their metrics.

Guarantees that it is running once made, and that `close` sends what is there within its deadline.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.events.metrics import kept, shipped
from pointsman.events.schema import ROUTERS, Feedback
from pointsman.events.segments import Bounds
from pointsman.events.ship import Failed, Shipper, Target, get
from pointsman.events.spool import Later, Spool
from pointsman.router.serve.feedback import ASK_S
from pointsman.router.serve.record import Recorder

_log = logging.getLogger(__name__)
_MOST_ASKING: Final = 4
"""Questions to the ledger at once, each a thread; who comes then is told later."""
_PREFIX: Final = "pointsman_router_events_"


class Outbox(Collector):
    """Keeps events in `folder` (None: in memory) until `ledger` (None: a later one) has them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        later: Later,
        folder: Path | None = None,
        bounds: Bounds | None = None,
        ledger: Target | None = None,
        schema: int = ROUTERS,
    ) -> None:
        self.spool = Spool(folder, later=later, bounds=bounds, schema=schema)
        self.record = Recorder(self.spool.put, time.time)
        self.shipper: Shipper | None = None
        self._target = ledger and replace(ledger, timeout_s=ASK_S)
        self._asking = 0
        self.spool.start()
        if ledger is not None:
            self.shipper = Shipper(self.spool.segments, ledger)
            self.shipper.start()
        registry.register(self)

    def put(self, event: bytes) -> None:
        """Keep an encoded event."""
        self.spool.put(event)

    def needs(self, schema: int) -> None:
        """Events that are put from now on are of this version."""
        self.spool.needs(schema)

    async def answered(self, feedback: Feedback) -> bool | None:
        """True if its caller got the answer that is meant; None if nobody can tell now."""
        known = self.record.answered(feedback)
        if known is not None:
            return known
        if self.shipper is None or self._asking >= _MOST_ASKING:
            return None
        self._asking += 1
        try:
            return await asyncio.to_thread(self._ask, feedback)
        finally:
            self._asking -= 1

    def _ask(self, feedback: Feedback) -> bool | None:
        named = {"decision": feedback.decision, "response_id": feedback.response_id}
        asked = {name: value for name, value in named.items() if value}
        assert self._target is not None
        try:
            status = get(self._target, "/v1/decision", {**asked, "caller": feedback.caller})
        except Failed as failed:
            _log.warning("ledger-away", extra={"reason": str(failed)})
            return None
        return {200: True, 404: False}.get(status)

    async def finish(self, deadline_s: float) -> None:
        """Put what still waits for its text to be made ready; nothing is recorded after that."""
        await asyncio.to_thread(self.record.captor.finish, deadline_s)

    def close(self, deadline_s: float) -> None:
        """Write everything, and send what the ledger takes at once."""
        by_s = time.monotonic() + deadline_s
        self.spool.close(deadline_s)
        if self.shipper is not None:
            self.shipper.stop(max(by_s - time.monotonic(), 0.1))

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        yield from kept(_PREFIX, self.spool)
        yield CounterMetricFamily(
            _PREFIX + "recorded", "Events, whatever became of them.", self.spool.recorded
        )
        yield CounterMetricFamily(
            _PREFIX + "unrecorded", "Requests that met a bug here.", self.record.failures
        )
        yield from self._texts()
        held = GaugeMetricFamily(_PREFIX + "bytes", "Size of what waits.", labels=["where"])
        for where, size in zip(("disk", "memory"), self.spool.segments.bytes_held(), strict=True):
            held.add_metric([where], size)
        yield held
        if self.shipper is not None:
            yield from shipped(_PREFIX, self.shipper)

    def _texts(self) -> Iterable[Metric]:
        captor = self.record.captor
        texts = CounterMetricFamily(
            "pointsman_router_texts_kept", "Requests with texts for the ledger.", labels=["how"]
        )
        for how, count in captor.kept.items():
            texts.add_metric([how], count)
        yield texts
        dropped = CounterMetricFamily(
            "pointsman_router_texts_dropped",
            "Requests whose texts, or parts of them, were not kept though the policy asks for it.",
            labels=["reason"],
        )
        for reason, count in captor.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield GaugeMetricFamily(
            "pointsman_router_texts_bytes", "Held for texts that are kept.", captor.held_bytes
        )
