"""When a run begins, under which number, and that no day costs more than it may."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.operator.plan.evaluating.record import (
    Record,
    TaskQuality,
    amount,
    day_of,
    loaded,
    nano_of,
    stored_fields,
)
from pointsman.operator.plan.evaluating.scheduling import (
    FIRST_MS,
    MOST_INTERRUPTED,
    OVERDUE_MS,
    Wish,
    begun,
    due_ms,
    left_nano,
    over,
    resumed,
    share_of,
)

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def wish(*, cap_nano: int | None = None, interval_ms: int = HOUR_MS, order: str = "") -> Wish:
    return Wish(
        suite="desk", interval_ms=interval_ms, cap_nano=cap_nano, currency="USD", order=order
    )


def due(asked: Wish, record: Record, *, now_ms: int = NOW_MS, **more: float) -> int:
    values = {"seen_ms": NOW_MS - 10 * DAY_MS, "share": 0.5, **more}
    return due_ms(asked, record, now_ms=now_ms, **values)  # type: ignore[arg-type]


def run_of(record: Record, asked: Wish, *, now_ms: int, cost_nano: int, ended: str) -> Record:
    going = begun(record, asked, content="c", most_nano=cost_nano, now_ms=now_ms)
    return over(
        going, ended=ended, message="", cost_nano=cost_nano, quality=(), now_ms=now_ms + 1000
    )


def test_two_hundred_backends_do_not_begin_together() -> None:
    """First runs are spread over five minutes, overdue ones after a start over one."""
    shares = [share_of(f"uid-{number}") for number in range(200)]
    first = [due(wish(), Record(), seen_ms=NOW_MS, share=share) for share in shares]
    assert max(first) - NOW_MS < FIRST_MS
    seconds = [(at_ms - NOW_MS) // 1000 for at_ms in first]
    assert max(seconds.count(second) for second in seconds) <= 6
    old = run_of(Record(), wish(), now_ms=NOW_MS - DAY_MS, cost_nano=0, ended="Complete")
    late = [due(wish(), old, seen_ms=NOW_MS, share=share) for share in shares]
    assert min(late) - NOW_MS >= 0
    assert max(late) - NOW_MS < OVERDUE_MS
    assert len(set(late)) > 190


def test_a_clock_that_was_ahead_keeps_nobody_waiting() -> None:
    """Once it is right again the next run is due, whether the last or this process began ahead."""
    ahead = run_of(Record(), wish(), now_ms=NOW_MS + 300 * DAY_MS, cost_nano=0, ended="Complete")
    assert due(wish(), ahead) < NOW_MS
    assert due(wish(), ahead, seen_ms=NOW_MS + 300 * DAY_MS) < NOW_MS
    assert due(wish(), Record(), seen_ms=NOW_MS + 300 * DAY_MS) < NOW_MS
    again = run_of(ahead, wish(), now_ms=NOW_MS, cost_nano=0, ended="Complete")
    assert due(wish(), again) == NOW_MS + HOUR_MS


def test_the_next_run_follows_the_beginning_of_the_last_one() -> None:
    """An interval after it; sooner where something is suspected, or nobody answered."""
    done = run_of(Record(), wish(), now_ms=NOW_MS, cost_nano=0, ended="Complete")
    assert due(wish(), done) == NOW_MS + HOUR_MS
    assert due_ms(
        wish(), done, seen_ms=0, share=0.0, now_ms=NOW_MS, suspected=True
    ) == NOW_MS + HOUR_MS // 4  # fmt: skip
    assert due(wish(), replace(done, ended="Unreachable")) == NOW_MS + 600_000
    short = wish(interval_ms=20_000)
    assert due(short, replace(done, ended="Unreachable")) == NOW_MS + 20_000


def test_a_run_that_somebody_waits_for_is_at_once_and_only_once() -> None:
    """Also the first one; never before there is money for it."""
    done = run_of(Record(), wish(), now_ms=NOW_MS - 1000, cost_nano=5, ended="Complete")
    assert due(wish(), done, wanted_ms=NOW_MS) == NOW_MS
    assert due(wish(), Record(), wanted_ms=NOW_MS) == NOW_MS
    again = run_of(done, wish(), now_ms=NOW_MS, cost_nano=5, ended="Unreachable")
    assert due(wish(), again, wanted_ms=NOW_MS) == NOW_MS + 600_000
    assert due(wish(cap_nano=5), done, wanted_ms=NOW_MS) > NOW_MS + HOUR_MS


def test_an_order_is_obeyed_once() -> None:
    """At once, without waiting for its interval; the same value again asks for nothing."""
    done = run_of(Record(), wish(), now_ms=NOW_MS, cost_nano=0, ended="Complete")
    assert due(wish(order="1"), done) == 0
    again = run_of(done, wish(order="1"), now_ms=NOW_MS, cost_nano=0, ended="Complete")
    assert due(wish(order="1"), again) == NOW_MS + HOUR_MS
    assert due(wish(order="2"), again) == 0
    assert due(wish(), again) == NOW_MS + HOUR_MS


def test_without_money_the_next_run_waits_for_midnight() -> None:
    """An order as well; also where what is left was not enough for a whole run."""
    asked = wish(cap_nano=100)
    midnight = (NOW_MS // DAY_MS + 1) * DAY_MS
    done = run_of(Record(), asked, now_ms=NOW_MS, cost_nano=100, ended="Complete")
    assert left_nano(asked, done, NOW_MS) == 0
    assert due(asked, done) == midnight
    assert due(wish(cap_nano=100, order="x"), done) == midnight
    capped = run_of(Record(), asked, now_ms=NOW_MS, cost_nano=60, ended="SpendCap")
    assert due(asked, capped) == midnight
    assert due(wish(cap_nano=100, order="x"), capped) == 0
    assert left_nano(asked, capped, midnight) == 100
    assert due(asked, capped, now_ms=midnight) <= midnight


def test_an_interrupted_run_costs_all_it_might_have() -> None:
    """And is not taken up again: the next number begins soon."""
    asked = wish(cap_nano=100)
    going = begun(Record(), asked, content="c", most_nano=30, now_ms=NOW_MS)
    assert (going.run, going.reserved_nano) == (1, 30)
    after = resumed(going, now_ms=NOW_MS + 5000)
    assert (after.ended, after.spent_nano, after.start_ms) == ("Interrupted", 30, 0)
    assert left_nano(asked, after, NOW_MS) == 70
    assert due(asked, after, seen_ms=NOW_MS + 5000) == NOW_MS + 5000 + OVERDUE_MS // 2
    assert begun(after, asked, content="c", most_nano=500, now_ms=NOW_MS).reserved_nano == 70
    assert resumed(after, now_ms=NOW_MS) == after


def killed(record: Record, asked: Wish, *, most_nano: int = 0) -> Record:
    """After a run that a new process finds begun, through what is stored."""
    going = begun(record, asked, content="c", most_nano=most_nano, now_ms=NOW_MS)
    return resumed(loaded({"evaluation": stored_fields(going, next_ms=0)}), now_ms=NOW_MS)


def test_an_order_whose_run_was_interrupted_is_obeyed_again() -> None:
    """At once, until a run of it ends by itself, however it ends; with the day's money only."""
    for ended in ("Complete", "SpendCap", "Unreachable"):
        after = killed(Record(), wish(order="1"))
        assert (after.ordered, due(wish(order="1"), after)) == ("", 0)
        done = run_of(after, wish(order="1"), now_ms=NOW_MS, cost_nano=0, ended=ended)
        assert (done.run, done.ordered, done.order, done.interrupted) == (2, "1", "", 0)
        assert due(wish(order="1"), done) > NOW_MS
    poor = killed(Record(), wish(order="1", cap_nano=100), most_nano=100)
    assert due(wish(order="1", cap_nano=100), poor) == (NOW_MS // DAY_MS + 1) * DAY_MS


@pytest.mark.parametrize("order", ["", "1"])
def test_runs_that_end_the_operator_are_not_repeated_for_ever(order: str) -> None:
    """After three in a row the next one waits for the interval, or for another order."""
    record, asked = Record(), wish(order=order)
    for _ in range(MOST_INTERRUPTED):
        record = killed(record, asked)
    assert "3 in a row" in record.message
    assert record.ordered == order
    assert due(asked, record) == NOW_MS + HOUR_MS
    assert due(asked, killed(record, asked)) == NOW_MS + HOUR_MS
    assert due(wish(order="2"), record) == 0
    again = killed(record, wish(order="2"))
    assert due(wish(order="2"), again) == 0
    assert due(wish(order="3"), killed(again, wish(order="3"))) == 0


def test_an_order_that_comes_during_a_run_is_for_the_next() -> None:
    """And one that is taken back stays the last that was obeyed."""
    going = begun(Record(), wish(order="1"), content="c", most_nano=0, now_ms=NOW_MS)
    done = over(going, ended="Complete", message="", cost_nano=0, quality=(), now_ms=NOW_MS)
    assert due(wish(order="2"), done) == 0
    later = run_of(done, wish(), now_ms=NOW_MS, cost_nano=0, ended="Complete")
    assert due(wish(order="1"), later) == NOW_MS + HOUR_MS


steps = st.lists(
    st.tuples(
        st.integers(0, 12 * HOUR_MS),
        st.integers(0, 80),
        st.floats(0, 1),
        st.sampled_from(["Complete", "SpendCap", "Unreachable", "kill", "order"]),
    ),
    max_size=40,
)


@given(steps)
def test_no_day_costs_more_than_its_cap_and_no_number_is_run_twice(
    told: list[tuple[int, int, float, str]],
) -> None:
    """Whatever is killed, ordered or expensive, with nothing kept but what a status holds."""
    cap_nano, now_ms, order = 100, NOW_MS, 0
    record, numbers = Record(), []
    spent: dict[str, int] = {}
    for wait_ms, most_nano, share, how in told:
        now_ms += wait_ms
        order += how == "order"
        asked = wish(cap_nano=cap_nano, order=str(order) if order else "")
        if due(asked, record, now_ms=now_ms) > now_ms:
            continue
        record = begun(record, asked, content="c", most_nano=most_nano, now_ms=now_ms)
        numbers.append(record.run)
        stored = loaded({"evaluation": stored_fields(record, next_ms=0)})
        cost_nano = int(record.reserved_nano * share)  # what a purse of `reserved` lets through
        spent[day_of(now_ms)] = spent.get(day_of(now_ms), 0) + cost_nano
        if how == "kill":
            record = resumed(stored, now_ms=now_ms)
        else:
            ended = "Complete" if how == "order" else how
            record = over(
                stored, ended=ended, message="", cost_nano=cost_nano, quality=(), now_ms=now_ms
            )
    assert numbers == sorted(set(numbers))
    assert all(cost <= cap_nano for cost in spent.values())


@given(
    st.builds(
        Record,
        suite=st.just("desk"),
        content=st.just("abc"),
        run=st.integers(1, 10**6),
        start_ms=st.integers(1, 10**9).map(lambda s: s * 1000),
        last_ms=st.integers(0, 10**9).map(lambda s: s * 1000),
        ended=st.sampled_from(["Complete", "SpendCap", "Unreachable", "Interrupted"]),
        message=st.text(),
        cost_nano=st.integers(0, 10**15),
        currency=st.sampled_from(["USD", "EUR"]),
        day=st.just("2027-01-15"),
        spent_nano=st.integers(0, 10**15),
        reserved_nano=st.integers(0, 10**15),
        interrupted=st.integers(0, 9),
        order=st.text(max_size=20),
        ordered=st.text(max_size=20),
        quality=st.just(
            (TaskQuality(task="all", score="0.5", low="0.1", high="0.9", prompts=3, time="t"),)
        ),
    )
)
def test_a_status_holds_all_of_a_record(record: Record) -> None:
    """To the billionth and the second."""
    status = {
        "evaluation": stored_fields(record, next_ms=5000),
        "quality": [one.as_status() for one in record.quality],
    }
    assert loaded(status) == record


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(
            ["run", "startTime", "lastTime", "ended", "cost", "spent", "spentOn", "reserved"]
        )
        | st.sampled_from(["interrupted", "order", "ordered"]),
        st.none() | st.integers() | st.text(max_size=12) | st.just("Infinity") | st.just("NaN"),
    )
)
def test_a_status_that_somebody_edited_is_read_as_far_as_it_goes(found: dict[str, object]) -> None:
    """Nothing of it stops the operator, and no amount is negative."""
    record = loaded({"evaluation": found, "quality": found})
    assert min(record.run, record.spent_nano, record.reserved_nano, record.cost_nano) >= 0
    assert record.quality == ()


@pytest.mark.parametrize("nano", [0, 1, 1500, 10**9, 1_234_567_890_123])
def test_money_is_written_to_the_billionth(nano: int) -> None:
    """And read back."""
    assert nano_of(amount(nano)) == nano
    assert amount(1_500_000_000) == "1.5"


def test_a_run_over_midnight_counts_for_the_day_it_ends_in_too() -> None:
    """Rather twice than not at all."""
    asked = wish(cap_nano=100)
    late = (NOW_MS // DAY_MS + 1) * DAY_MS - 1000
    going = begun(Record(), asked, content="c", most_nano=60, now_ms=late)
    done = over(going, ended="Complete", message="", cost_nano=60, quality=(), now_ms=late + 5000)
    assert left_nano(asked, done, late + 5000) == 40
    assert datetime.fromtimestamp(late / 1000, UTC).day != datetime.fromisoformat(done.day).day


def test_a_run_that_has_begun_is_not_what_the_qualities_are_of() -> None:
    """They are of the last whole run, through what is stored, until another one is whole."""
    found = TaskQuality(task="all", score="0.8", low="0.7", high="0.9", prompts=9, time="t")
    old = begun(Record(), wish(), content="old", most_nano=0, now_ms=NOW_MS)
    old = over(old, ended="Complete", message="", cost_nano=0, quality=(found,), now_ms=NOW_MS)
    assert stored_fields(old, next_ms=0)["qualityContent"] == "old"
    going = begun(old, wish(), content="new", most_nano=0, now_ms=NOW_MS)
    fields = stored_fields(going, next_ms=0)
    assert (fields["content"], fields["qualityContent"]) == ("new", "old")
    going = loaded({"evaluation": fields, "quality": [found.as_status()]})
    broken = over(going, ended="Unreachable", message="", cost_nano=0, quality=(), now_ms=NOW_MS)
    assert broken.quality_content == "old"
    again = begun(broken, wish(), content="new", most_nano=0, now_ms=NOW_MS)
    done = over(again, ended="Complete", message="", cost_nano=0, quality=(found,), now_ms=NOW_MS)

    assert stored_fields(done, next_ms=0)["qualityContent"] == "new"


def test_without_qualities_there_is_no_content_of_them() -> None:
    """A whole run in which nothing had a score says nothing."""
    record = run_of(Record(), wish(), now_ms=NOW_MS, cost_nano=0, ended="Complete")

    assert "qualityContent" not in stored_fields(record, next_ms=0)
