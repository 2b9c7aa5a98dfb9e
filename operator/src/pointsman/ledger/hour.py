"""The last hour by model and task, for Prometheus: cost, speed, quality.

Asked of the store at most once in REFRESH_S, whoever scrapes; every replica on one PostgreSQL says
the same, so dashboards take the maximum. Guarantees at most MOST series of a kind: what was asked
least is added up as `_further`, without quality and times.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.events.schema import NANO
from pointsman.ledger.summary import Line

REFRESH_S: Final = 30.0
WINDOW_MS: Final = 3_600_000
MOST: Final = 500
_FURTHER: Final = "_further"
_PREFIX: Final = "pointsman_ledger_hour_"
_LABELS: Final = ("backend", "task")


class Hour(Collector):
    """`lines` by backend and task; replaced whole."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._others: dict[str, tuple[int, int, int]] = {}

    def show(self, lines: list[Line]) -> None:
        """From here on."""
        ordered = sorted(lines, key=lambda line: -line.requests)
        self._lines, rest = ordered[:MOST], ordered[MOST:]
        others: dict[str, tuple[int, int, int]] = {}
        for line in rest:
            requests, errors, cost = others.get(line.currency, (0, 0, 0))
            sums = (requests + line.requests, errors + line.errors, cost + line.cost_nano)
            others[line.currency] = sums
        self._others = others

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        requests = _gauge("requests", "Requests of the last hour.", "currency")
        errors = _gauge("errors", "Of them without a complete answer.", "currency")
        cost = _gauge("cost", "What they cost.", "currency")
        savings = _gauge("savings", "The baseline's cost less theirs.", "currency")
        quality = _gauge("quality", "Mean of their ratings, 0 to 1.")
        ratings = _gauge("ratings", "How many of them were rated.")
        duration = _gauge("duration_seconds", "Of complete answers.", "quantile")
        for line in self._lines:
            names = [line.by["backend"], line.by["task"]]
            paid = [*names, line.currency]
            requests.add_metric(paid, line.requests)
            errors.add_metric(paid, line.errors)
            cost.add_metric(paid, line.cost_nano / NANO)
            savings.add_metric(paid, line.savings_nano / NANO)
            if line.quality is not None:
                quality.add_metric(names, line.quality.value)
                ratings.add_metric(names, line.quality.n)
            if line.duration is not None:
                duration.add_metric([*names, "0.5"], line.duration.p50.value / 1000)
                duration.add_metric([*names, "0.95"], line.duration.p95.value / 1000)
        for currency, (count, failed, nano) in self._others.items():
            names = [_FURTHER, _FURTHER, currency]
            requests.add_metric(names, count)
            errors.add_metric(names, failed)
            cost.add_metric(names, nano / NANO)
        yield from (requests, errors, cost, savings, quality, ratings, duration)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, labels=[*_LABELS, *labels])
