"""What ordinary traffic looked like, from either store: exact sums, and words of answers."""

from pathlib import Path

import pytest

from pointsman.evaluation.drift import passive
from pointsman.events.schema import Event
from pointsman.events.ship import Target
from pointsman.ledger.asking import BadQuestion, ask_traffic
from pointsman.ledger.contract import Store
from pointsman.ledger.histogram import bin_of
from pointsman.ledger.rows import REQUEST
from pointsman.ledger.stores import days
from pointsman.ledger.tally import COLUMNS, SPANS_MS
from pointsman.ledger.traffic import SAMPLE, Said, told
from pointsman.operator.cluster.traffic import read_traffic
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.drifting.traffic import Named
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, NOW_MS, batch, feedback, request
from tests.ledger.test_service import ledger

STEP_MS = SPANS_MS[0]
FROM_MS = NOW_MS - NOW_MS % STEP_MS


def ingest(store: Store, *events: Event) -> None:
    store.ingest([batch(events)], NOW_MS)


def test_a_window_has_what_it_has_and_no_more(store: Store) -> None:
    """Sums over policies and currencies; what came before and after is not in it."""
    ingest(
        store,
        request(1, at_ms=FROM_MS, finish="stop", reported_model="m-1", fingerprint="f"),
        request(2, at_ms=FROM_MS + 1, finish="length", reported_model="m-1", currency="EUR"),
        request(3, at_ms=FROM_MS + 2, outcome="Timeout", status=504, policy="other"),
        request(4, at_ms=FROM_MS - 1, finish="stop"),
        request(5, at_ms=FROM_MS + STEP_MS, finish="stop"),
        request(6, at_ms=FROM_MS + 3, backend="large", finish="stop"),
        feedback(1, score=0.25),
    )
    found = ask_traffic(store, FROM_MS, FROM_MS + STEP_MS)
    small = found.backends["small"]

    assert set(found.backends) == {"small", "large"}
    assert (small.requests, small.errors, small.output_tokens) == (3, 1, 150)
    assert (small.rated, small.rating_micro) == (1, 250_000)
    assert small.finishes == {"stop": 1, "length": 1}
    assert sum(small.first_token) == small.first_token[bin_of(20_000)] == 2
    assert sorted(small.said, key=lambda one: one.fingerprint) == [
        Said("m-1", "", 1), Said("m-1", "f", 1),
    ]  # fmt: skip


@pytest.mark.local
def test_a_window_has_its_words_however_much_came_since(sqlite_place: Place) -> None:
    """A busy fleet has more requests in a quarter of an hour than one sample."""
    store = sqlite_place.store()
    store.open()
    ingest(store, request(1, at_ms=FROM_MS, finish="stop", reported_model="m-1"))
    others = ", ".join(name for name in REQUEST if name != "at_ms")
    sqlite_place.execute(
        f"WITH RECURSIVE later (ms) AS (SELECT 1 UNION ALL SELECT ms + 1 FROM later LIMIT {SAMPLE})"
        f" INSERT INTO {days.table(FROM_MS)} (at_ms, {others})"
        f" SELECT at_ms + {STEP_MS} + ms, {others} FROM {days.table(FROM_MS)}, later"
    )
    found = ask_traffic(store, FROM_MS, FROM_MS + STEP_MS)
    assert found.backends["small"].said == [Said("m-1", "", 1)]


def test_windows_add_up_over_midnight(store: Store) -> None:
    """Each request is in one of them."""
    midnight_ms = NOW_MS - NOW_MS % DAY_MS
    moments = [midnight_ms + place * STEP_MS // 2 for place in range(-6, 6)]
    ingest(store, *(request(n, at_ms=at, finish="stop") for n, at in enumerate(moments)))
    whole = ask_traffic(store, midnight_ms - 3 * STEP_MS, midnight_ms + 3 * STEP_MS)
    parts = [
        ask_traffic(store, midnight_ms + n * STEP_MS, midnight_ms + (n + 1) * STEP_MS)
        for n in range(-3, 3)
    ]

    assert whole.backends["small"].requests == 12
    assert [one.backends["small"].finishes for one in parts] == [{"stop": 2}] * 6


@pytest.mark.parametrize(
    ("from_ms", "to_ms"),
    [(FROM_MS + 1, FROM_MS + STEP_MS), (FROM_MS, FROM_MS + 1), (FROM_MS, FROM_MS + 2 * DAY_MS)],
)
def test_a_window_is_of_whole_steps(store: Store, from_ms: int, to_ms: int) -> None:
    """What overlaps would be counted twice."""
    with pytest.raises(BadQuestion):
        ask_traffic(store, from_ms, to_ms)


def test_what_is_sampled_is_scaled_to_what_is_counted() -> None:
    """Shares stay; a backend of which nothing was sampled is left out, not said to have none."""
    sums = [100 if name == "requests" else 0 for name in COLUMNS]
    rollups = [("a", "USD", *sums), ("b", "USD", *sums)]
    words = [("a", "stop", "m", "", 15), ("a", "length", "m", "", 5)]
    found = told(0, STEP_MS, rollups, words)

    assert set(found.backends) == {"a"}
    assert found.backends["a"].finishes == {"stop": 75, "length": 25}


def test_counts_are_what_the_watch_takes(store: Store) -> None:
    """Whatever the store answers: no batch is refused."""
    ingest(
        store,
        *(
            request(n, at_ms=FROM_MS, finish="stop" if n % 3 else "tool_calls", outcome=outcome)
            for n, outcome in enumerate(["Ok", "Timeout", "ClientGone", "Ok"] * 20)
        ),
    )
    seen = ask_traffic(store, FROM_MS, FROM_MS + STEP_MS).backends["small"]
    counts = passive.Counts(
        requests=seen.requests, errors=seen.errors, output_tokens=seen.output_tokens,
        first_token=seen.first_token, finishes=seen.finishes, rated=seen.rated,
        rating_micro=seen.rating_micro,
    )  # fmt: skip

    assert passive.add(passive.watch(), counts).batches == 1


async def test_the_operator_asks_for_it(tmp_path: Path) -> None:
    """Over HTTP, with the service's own words for what cannot be asked."""
    async with ledger(tmp_path) as client:
        ingest(client.store, request(1, at_ms=FROM_MS, finish="stop", reported_model="m-1"))
        target = Target(url=f"http://127.0.0.1:{client.port}")
        found = await read_traffic(target, FROM_MS, FROM_MS + STEP_MS)
        assert found["small"].counts.requests == 1
        assert found["small"].named == (Named(model="m-1", answers=1),)
        with pytest.raises(Waiting, match="400"):
            await read_traffic(target, FROM_MS + 1, FROM_MS + STEP_MS)
    with pytest.raises(Waiting, match="cannot be asked"):
        await read_traffic(target, FROM_MS, FROM_MS + STEP_MS)
