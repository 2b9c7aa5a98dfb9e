"""The last hour by model and task, for Prometheus: cost, speed, quality.

Asked of the store at most once in REFRESH_S, whoever scrapes; every replica on one PostgreSQL says
the same, so dashboards take the maximum. Guarantees at most MOST lines of a kind: what was asked
least is added up as `_further` by currency, without quality and times, and money of more than
CURRENCIES of them is not told. Of one whose currency changed, quality and times are those of the
currency with most requests.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.events.schema import NANO
from pointsman.ledger.hosted import Hosted
from pointsman.ledger.summary import Line

REFRESH_S: Final = 30.0
WINDOW_MS: Final = 3_600_000
MOST: Final = 500
CURRENCIES: Final = 20
_FURTHER: Final = "_further"
_PREFIX: Final = "pointsman_ledger_hour_"
_LABELS: Final = ("backend", "task")


class Hour(Collector):
    """Lines by backend and task, and replicas that are paid by the hour; replaced whole."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._hosted: list[Hosted] = []
        self._others: dict[str, tuple[int, int, int]] = {}

    def show(self, lines: list[Line], hosted: list[Hosted]) -> None:
        """From here on; of `hosted` what costs most comes first."""
        self._hosted = hosted[:MOST]
        ordered = sorted(lines, key=lambda line: -line.requests)
        self._lines, rest = ordered[:MOST], ordered[MOST:]
        others: dict[str, tuple[int, int, int]] = {}
        for line in rest:
            known = line.currency in others or len(others) < CURRENCIES
            currency, nano = (line.currency, line.cost_nano) if known else (_FURTHER, 0)
            requests, errors, cost = others.get(currency, (0, 0, 0))
            others[currency] = (requests + line.requests, errors + line.errors, cost + nano)
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
        told: set[tuple[str, ...]] = set()
        for line in self._lines:
            names = [line.by["backend"], line.by["task"]]
            paid = [*names, line.currency]
            requests.add_metric(paid, line.requests)
            errors.add_metric(paid, line.errors)
            cost.add_metric(paid, line.cost_nano / NANO)
            savings.add_metric(paid, line.savings_nano / NANO)
            if (*names,) in told:  # its currency changed: of one name there is one value
                continue
            told.add((*names,))
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
        yield from self._collect_hosted()

    def _collect_hosted(self) -> Iterable[Metric]:
        labels = ("backend", "currency")
        hours, cost, idle = (
            GaugeMetricFamily(f"{_PREFIX}replica_{name}", text, labels=labels)
            for name, text in (
                ("hours", "Hours of replicas that are paid by the hour."),
                ("cost", "What they cost."),
                ("idle_cost", "Part of it, of more replicas than requests."),
            )
        )
        for one in self._hosted:
            names = [one.backend, one.currency]
            hours.add_metric(names, one.replica_ms / WINDOW_MS)
            cost.add_metric(names, one.cost_nano / NANO)
            idle.add_metric(names, one.idle_nano / NANO)
        yield from (hours, cost, idle)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, labels=[*_LABELS, *labels])
