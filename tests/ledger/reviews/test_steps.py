"""What becomes of a review in a store, step by step: each test on each store."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pointsman.events.reviews import Answering, Decided, Opening
from pointsman.events.schema import Event
from pointsman.ledger.contract import Store, Transaction
from pointsman.ledger.people.person import Person
from pointsman.ledger.reviews import deciding, opening, running, storing
from pointsman.ledger.reviews.errors import (
    BadEdit,
    ClaimedBy,
    Ended,
    Full,
    HashMismatch,
    NotApproved,
    NotClaimed,
    ReviewError,
    Taken,
    Unknown,
)
from pointsman.ledger.reviews.review import ATTACH_MS, CLAIM_MS, Decision, Review
from pointsman.ledger.rows import Row
from pointsman.ledger.taking import take
from tests.ledger.conftest import Place
from tests.ledger.events import NOW_MS, SPOOL, batch, request
from tests.ledger.reviews.opened import (
    ADA,
    BEN,
    MINUTE_MS,
    answer_text,
    decision,
    flagged,
    hash_of,
    request_text,
)
from tests.ledger.reviews.opened import opening as held
from tests.ledger.test_contract import count, keeping


def open_(store: Store, asked: Opening, now_ms: int = NOW_MS) -> tuple[Review, bool]:
    return store.transact(lambda t: opening.open_held(t, asked, now_ms))


def claim(store: Store, id_: str, who: Person = ADA, now_ms: int = NOW_MS) -> Review:
    return store.transact(lambda t: deciding.claim(t, id_, who, now_ms))


def decide(
    store: Store, id_: str, said: Decision, who: Person = ADA, now_ms: int = NOW_MS
) -> Review:
    return store.transact(lambda t: deciding.decide(t, id_, said, who, now_ms))


def decided(store: Store, asked: Opening, **said: Any) -> Review:
    """Opened, claimed and decided by Ada."""
    open_(store, asked)
    claim(store, asked.id)
    return decide(store, asked.id, decision(asked, **said))


def as_told(store: Store, id_: str) -> Decided:
    """As a router is told it."""
    return running.decided(*storing.both(store.query(*storing.several([id_]))[0]))


def end(store: Store, id_: str, state: Any, now_ms: int = NOW_MS) -> Review:
    return store.transact(lambda t: deciding.end(t, id_, state, now_ms))


def test_a_held_answer_is_claimed_and_approved(store: Store) -> None:
    """The answer goes on as it was, with the name of who let it."""
    asked = held()
    review, new = open_(store, asked)
    assert new
    assert (review.state, review.deadline_ms) == ("Pending", NOW_MS + 10 * MINUTE_MS)
    assert as_told(store, "d-1").answer == ""

    assert claim(store, "d-1").claimed_until_ms == NOW_MS + CLAIM_MS
    after = decide(store, "d-1", decision(asked), now_ms=NOW_MS + 5)

    assert (after.state, after.decided_by, after.ended_ms) == ("Approved", "ada", NOW_MS + 5)
    told = as_told(store, "d-1")
    assert (told.answer, told.request, told.by) == (asked.answer, "", "ada")


def test_an_edited_answer_goes_on_in_its_place(store: Store) -> None:
    """The model's own is not told any more."""
    better = answer_text("Yes, within 30 days.")
    review = decided(store, held(), verdict="edit", edited=better)
    assert review.state == "Edited"
    assert as_told(store, "d-1").answer == better


def test_a_refusal_has_the_reviewers_message_and_no_answer(store: Store) -> None:
    """The caller is told why."""
    decided(store, held(), verdict="reject", message="We promise no refunds.")
    told = as_told(store, "d-1")
    assert (told.state, told.message, told.answer) == ("Rejected", "We promise no refunds.", "")


def test_two_reviewers_never_hold_the_same(store: Store) -> None:
    """Who holds it may claim again; a claim that is over is free for others."""
    asked = held()
    open_(store, asked)
    claim(store, "d-1", ADA)
    with pytest.raises(ClaimedBy, match="ada holds it") as refused:
        claim(store, "d-1", BEN)
    assert refused.value.until_ms == NOW_MS + CLAIM_MS
    with pytest.raises(ClaimedBy):
        decide(store, "d-1", decision(asked), BEN)
    assert claim(store, "d-1", ADA, NOW_MS + 1000).claimed_until_ms == NOW_MS + 1000 + CLAIM_MS

    later_ms = NOW_MS + 1000 + CLAIM_MS
    assert claim(store, "d-1", BEN, later_ms).claimed_by == "ben"
    with pytest.raises(ClaimedBy, match="ben"):
        decide(store, "d-1", decision(asked), ADA, later_ms)
    assert decide(store, "d-1", decision(asked), BEN, later_ms).decided_by == "ben"


def test_nobody_decides_what_he_does_not_hold(store: Store) -> None:
    """Not claimed, given back, or claimed too long ago."""
    asked = held()
    open_(store, asked)
    with pytest.raises(NotClaimed):
        decide(store, "d-1", decision(asked))
    claim(store, "d-1")
    with pytest.raises(NotClaimed):
        decide(store, "d-1", decision(asked), now_ms=NOW_MS + CLAIM_MS)
    store.transact(lambda t: deciding.release(t, "d-1", ADA, NOW_MS))
    with pytest.raises(NotClaimed):
        decide(store, "d-1", decision(asked))
    assert as_told(store, "d-1").state == "Pending"


def test_a_decision_about_other_bytes_is_refused(store: Store) -> None:
    """A forged hash changes nothing, and the right one still may."""
    asked = held()
    open_(store, asked)
    claim(store, "d-1")
    forged = Decision("approve", hash_of("something else"))
    with pytest.raises(HashMismatch):
        decide(store, "d-1", forged)
    assert as_told(store, "d-1").state == "Pending"
    assert decide(store, "d-1", decision(asked)).state == "Approved"


@pytest.mark.parametrize("state", ["TimedOut", "Withdrawn"])
def test_what_has_ended_is_decided_by_nobody(store: Store, state: str) -> None:
    """A clear refusal with the state; nothing of what was there changes."""
    asked = held()
    open_(store, asked)
    claim(store, "d-1")
    end(store, "d-1", state, NOW_MS + 10 * MINUTE_MS if state == "TimedOut" else NOW_MS)
    before = as_told(store, "d-1")
    with pytest.raises(Ended, match=state) as refused:
        decide(store, "d-1", decision(asked))
    assert refused.value.state == state
    with pytest.raises(Ended):
        claim(store, "d-1", BEN)
    assert as_told(store, "d-1") == before


def test_the_first_decision_is_the_decision(store: Store) -> None:
    """Of the same person, of another one, and of a router that gave up meanwhile."""
    asked = held()
    decided(store, asked)
    with pytest.raises(Ended, match="Approved by ada"):
        decide(store, "d-1", decision(asked, "reject"))
    assert end(store, "d-1", "TimedOut").state == "Approved"
    assert end(store, "d-1", "Withdrawn").decided_by == "ada"


def test_a_deadline_ends_it_whoever_looks(store: Store) -> None:
    """From that millisecond on nobody decides, before anything has noticed."""
    asked = held()
    open_(store, asked)
    over_ms = NOW_MS + 10 * MINUTE_MS
    claim(store, "d-1", now_ms=over_ms - 1)
    with pytest.raises(Ended, match="TimedOut"):
        decide(store, "d-1", decision(asked), now_ms=over_ms)
    assert store.transact(lambda t: deciding.expire(t, over_ms - 1, 10)) == []
    (ended,) = store.transact(lambda t: deciding.expire(t, over_ms, 10))
    assert (ended.state, ended.ended_ms) == ("TimedOut", over_ms)
    assert end(store, "d-1", "Withdrawn", over_ms).state == "TimedOut"


def test_a_router_whose_clock_is_ahead_ends_nothing(store: Store) -> None:
    """It takes the deadline for past; by the ledger's clock a person has time left."""
    asked = held()
    open_(store, asked)
    assert end(store, "d-1", "TimedOut", NOW_MS + 10 * MINUTE_MS - 1).state == "Pending"
    claim(store, "d-1")
    assert decide(store, "d-1", decision(asked)).state == "Approved"


def test_a_router_that_withdraws_too_late_is_told_of_the_time_out(store: Store) -> None:
    """The deadline was first."""
    open_(store, held())
    assert end(store, "d-1", "Withdrawn", NOW_MS + 10 * MINUTE_MS).state == "TimedOut"


def test_the_same_request_again_gets_the_review_that_is_there(store: Store) -> None:
    """While it waits, and ended until its caller has it; another caller's never."""
    first = held()
    open_(store, first)
    again = held(2, request=first.request)
    review, new = open_(store, again, NOW_MS + 1)
    assert (review.id, new) == ("d-1", False)
    assert open_(store, held(3, request=first.request, caller="other"))[1]
    assert open_(store, held(4, request=first.request, policy="sales"))[1]

    claim(store, "d-1")
    decide(store, "d-1", decision(first))
    review, new = open_(store, again)
    assert (review.state, new) == ("Approved", False)
    store.transact(lambda t: running.delivered(t, "d-1", NOW_MS))
    review, new = open_(store, again)
    assert (review.id, review.state, new) == ("d-2", "Pending", True)


def test_a_retry_after_a_time_out_is_told_of_it_for_ten_minutes(store: Store) -> None:
    """A router that died at the deadline told nobody."""
    first, over_ms = held(), NOW_MS + 10 * MINUTE_MS
    open_(store, first)
    again = held(2, request=first.request)
    review, new = open_(store, again, over_ms + 1)
    assert (review.id, review.state, new) == ("d-1", "TimedOut", False)
    review, new = open_(store, again, over_ms + 1 + ATTACH_MS)
    assert (review.id, new) == ("d-2", True)


def test_a_withdrawn_one_is_given_to_nobody(store: Store) -> None:
    """Who asks again is a new request."""
    first = held()
    open_(store, first)
    end(store, "d-1", "Withdrawn")
    assert open_(store, held(2, request=first.request))[0].id == "d-2"


def test_an_id_is_one_requests(store: Store) -> None:
    """The same opening again, whose answer was lost, is the same review."""
    first = held()
    open_(store, first)
    assert open_(store, first) == (open_(store, first)[0], False)
    with pytest.raises(HashMismatch):
        open_(store, held(1, request=request_text("another one")))


def test_so_many_of_a_policy_wait_at_most(store: Store) -> None:
    """Further ones are refused until one has ended; what timed out counts no more."""
    for number in range(3):
        open_(store, held(number, max_held=3))
    with pytest.raises(Full, match="3 requests of support"):
        open_(store, held(9, max_held=3))
    assert open_(store, held(10, policy="sales", max_held=3))[1]
    end(store, "d-0", "Withdrawn")
    assert open_(store, held(9, max_held=3))[1]
    assert open_(store, held(11, max_held=3), NOW_MS + 10 * MINUTE_MS)[1]


def test_openings_at_once_keep_the_bound_and_are_one(place: Place) -> None:
    """Twenty routers open the same request and others at the same moment."""
    store = place.store()
    store.open()

    def once(number: int) -> str:
        asked = held(
            number, request=request_text("same" if number % 2 else str(number)), max_held=6
        )
        try:
            return open_(store, asked)[0].id
        except Full:
            return "Full"

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(once, range(20)))
    assert len({id_ for number, id_ in enumerate(found) if number % 2} - {"Full"}) <= 1
    assert count(store, "reviews") == 6


def test_an_approved_request_is_run_by_one_router(store: Store) -> None:
    """The others are told; its answer is the first that came."""
    asked = held(stage="Request", context="opaque")
    open_(store, asked)
    with pytest.raises(NotApproved):
        store.transact(lambda t: running.take(t, "d-1", "r1", NOW_MS))
    claim(store, "d-1")
    decide(store, "d-1", decision(asked))

    taken = store.transact(lambda t: running.take(t, "d-1", "r1", NOW_MS))
    assert (taken.request, taken.context) == (asked.request, "opaque")
    with pytest.raises(Taken, match="another router"):
        store.transact(lambda t: running.take(t, "d-1", "r2", NOW_MS + 1))
    told = Answering(holder="r1", answer=answer_text("first"), backend="large")
    assert store.transact(lambda t: running.answer(t, "d-1", told, NOW_MS)).answer == told.answer
    late = Answering(holder="r2", answer=answer_text("second"))
    assert store.transact(lambda t: running.answer(t, "d-1", late, NOW_MS)).answer == told.answer
    with pytest.raises(Taken, match="answered"):
        store.transact(lambda t: running.take(t, "d-1", "r2", NOW_MS + 10 * MINUTE_MS))
    assert (as_told(store, "d-1").answer, as_told(store, "d-1").backend) == (told.answer, "large")


def test_a_router_that_died_is_followed_after_its_minute(store: Store) -> None:
    """And its own late answer is refused then."""
    asked = held(stage="Request")
    decided(store, asked)
    store.transact(lambda t: running.take(t, "d-1", "r1", NOW_MS))
    later_ms = NOW_MS + MINUTE_MS
    store.transact(lambda t: running.take(t, "d-1", "r2", later_ms))
    late = Answering(holder="r1", answer=answer_text())
    with pytest.raises(Taken):
        store.transact(lambda t: running.answer(t, "d-1", late, later_ms))


def test_an_edited_request_is_what_runs(store: Store) -> None:
    """Its label would be about an answer that nobody has given: there is none."""
    asked = held(stage="Request")
    better = request_text("May I have a refund within 30 days?")
    decided(store, asked, verdict="edit", edited=better)
    assert store.transact(lambda t: running.take(t, "d-1", "r1", NOW_MS)).request == better
    assert count(store, "pending") == 0


def test_the_fallback_of_a_time_out_is_run_and_kept(store: Store) -> None:
    """Where the policy has one; the held answer, which nobody approved, is never told."""
    open_(store, held(fallback=True))
    end(store, "d-1", "TimedOut", NOW_MS + 10 * MINUTE_MS)
    assert as_told(store, "d-1").answer == ""
    store.transact(lambda t: running.take(t, "d-1", "r1", NOW_MS))
    told = Answering(holder="r1", answer=answer_text("from the fallback"))
    store.transact(lambda t: running.answer(t, "d-1", told, NOW_MS))
    assert as_told(store, "d-1").answer == told.answer

    open_(store, held(2))
    end(store, "d-2", "TimedOut", NOW_MS + 10 * MINUTE_MS)
    with pytest.raises(NotApproved):
        store.transact(lambda t: running.take(t, "d-2", "r1", NOW_MS))


def test_the_queue_has_an_order(store: Store) -> None:
    """Priority, then deadline; what nobody waits for behind it, what is over last; by pages."""
    store.ingest([batch([flagged(7, priority="High"), flagged(6)])], NOW_MS)
    for number, priority, minutes in (
        (1, "Low", 1), (2, "Normal", 9), (3, "Normal", 5), (4, "High", 9), (5, "High", 3),
    ):  # fmt: skip
        open_(store, held(number, priority=priority, within_ms=minutes * MINUTE_MS))
    end(store, "d-5", "Withdrawn")
    found, after = [], None
    while True:
        rows = store.query(*storing.listed("", "", after, 3))
        page = [storing.review_of(row) for row in rows]
        found += [review.id for review in page]
        if len(page) < 3:
            break
        after = storing.cursor(storing.after(page[-1]))
    assert found == ["d-4", "d-7", "d-3", "d-2", "d-6", "d-1", "d-5"]
    ended = store.query(*storing.listed("Withdrawn", "support", None, 9))
    assert [storing.review_of(row).id for row in ended] == ["d-5"]


def test_a_flagged_answer_waits_without_a_deadline(store: Store) -> None:
    """Told twice it is one; it ends by a person only, or by retention."""
    (taken,) = store.ingest([batch([flagged(), flagged(), flagged(2, mode="Escalate")])], NOW_MS)
    assert (taken.reviews, taken.known) == (2, 1)
    assert store.transact(lambda t: deciding.expire(t, NOW_MS + 10**10, 10)) == []
    claim(store, "d-1")
    said = Decision("approve", flagged().request_hash)
    assert decide(store, "d-1", said).state == "Approved"
    assert open_(store, held(1))[0].mode == "Flag"  # an id is one request's


def flag(store: Store, *numbers: int, most: int = 2) -> list[object]:
    """What became of each; of two there is room."""
    events = [flagged(number) for number in numbers]
    return [*store.transact(lambda t: opening.open_flagged(t, events, NOW_MS, most=most))]


def test_too_many_flags_are_refused(store: Store) -> None:
    """Until somebody has looked; the requests themselves are taken in any case."""
    assert flag(store, 0) == [True]
    assert flag(store, 0, 1, 2, 3) == [False, True, "Full", "Full"]
    claim(store, "d-0")
    decide(store, "d-0", Decision("approve", flagged(0).request_hash))
    assert flag(store, 2, 3) == [True, "Full"]


class Watched:
    """A transaction that remembers what it was asked."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.asked: list[str] = []

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """As it is."""
        self.asked.append(sql)
        return self._transaction.execute(sql, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


def test_what_waits_is_counted_once_for_many_flags(store: Store) -> None:
    """A long line of them is not read anew for each: an ingest has its deadline."""
    events: list[Event | bytes] = [flagged(number) for number in range(50)]
    asked: list[str] = []

    def taken(transaction: Transaction) -> int:
        watched = Watched(transaction)
        (found,) = take(watched, [batch(events)], now_ms=NOW_MS, oldest_ms=0, max_pending=1)
        asked.extend(watched.asked)
        return found.reviews

    assert store.transact(taken) == 50
    assert len([sql for sql in asked if "count(*)" in sql]) == 1


def test_a_flag_that_cannot_be_is_refused(store: Store) -> None:
    """It stops nothing behind it."""
    events: list[Event | bytes] = [
        flagged(1, policy=""),
        flagged(2, keep_s=-1),
        request(1),
        flagged(3),
    ]
    (taken,) = store.ingest([batch(events)], NOW_MS)
    assert (taken.requests, taken.reviews, taken.refused) == (1, 1, {"OutOfRange": 2})
    assert store.spool(SPOOL) == (5, 0)


def test_what_is_over_is_forgotten(store: Store) -> None:
    """Texts and reviews by their own time, not before their deadline."""
    open_(store, held(keep_ms=0))
    open_(store, held(2))
    over_ms = NOW_MS + 10 * MINUTE_MS + ATTACH_MS
    store.keep(keeping(over_ms - 1))
    assert count(store, "review_texts") == 2
    store.keep(keeping(over_ms))
    assert (count(store, "reviews"), count(store, "review_texts")) == (1, 1)
    with pytest.raises(Unknown):
        claim(store, "d-1", now_ms=over_ms)


def test_a_refused_step_writes_nothing(store: Store) -> None:
    """Neither the edit nor a line of the audit trail."""
    asked = held()
    open_(store, asked)
    claim(store, "d-1")
    before = [store.query(f"SELECT * FROM {table}", ()) for table in _TABLES]
    attempts: list[tuple[Decision, Person, type[ReviewError]]] = [
        (decision(asked, "edit", edited="{"), ADA, BadEdit),
        (decision(asked, "edit", edited=answer_text()), BEN, ClaimedBy),
        (Decision("edit", hash_of("x"), edited=answer_text()), ADA, HashMismatch),
    ]
    for said, who, why in attempts:
        with pytest.raises(why):
            decide(store, "d-1", said, who)
    assert [store.query(f"SELECT * FROM {table}", ()) for table in _TABLES] == before


_TABLES = ("reviews", "review_texts", "audit", "pending", "feedback")
