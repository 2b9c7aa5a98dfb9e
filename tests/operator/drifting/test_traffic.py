"""Windows of the ledger: each counts once, what looks different is a hint and no more."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.evaluation.drift.passive import Counts
from pointsman.operator.plan.drifting.folding import take
from pointsman.operator.plan.drifting.news import News
from pointsman.operator.plan.drifting.record import Record, dump, load
from pointsman.operator.plan.drifting.telling import is_suspected, samples, told
from pointsman.operator.plan.drifting.traffic import (
    DAY_MS,
    LATE_MS,
    WINDOW_MS,
    Named,
    Window,
    begun,
    next_window,
    settled,
    take_window,
)
from pointsman.operator.plan.drifting.wish import Wish
from tests.operator.drifting.runs import BEGIN_MS, UID, WISH, folded, model_run

ALONE = Wish(model="model-a", golden=False)
START_MS = (BEGIN_MS - LATE_MS) // WINDOW_MS * WINDOW_MS


def counts(*, slow: bool = False, wobble: int = 0) -> Counts:
    """60 requests, of which the first token takes some 100 ms, or 800."""
    bins = [0] * 40
    bins[20 if slow else 14] = 50 + wobble % 3
    bins[21 if slow else 15] = 8
    return Counts(requests=60 + wobble % 3, errors=1, output_tokens=6000, first_token=tuple(bins))


def watched(
    windows: Sequence[Window], record: Record | None = None, wish: Wish = ALONE
) -> tuple[Record, list[News]]:
    record, news = begun(record or Record(uid=UID), wish, now_ms=BEGIN_MS), list[News]()
    for window in windows:
        assert record.traffic
        from_ms = record.traffic.until_ms
        record, fresh = take_window(
            record, window, wish, from_ms=from_ms, until_ms=from_ms + WINDOW_MS
        )
        news += fresh
    return record, news


USUAL = [Window(counts=counts(wobble=n)) for n in range(150)]
SLOW = [Window(counts=counts(slow=True, wobble=n)) for n in range(40)]


def test_a_clock_that_was_ahead_stops_no_watch() -> None:
    """What it has learned stays; windows are asked for again from now on, each once."""
    ahead_ms = BEGIN_MS + 300 * DAY_MS
    learned, _ = watched(USUAL[:9])
    assert learned.traffic
    traffic = replace(learned.traffic, until_ms=ahead_ms, hinted_ms=ahead_ms)
    record = begun(replace(learned, traffic=traffic), ALONE, now_ms=BEGIN_MS)
    assert next_window(record, now_ms=BEGIN_MS + WINDOW_MS) == (START_MS, START_MS + WINDOW_MS)
    assert record.traffic
    assert record.traffic.watch == learned.traffic.watch
    after = settled(record, now_ms=BEGIN_MS + DAY_MS).traffic
    assert after
    assert after.hinted_ms == 0
    a_little = begun(learned, ALONE, now_ms=BEGIN_MS - DAY_MS // 2)
    assert a_little == learned


def test_traffic_alone_is_steady_until_it_looks_different() -> None:
    """Then Suspected, with the signal in words; never Drifted."""
    nothing = begun(Record(uid=UID), ALONE, now_ms=BEGIN_MS)
    assert told(nothing, ALONE).condition.reason == "NoBaseline"
    record, news = watched(USUAL)
    assert (told(record, ALONE).condition.reason, news) == ("Steady", [])
    record, news = watched(SLOW, record)
    condition = told(record, ALONE).condition

    assert (condition.status, condition.reason) == (False, "Suspected")
    assert "traffic: FirstToken is higher" in condition.message
    assert [one.reason for one in news] == ["DriftSuspected"]
    assert is_suspected(record, ALONE)
    assert samples(record, ALONE) == set()


def test_a_hint_is_over_after_a_day_or_a_run_that_looked_into_it() -> None:
    """And what is usual is learned anew."""
    record, _ = watched(USUAL + SLOW)
    assert record.traffic
    hinted_ms = record.traffic.hinted_ms
    assert settled(record, now_ms=hinted_ms + DAY_MS - 1) is record
    calm = settled(record, now_ms=hinted_ms + DAY_MS)
    assert not is_suspected(calm, ALONE)
    assert settled(calm, now_ms=hinted_ms + 9 * DAY_MS) is calm

    record, _ = folded([model_run(n) for n in range(5)])
    record, _ = watched(USUAL + SLOW, record, WISH)
    assert told(record, WISH).condition.reason == "Suspected"
    before, _ = take(record, model_run(5), WISH)
    assert told(before, WISH).condition.reason == "Suspected", "it had begun before the hint"
    after, _ = take(record, model_run(60), WISH)
    assert told(after, WISH).condition.reason == "Steady"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30))
def test_no_window_counts_twice(again: list[int]) -> None:
    """Whoever sends it again, and with restarts in between."""
    windows = (USUAL + SLOW)[:30]
    wanted, _ = watched(windows)
    record = begun(Record(uid=UID), ALONE, now_ms=BEGIN_MS)
    for index, window in enumerate(windows):
        from_ms = START_MS + index * WINDOW_MS
        times = again[index] if index < len(again) else 0
        for back in range(times + 1):
            place_ms = from_ms - back * WINDOW_MS
            record, _ = take_window(
                load(dump(record)), window, ALONE, from_ms=place_ms, until_ms=place_ms + WINDOW_MS
            ) if back else take_window(
                record, window, ALONE, from_ms=from_ms, until_ms=from_ms + WINDOW_MS
            )  # fmt: skip

    assert record == wanted


def test_windows_follow_each_other() -> None:
    """From where it began, when they are old enough; after a long absence from a day ago."""
    record = begun(Record(uid=UID), ALONE, now_ms=BEGIN_MS)
    first, same = next_window(record, now_ms=BEGIN_MS)
    assert first == same == START_MS
    assert next_window(record, now_ms=BEGIN_MS + WINDOW_MS) == (START_MS, START_MS + WINDOW_MS)
    late_ms = BEGIN_MS + 30 * DAY_MS
    assert next_window(record, now_ms=late_ms)[0] == START_MS + 29 * DAY_MS
    assert begun(record, ALONE, now_ms=late_ms) is record


def test_whoever_does_not_ask_is_not_watched() -> None:
    """And what was hinted at is no longer told."""
    none = Wish(model="model-a", golden=False, traffic=False)
    record, _ = watched(USUAL + SLOW)

    assert told(record, none).condition.reason == "NoBaseline"
    assert told(record, ALONE).condition.reason == "Suspected"
    assert not is_suspected(record, none)
    assert begun(record, none, now_ms=BEGIN_MS).traffic is None


def test_counts_that_cannot_be_are_passed_over() -> None:
    """A ledger of another release; the next window follows."""
    record, news = watched([Window(counts=Counts(requests=1, errors=9)), *USUAL[:2]])

    assert record.traffic
    assert record.traffic.until_ms == START_MS + 3 * WINDOW_MS
    assert record.traffic.watch.batches == 2
    assert news == []


def test_without_a_suite_traffic_says_what_it_calls_itself() -> None:
    """As soon as 50 answers have; with a suite the suite's answers do."""
    one, other = (Named(model=name, answers=30) for name in ("m-1", "m-2"))
    windows = [Window(named=(one,))] * 4 + [Window(named=(other,))]
    record, news = watched(windows)
    assert news == []
    record, news = watched([Window(named=(other,))], record)

    assert [one.note for one in news] == ["answers say model 'm-2', and said 'm-1'"]
    assert told(record, ALONE).condition.reason == "IdentityChanged"
    assert watched([*windows, *windows[-1:]], wish=WISH)[1] == []
