"""What every store does with events: one suite, each test on each store."""

from pathlib import Path

import pytest

from pointsman.events.schema import Event, Text, Try
from pointsman.ledger.asking import ask
from pointsman.ledger.contract import Keeping, Store
from pointsman.ledger.rows import Row, event_of
from pointsman.ledger.summary import Line, Summary
from tests.ledger.conftest import Place
from tests.ledger.events import DAY_MS, HOUR_MS, NOW_MS, SPOOL, batch, feedback, request


def everything(store: Store) -> Summary:
    """Of all time around NOW_MS."""
    return ask(store, NOW_MS - 40 * DAY_MS, NOW_MS + 2 * DAY_MS)


def total(store: Store) -> Line:
    """Its only currency."""
    (line,) = everything(store).totals
    return line


def count(store: Store, table: str) -> int:
    """Rows."""
    return int(str(store.query(f"SELECT count(*) FROM {table}", ())[0][0]))


def refused(store: Store) -> list[Row]:
    """(first, events, reason) in order."""
    return store.query("SELECT first, events, reason FROM refused ORDER BY spool, first", ())


def keeping(now_ms: int = NOW_MS) -> Keeping:
    """30 days of events, 400 of rollups, 3 of waiting."""
    return Keeping(
        now_ms=now_ms,
        events_ms=now_ms - 30 * DAY_MS,
        rollups_ms=now_ms - 400 * DAY_MS,
        pending_ms=now_ms - 3 * DAY_MS,
    )


def test_events_are_taken_once(store: Store) -> None:
    """The same batch again is skipped whole, an overlapping one in part."""
    first = batch([request(1), request(2)])
    (taken,) = store.ingest([first], NOW_MS)
    assert (taken.next, taken.requests, taken.known, taken.lost) == (3, 2, 0, 0)

    (again,) = store.ingest([first], NOW_MS)
    assert (again.next, again.requests, again.known) == (3, 0, 2)

    (more,) = store.ingest([batch([request(2), request(3)], first=2)], NOW_MS)
    assert (more.next, more.requests, more.known) == (4, 1, 1)
    assert total(store).requests == 3
    assert store.spool(SPOOL) == (4, 0)
    assert store.spool("spool-unknown") == (1, 0)


def test_one_group_may_hold_a_spool_twice(store: Store) -> None:
    """Each batch begins where the one before it ended."""
    one, two, other = (
        batch([request(1)]), batch([request(1), request(2)]), batch([request(9)], spool="spool-b-"),
    )  # fmt: skip
    taken = store.ingest([one, other, two, one], NOW_MS)

    assert [(one.next, one.requests, one.known) for one in taken] == [
        (2, 1, 0), (2, 1, 0), (3, 1, 1), (3, 0, 1),
    ]  # fmt: skip
    assert total(store).requests == 3


def test_a_jump_is_a_loss(store: Store) -> None:
    """What was dropped before the first event counts too; what comes late is skipped."""
    store.ingest([batch([request(5)], first=5)], NOW_MS)
    (taken,) = store.ingest([batch([request(8)], first=8)], NOW_MS)
    assert (taken.next, taken.lost) == (9, 2)
    assert store.spool(SPOOL) == (9, 6)

    (late,) = store.ingest([batch([request(6)], first=6)], NOW_MS)
    assert (late.requests, late.known) == (0, 1)
    assert everything(store).lost == 6


def test_what_is_no_event_does_not_stop_the_others(store: Store) -> None:
    """Neighbors of one reason are one row, and none of their text is kept."""
    events: list[Event | bytes] = [
        request(1), b"secret", b"{}", request(4, input_tokens=-1), request(5, policy="x" * 254),
        request(6, cost_nano=10**18), request(7, decision=""), feedback(8, score=1.5), request(9),
    ]  # fmt: skip
    (taken,) = store.ingest([batch(events)], NOW_MS)

    assert (taken.next, taken.requests) == (10, 2)
    assert taken.refused == {"NotAnEvent": 2, "OutOfRange": 5}
    assert refused(store) == [(2, 2, "NotAnEvent"), (4, 5, "OutOfRange")]


def test_sums_are_those_of_the_events(store: Store) -> None:
    """By backend and task, with fallbacks, errors, tokens, money and times."""
    events = [
        request(1, baseline_nano=5_000, left=(Try(backend="big", reason="Timeout"),)),
        request(2, left=(Try(backend="small", reason="Timeout"),), estimated=True),
        request(3, status=503, outcome="Exhausted", duration_us=1),
        request(4, status=499, outcome="ClientGone", duration_us=1),
        request(5, status=429, outcome="RateLimited", duration_us=1),
        request(6, backend="big", cost_nano=50_000, duration_us=3_000_000, reasoning_tokens=7),
    ]
    store.ingest([batch(events)], NOW_MS)

    big, small = everything(store).lines
    assert (big.by, small.by) == (
        {"backend": "big", "task": "coding"}, {"backend": "small", "task": "coding"},
    )  # fmt: skip
    assert (small.requests, small.errors, small.fallbacks, small.estimated) == (5, 2, 1, 1)
    assert (small.input_tokens, small.output_tokens) == (500, 250)
    assert (small.cost_nano, small.baseline_nano, small.savings_nano) == (5_000, 5_000, 4_000)
    assert (big.cost_nano, big.savings_nano, big.reasoning_tokens) == (50_000, 0, 7)
    assert small.duration is not None
    assert big.duration is not None
    assert small.duration.n == 2
    assert 0.71 * 100 < small.duration.p50.low <= small.duration.p50.high < 1.42 * 100
    assert 0.71 * 3_000 < big.duration.p95.value < 1.42 * 3_000
    assert (small.error_share.value, small.error_share.high < 0.8) == (0.4, True)
    assert total(store).cost_nano == 55_000


def test_currencies_are_never_added_up(store: Store) -> None:
    """A line for each."""
    store.ingest([batch([request(1), request(2, currency="EUR")])], NOW_MS)

    assert {(line.currency, line.cost_nano) for line in everything(store).totals} == {
        ("EUR", 1_000), ("USD", 1_000),
    }  # fmt: skip


def test_a_question_is_about_its_time(store: Store) -> None:
    """To 5 minutes; a day, an hour and 5 minutes give the same."""
    times = [NOW_MS - ago for ago in (0, HOUR_MS, 5 * HOUR_MS, DAY_MS, 3 * DAY_MS, 9 * DAY_MS)]
    store.ingest([batch([request(n, at_ms=at) for n, at in enumerate(times)])], NOW_MS)

    for hours, wanted in ((0.5, 1), (1.5, 2), (6, 3), (25, 4), (24 * 4, 5), (24 * 10, 6)):
        found = ask(store, NOW_MS - int(hours * HOUR_MS), NOW_MS + 1)
        assert sum(line.requests for line in found.totals) == wanted
    gap = ask(store, NOW_MS - 8 * DAY_MS, NOW_MS - 4 * DAY_MS)
    assert gap.totals == []


def test_absurd_times_are_kept_under_the_time_they_came(store: Store) -> None:
    """With a flag: what they cost was paid all the same. A little backwards is nothing."""
    events = [
        request(1, at_ms=0), request(2, at_ms=-5), request(3, at_ms=NOW_MS + 2 * DAY_MS),
        request(4, at_ms=2**80), request(5, at_ms=NOW_MS - 5_000), request(6, at_ms=NOW_MS - 9_000),
    ]  # fmt: skip
    store.ingest([batch(events)], NOW_MS)

    line = total(store)
    assert (line.requests, line.clock_wrong, line.cost_nano) == (6, 4, 6_000)


def test_a_clock_that_goes_back_loses_nothing(store: Store) -> None:
    """The ledger's own: what it took before is in its future; all of it counts, and stays."""
    store.ingest([batch([request(1), request(2, at_ms=NOW_MS - 5 * HOUR_MS)])], NOW_MS)
    back_ms = NOW_MS - 3 * HOUR_MS
    (taken,) = store.ingest([batch([feedback(1, score=1.0), request(3)], first=3)], back_ms)
    assert (taken.requests, taken.feedback, taken.known, taken.lost) == (1, 1, 0, 0)
    (again,) = store.ingest([batch([request(3)], first=4)], back_ms)
    assert (again.requests, again.known) == (0, 1)
    assert not any(store.keep(keeping(back_ms)).removed.values())

    line = total(store)
    assert (line.requests, line.feedback, line.clock_wrong) == (3, 1, 0)


def test_what_is_older_than_its_retention_is_only_counted(store: Store) -> None:
    """A router that was cut off for long does not make days that go at once."""
    store.ingest([batch([request(1, at_ms=NOW_MS - 35 * DAY_MS), request(2)])], NOW_MS)

    assert total(store).requests == 2
    assert store.keep(keeping()).removed["days"] == 0


def test_feedback_finds_its_request(store: Store) -> None:
    """By decision, and by the answer's id among the caller's own."""
    store.ingest([batch([request(1), request(2, caller="other", response_id="resp-1")])], NOW_MS)
    said = [
        feedback(1, score=0.25),
        feedback(2, decision="", response_id="resp-1", caller="other", score=0.75),
    ]
    (taken,) = store.ingest([batch(said, first=3)], NOW_MS)
    assert (taken.feedback, taken.waiting) == (2, 0)

    quality = total(store).quality
    assert quality is not None
    assert (quality.n, quality.value) == (2, 0.5)
    assert quality.low < 0.5 < quality.high
    assert store.query("SELECT decision FROM feedback ORDER BY decision", ()) == [
        ("d-1",), ("d-2",),
    ]  # fmt: skip


def test_late_feedback_counts_where_its_request_does(store: Store) -> None:
    """In the rollup of the request, days before."""
    store.ingest([batch([request(1, at_ms=NOW_MS - 5 * DAY_MS)])], NOW_MS)
    store.ingest([batch([feedback(1, at_ms=NOW_MS, verdict="failed")], first=2)], NOW_MS)

    (old,) = ask(store, NOW_MS - 6 * DAY_MS, NOW_MS - 4 * DAY_MS).totals
    assert (old.feedback, old.verdicts["failed"]) == (1, 1)


def test_the_last_word_counts(store: Store) -> None:
    """Two ratings of one request are one, the later; both are kept. What was seen rates nothing."""
    store.ingest([batch([request(1)])], NOW_MS)
    said = [
        feedback(1, id="b", good=False, at_ms=NOW_MS + 1_000),
        feedback(1, id="a", good=True, at_ms=NOW_MS),
        feedback(1, id="c", signal="Retry"),
    ]
    for number, one in enumerate(said, 2):
        store.ingest([batch([one], first=number)], NOW_MS)

    line = total(store)
    assert line.quality is not None
    assert (line.quality.n, line.quality.value, line.feedback, line.retried) == (1, 0.0, 2, 1)
    assert count(store, "feedback") == 3


def test_feedback_of_somebody_else_is_refused(store: Store) -> None:
    """And so is one whose id is there, and one that says nothing."""
    events: list[Event | bytes] = [
        request(1),
        feedback(1, caller="thief"),
        feedback(1),
        feedback(1),
        feedback(1, id="e", comment=""),
        feedback(1, id="", good=True),
    ]
    (taken,) = store.ingest([batch(events)], NOW_MS)

    assert taken.feedback == 1
    assert taken.refused == {"NotTheCaller": 1, "Duplicate": 1, "Empty": 1, "OutOfRange": 1}
    assert total(store).feedback == 1


def test_feedback_waits_for_its_request(store: Store) -> None:
    """In the pending table; of another caller's answer it waits until its time is over."""
    said = [feedback(1), feedback(2, decision="", response_id="resp-1", caller="thief")]
    (taken,) = store.ingest([batch(said)], NOW_MS)
    assert (taken.feedback, taken.waiting) == (0, 2)
    assert count(store, "pending") == 2

    (taken,) = store.ingest([batch([request(1)], spool="spool-other")], NOW_MS)
    assert (taken.requests, taken.feedback) == (1, 1)
    assert count(store, "pending") == 1
    assert total(store).feedback == 1

    later = keeping(NOW_MS + 3 * DAY_MS)
    assert store.keep(later).refused == {"Unknown": 1}
    assert count(store, "pending") == 0
    assert refused(store) == [(2, 1, "Unknown")]


def test_texts_go_when_their_time_is_over(store: Store) -> None:
    """Their own, which is not that of the events; without one they are not kept."""
    texts = [
        Text(how="Full", prompt="p", answer="a", keep_s=60),
        Text(how="Hash", prompt="h", keep_s=7200),
        Text(how="Full", prompt="never", keep_s=0),
    ]
    store.ingest([batch([request(n, text=text) for n, text in enumerate(texts)])], NOW_MS)
    assert store.query("SELECT prompt, answer FROM texts ORDER BY prompt", ()) == [
        ("h", ""), ("p", "a"),
    ]  # fmt: skip

    assert store.keep(keeping(NOW_MS + 60_000)).removed["texts"] == 1
    assert store.query("SELECT prompt FROM texts", ()) == [("h",)]
    assert total(store).requests == 3


def test_retention_is_by_bounded_steps(store: Store) -> None:
    """Requests go by the day, rows by the step; sums of days outlive those of 5 minutes."""
    times = [NOW_MS - days * DAY_MS for days in (0, 3, 6, 9, 12)]
    events = [request(n, at_ms=at) for n, at in enumerate(times)]
    store.ingest([batch([*events, *(feedback(n) for n in range(5))])], NOW_MS)

    later = NOW_MS + 25 * DAY_MS
    bound = Keeping(now_ms=later, events_ms=later - 30 * DAY_MS, rollups_ms=0, pending_ms=0, rows=1)
    steps = 0
    while (kept := store.keep(bound)).more:
        steps += 1
        assert all(count <= 1 for count in kept.removed.values())
    assert steps >= 2
    assert store.query("SELECT DISTINCT span_ms, count(*) FROM rollups GROUP BY span_ms", ()) == [
        (300_000, 2), (3_600_000, 5), (86_400_000, 5),
    ]  # fmt: skip
    assert count(store, "feedback") == 2
    (taken,) = store.ingest([batch([feedback(9, decision="d-4")], first=11)], later)
    assert taken.waiting == 1
    (taken,) = store.ingest([batch([feedback(8, decision="d-1")], first=12)], later)
    assert taken.feedback == 1


def test_text_of_every_kind_survives(store: Store) -> None:
    """U+0000, which PostgreSQL has not, becomes U+FFFD; what only looks like it stays."""
    odd = 'a\0b \\u0000 " \U0001f600 \t\n\\'
    store.ingest([batch([request(1), feedback(1, comment=odd)])], NOW_MS)

    assert store.query("SELECT comment FROM feedback", ()) == [(odd.replace("\0", "�"),)]


def test_long_texts_of_backends_are_cut(store: Store) -> None:
    """An id of 10 kB is no reason to lose the event; feedback finds it all the same."""
    long = "r" * 10_000
    events: list[Event | bytes] = [
        request(1, response_id=long, model=long, finish=long),
        feedback(1, decision="", response_id=long),
    ]
    (taken,) = store.ingest([batch(events)], NOW_MS)
    assert (taken.requests, taken.feedback) == (1, 1)


def test_where_the_finest_are_gone_hours_answer(store: Store) -> None:
    """The answer says from when to when it is; before, to 5 minutes."""
    events = [request(n, at_ms=NOW_MS - n * DAY_MS) for n in range(5)]
    store.ingest([batch(events)], NOW_MS)
    odd = NOW_MS - 3 * DAY_MS - 600_000
    assert ask(store, odd, NOW_MS).from_ms == odd - odd % 300_000

    later = NOW_MS + 28 * DAY_MS
    while store.keep(keeping(later)).more:
        pass
    found = ask(store, odd, NOW_MS + 1)
    assert found.from_ms == odd - odd % HOUR_MS
    assert sum(line.requests for line in found.totals) == 4


def test_feedback_that_waits_is_bounded(place: Place) -> None:
    """What is over the bound is refused, and stops nothing."""
    store = place.store(max_pending=3)
    store.open()
    (taken,) = store.ingest([batch([feedback(n) for n in range(5)])], NOW_MS)
    assert (taken.waiting, taken.refused) == (3, {"Unknown": 2})
    (taken,) = store.ingest([batch([feedback(9), request(9)], first=6)], NOW_MS)
    assert (taken.requests, taken.feedback, taken.waiting) == (1, 1, 0)


def _bytes(place: Place) -> bytes:
    """All that is on the disk."""
    return b"".join(path.read_bytes() for path in Path(place.where).parent.iterdir())


def test_texts_are_gone_from_the_file(sqlite_place: Place) -> None:
    """What may not be kept any longer is overwritten; what was no event was never written."""
    store = sqlite_place.store()
    store.open()
    text = Text(how="Full", prompt="planted-prompt", answer="planted-answer" * 999, keep_s=60)
    events: list[Event | bytes] = [
        request(1, text=text),
        feedback(1, comment="planted-comment"),
        b"planted-line",
    ]
    store.ingest([batch(events)], NOW_MS)
    store.close()
    assert b"planted-prompt" in _bytes(sqlite_place)
    assert b"planted-line" not in _bytes(sqlite_place)

    store = sqlite_place.store()
    store.open()
    while store.keep(keeping(NOW_MS + 60_000)).more:
        pass
    store.close()
    found = _bytes(sqlite_place)
    assert b"planted-prompt" not in found
    assert b"planted-answer" not in found
    assert b"planted-comment" in found

    store = sqlite_place.store()
    store.open()
    while store.keep(keeping(NOW_MS + 31 * DAY_MS)).more:
        pass
    store.close()
    assert b"planted-comment" not in _bytes(sqlite_place)


def test_what_waited_for_its_request_is_gone_from_the_file(sqlite_place: Place) -> None:
    """Whether that came or not; neither where it waited is it to be read, nor where pages grew."""
    store = sqlite_place.store()
    store.open()
    numbers = range(1, 201)
    said = [feedback(n, comment=f"planted-{n}-" + "c" * 7 * n) for n in numbers]
    store.ingest([batch(said)], NOW_MS)
    store.close()
    assert _bytes(sqlite_place).count(b"planted-") >= len(numbers)

    store = sqlite_place.store()
    store.open()
    for n in numbers[::20]:
        came: list[Event | bytes] = [request(n + more) for more in range(10)]
        store.ingest([batch(came, spool=f"spool-late-{n:04}")], NOW_MS)
    while store.keep(keeping(NOW_MS + 31 * DAY_MS)).more:
        pass
    assert store.query("SELECT 1 FROM pending UNION ALL SELECT 1 FROM feedback", ()) == []
    store.close()
    assert _bytes(sqlite_place).count(b"planted-") == 0


def test_every_request_is_in_one_page(store: Store) -> None:
    """Of several days, and only those of the window; a row gives back its event."""
    events = [
        request(number, at_ms=NOW_MS - (number % 3) * DAY_MS - number, candidates=("small", "big"),
                left=(Try(backend="big", reason="Error"),), tools=number % 2 == 0,
                evidence=("chat: short question",))
        for number in range(1, 300)
    ]  # fmt: skip
    store.ingest([batch(events)], NOW_MS)
    found, after = [], ""
    for _ in range(60):
        rows, after = store.page(NOW_MS - 3 * DAY_MS, NOW_MS - 3, after, 20)
        assert len(rows) <= 40
        found += [event_of(row) for row in rows]
        if not after:
            break

    assert not after
    assert sorted(found, key=lambda one: one.decision) == sorted(
        (one for one in events if one.at_ms < NOW_MS - 3), key=lambda one: one.decision
    )
    assert [event_of(row) for row in store.recorded("d-4")] == [events[3]]
    assert store.recorded("d-999") == []


@pytest.mark.parametrize("after", ["x", "requests_20261126:-1", ":", "a:99999999999999999999"])
def test_a_page_comes_after_another_one(store: Store, after: str) -> None:
    """Nothing that was made up gets into a question."""
    with pytest.raises(ValueError, match=after):
        store.page(0, NOW_MS, after, 2)
