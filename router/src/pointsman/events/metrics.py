"""What a spool and its shipper tell Prometheus; the same of routers and of the operator."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from pointsman.events.segments import Loss
from pointsman.events.ship import Shipper
from pointsman.events.spool import Spool


def kept(prefix: str, spool: Spool) -> Iterable[Metric]:
    """What waits, and what nobody gets."""
    dropped = CounterMetricFamily(
        prefix + "dropped", "Events that the ledger will never get.", labels=["reason"]
    )
    # From 0 on: of a series that is born with the first loss nobody can tell that it has grown.
    for reason, count in (dict.fromkeys(get_args(Loss), 0) | spool.dropped).items():
        dropped.add_metric([reason], count)
    yield dropped
    yield GaugeMetricFamily(
        prefix + "waiting", "Events that the ledger does not have.", spool.segments.events_left()
    )


def shipped(prefix: str, shipper: Shipper) -> Iterable[Metric]:
    """What the ledger took, and what it did not."""
    yield CounterMetricFamily(prefix + "shipped", "Events that the ledger has.", shipper.shipped)
    failures = CounterMetricFamily(
        prefix + "ship_failures", "Batches that the ledger did not take.", labels=["reason"]
    )
    for reason, count in dict(shipper.failures).items():
        failures.add_metric([reason], count)
    yield failures
