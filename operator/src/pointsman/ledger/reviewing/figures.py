"""What the queue says of itself, for Prometheus.

Every replica on one PostgreSQL tells the same of what waits, so dashboards take the maximum; what
has ended is counted by the replica where it did.
"""

from collections.abc import Iterable, Sequence
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.events.reviews import ENDED, Mode, Priority
from pointsman.ledger.reviews.review import Review
from pointsman.ledger.rows import Row

_PREFIX: Final = "pointsman_ledger_reviews"
DELIVERIES: Final = ("Delivered", "Failed", "GivenUp")
_Waits = dict[tuple[str, str], tuple[int, float]]


class Figures(Collector):
    """One for a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waits: _Waits | None = None
        self._ended = Counter(
            f"{_PREFIX}_ended", "Reviews that ended here, and how.", ["mode", "state"],
            registry=registry,
        )  # fmt: skip
        self._waited = Histogram(
            f"{_PREFIX}_waited_seconds", "From the opening of a held request to its end.",
            buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400),
            registry=registry,
        )  # fmt: skip
        self._delivered = Counter(
            f"{_PREFIX}_webhooks", "Attempts to tell a webhook, and what became of them.",
            ["result"], registry=registry,
        )  # fmt: skip
        for mode in get_args(Mode):
            for state in ENDED:
                self._ended.labels(mode, state)
        for result in DELIVERIES:
            self._delivered.labels(result)
        registry.register(self)

    def ended(self, review: Review) -> None:
        """One more."""
        self._ended.labels(review.mode, review.state).inc()
        if review.mode == "Hold":
            self._waited.observe((review.ended_ms - review.created_ms) / 1000)

    def delivered(self, result: str) -> None:
        """`result`: one of DELIVERIES."""
        self._delivered.labels(result).inc()

    def hide(self) -> None:
        """What waits is not known now: no figure is better than an old one."""
        self._waits = None

    def show(self, counted: Sequence[Row], now_ms: int) -> None:
        """From here on; rows of (mode, priority, how many, oldest created_ms)."""
        self._waits = {
            (str(mode), str(priority)): (
                int(str(count)),
                max(0.0, (now_ms - int(str(oldest))) / 1000),
            )
            for mode, priority, count, oldest in counted
        }

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        pending = GaugeMetricFamily(
            f"{_PREFIX}_pending", "Reviews that wait for a person.", labels=("mode", "priority")
        )
        oldest = GaugeMetricFamily(
            f"{_PREFIX}_oldest_seconds", "Age of the one that waits longest.",
            labels=("mode", "priority"),
        )  # fmt: skip
        waits = self._waits
        places = [(mode, priority) for mode in get_args(Mode) for priority in get_args(Priority)]
        if waits is not None:
            for mode, priority in places:
                count, age_s = waits.get((mode, priority), (0, 0.0))
                pending.add_metric([mode, priority], count)
                oldest.add_metric([mode, priority], age_s)
        yield pending
        yield oldest
