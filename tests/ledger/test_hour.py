"""The last hour as metrics: what the store has, by model and task, and never more than a bound."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from pointsman.events.schema import Event
from pointsman.ledger.hosted import Hosted
from pointsman.ledger.hour import CURRENCIES, MOST, Hour
from pointsman.ledger.intake import now_ms
from pointsman.ledger.summary import By, Line, line
from pointsman.ledger.tally import COLUMNS
from tests.ledger.events import feedback, frame, request, window
from tests.ledger.test_service import ledger


def _line(backend: str, requests: int = 1, currency: str = "USD") -> Line:
    values = dict.fromkeys(COLUMNS, 0) | {"requests": requests, "cost_nano": 1_000_000_000}
    by: tuple[By, ...] = ("backend", "task")
    return line(by, (backend, "coding", currency), list(values.values()))


async def test_a_scrape_says_what_the_hour_was(tmp_path: Path) -> None:
    """Cost, quality and times of what was taken, and nothing of what is older."""
    now = now_ms()
    async with ledger(tmp_path) as client:
        old = request(2, at_ms=now - 7_300_000, backend="old")
        events: list[Event | bytes] = [
            request(1, at_ms=now),
            feedback(1, at_ms=now, score=0.5),
            old,
        ]
        assert (await client.post(frame(events)))[0] == 200
        text = await client.metrics()
        labels = 'backend="small",currency="USD",task="coding"'
        assert f"pointsman_ledger_hour_requests{{{labels}}} 1.0" in text
        assert f"pointsman_ledger_hour_cost{{{labels}}} 1e-06" in text
        assert 'pointsman_ledger_hour_quality{backend="small",task="coding"} 0.5' in text
        assert 'pointsman_ledger_hour_ratings{backend="small",task="coding"} 1.0' in text
        assert 'backend="old"' not in text


async def test_a_scrape_says_what_replicas_cost(tmp_path: Path) -> None:
    """Of those that are paid by the hour."""
    now = now_ms()
    async with ledger(tmp_path) as client:
        assert (await client.post(frame([window(from_ms=now - now % 300_000)])))[0] == 200
        text = await client.metrics()
    for name, value in (("hours", "0.16666666666666666"), ("cost", "0.416666667"),
                        ("idle_cost", "0.208333333")):  # fmt: skip
        labels = 'backend="own",currency="USD"'
        assert f"pointsman_ledger_hour_replica_{name}{{{labels}}} {value}\n" in text


async def test_a_store_that_is_away_leaves_the_other_metrics(tmp_path: Path) -> None:
    """A scrape is answered."""
    async with ledger(tmp_path) as client:
        client.store.close()
        text = await client.metrics()
        assert "pointsman_ledger_events_total" in text
        assert "pointsman_ledger_hour_requests{" not in text


def test_a_thousand_models_make_a_bounded_page() -> None:
    """Those that are asked least are one line together; no request and no cost is left out."""
    hour, registry = Hour(), CollectorRegistry()
    registry.register(hour)
    hour.show([_line(f"b{number}", number + 1) for number in range(1000)], [])
    (found,) = [m for m in registry.collect() if m.name == "pointsman_ledger_hour_requests"]
    assert len(found.samples) == MOST + 1
    assert sum(sample.value for sample in found.samples) == sum(range(1, 1001))
    (cost,) = [m for m in registry.collect() if m.name == "pointsman_ledger_hour_cost"]
    assert sum(sample.value for sample in cost.samples) == 1000


def test_a_backend_whose_currency_changed_has_one_quality() -> None:
    """Two series of one name are a scrape of which Prometheus drops one."""
    hour, registry = Hour(), CollectorRegistry()
    registry.register(hour)
    by: tuple[By, ...] = ("backend", "task")
    rated = {"rated": 3, "rating_micro": 1_500_000, "d10": 3}
    hour.show(
        [
            line(by, ("a", "coding", currency), list((dict.fromkeys(COLUMNS, 0) | one).values()))
            for currency, one in (
                ("USD", {"requests": 3} | rated),
                ("EUR", {"requests": 40} | rated | {"rated": 30}),
            )
        ],
        [],
    )
    seen = [
        (sample.name, tuple(sample.labels.items()))
        for metric in registry.collect()
        for sample in metric.samples
        if metric.name.endswith(("quality", "ratings", "duration_seconds"))
    ]
    assert len(seen) == len({*seen}) == 4
    ratings = registry.get_sample_value(
        "pointsman_ledger_hour_ratings", {"backend": "a", "task": "coding"}
    )
    assert ratings == 30


def test_currencies_and_replicas_are_bounded_too() -> None:
    """Whatever events say: 20 series and one for the rest, and 500 backends."""
    hour, registry = Hour(), CollectorRegistry()
    registry.register(hour)
    hosted = [
        Hosted(
            backend=f"b{n}", currency=f"C{n}", replica_ms=1, unknown_ms=0, idle_ms=0, cost_nano=1,
            idle_nano=0, requests=0, tokens=0, per_request_nano=None, per_million_nano=None,
        )
        for n in range(1000)
    ]  # fmt: skip
    hour.show([_line(f"b{n}", 1, f"C{n}") for n in range(2000)], hosted)
    sizes = {
        metric.name.rpartition("hour_")[2]: len(metric.samples) for metric in registry.collect()
    }
    assert sizes["requests"] == sizes["cost"] == MOST + CURRENCIES + 1
    assert sizes["replica_cost"] == MOST
    assert sum(sizes.values()) <= 7 * MOST + 3 * (CURRENCIES + 1) + 3 * MOST
