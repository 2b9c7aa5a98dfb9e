"""A router's events on their way to the ledger: recorder, spool, shipper and their metrics.

Guarantees that it is running once made, and that `close` sends what is there within its deadline.
"""

import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.events.ship import Shipper
from pointsman.events.spool import Later, Spool
from pointsman.router.serve.record import Recorder
from pointsman.router.settings import Settings

_PREFIX: Final = "pointsman_router_events_"


class Outbox(Collector):
    """Of settings that record."""

    def __init__(self, settings: Settings, registry: CollectorRegistry, *, later: Later) -> None:
        self.spool = Spool(settings.events_dir, later=later, bounds=settings.events)
        self.record = Recorder(self.spool.put, time.time)
        self.shipper: Shipper | None = None
        self.spool.start()
        if settings.ledger is not None:
            self.shipper = Shipper(self.spool.segments, settings.ledger)
            self.shipper.start()
        registry.register(self)

    def close(self, deadline_s: float) -> None:
        """Write everything, and send what the ledger takes at once."""
        by_s = time.monotonic() + deadline_s
        self.spool.close(deadline_s)
        if self.shipper is not None:
            self.shipper.stop(max(by_s - time.monotonic(), 0.1))

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        dropped = CounterMetricFamily(
            _PREFIX + "dropped", "Events that the ledger will never get.", labels=["reason"]
        )
        for reason, count in self.spool.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield CounterMetricFamily(
            _PREFIX + "unrecorded", "Requests that met a bug here.", self.record.failures
        )
        yield GaugeMetricFamily(
            _PREFIX + "waiting",
            "Events that the ledger does not have.",
            self.spool.segments.events_left(),
        )
        held = GaugeMetricFamily(_PREFIX + "bytes", "Size of what waits.", labels=["where"])
        for where, size in zip(("disk", "memory"), self.spool.segments.bytes_held(), strict=True):
            held.add_metric([where], size)
        yield held
        if self.shipper is None:
            return
        yield CounterMetricFamily(
            _PREFIX + "shipped", "Events that the ledger has.", self.shipper.shipped
        )
        failures = CounterMetricFamily(
            _PREFIX + "ship_failures", "Batches that the ledger did not take.", labels=["reason"]
        )
        for reason, count in dict(self.shipper.failures).items():
            failures.add_metric([reason], count)
        yield failures
