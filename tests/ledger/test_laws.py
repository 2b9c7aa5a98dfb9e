"""However frames come, twice, overlapping, in any order: the store is what a naive one would be."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.events.schema import Event, Feedback, Request
from pointsman.ledger.asking import ask
from pointsman.ledger.stores.sqlite import SqliteStore
from tests.ledger.events import DAY_MS, NOW_MS, batch, feedback, request

SPOOLS = ("spool-aaaa", "spool-bbbb")
LENGTH = 9
REQUESTS = 5
Spools = dict[str, list[Event]]


@st.composite
def spools(draw: st.DrawFn) -> Spools:
    """Two spools of requests, and feedback about any of them, by who got the answer or not."""
    found: Spools = {}
    for spool in SPOOLS:
        events: list[Event] = []
        order = draw(st.permutations(range(1, LENGTH + 1)))
        for number in range(1, LENGTH + 1):
            if number in order[:REQUESTS]:
                events.append(
                    request(
                        decision=f"{spool}-{number}",
                        response_id=f"answer-{spool}-{number}",
                        caller=draw(st.sampled_from(["app", "other"])),
                        cost_nano=draw(st.integers(0, 10**15)),
                        at_ms=NOW_MS - draw(st.integers(0, 3 * DAY_MS)),
                    )
                )
            else:
                about = f"{draw(st.sampled_from(SPOOLS))}-{draw(st.integers(1, LENGTH))}"
                named: dict[str, Any] = (
                    {"decision": about}
                    if draw(st.booleans())
                    else {"decision": "", "response_id": f"answer-{about}"}
                )
                events.append(
                    feedback(
                        id=f"f-{spool}-{number}",
                        caller=draw(st.sampled_from(["app", "other"])),
                        score=draw(st.integers(0, 4)) / 4,
                        at_ms=NOW_MS + draw(st.integers(0, 5)),
                        **named,
                    )
                )
        found[spool] = events
    return found


DELIVERIES = st.lists(
    st.tuples(st.sampled_from(SPOOLS), st.integers(1, LENGTH), st.integers(1, 6)), max_size=20
)


class Naive:
    """What has to be so in the end, without a store."""

    def __init__(self) -> None:
        self.next = dict.fromkeys(SPOOLS, 1)
        self.lost = dict.fromkeys(SPOOLS, 0)
        self.requests: dict[str, Request] = {}
        self.feedback: list[Feedback] = []

    def take(self, spool: str, first: int, events: list[Event]) -> None:
        """Number by number."""
        self.lost[spool] += max(0, first - self.next[spool])
        for number, event in enumerate(events, first):
            if number >= self.next[spool]:
                self.next[spool] = number + 1
                if isinstance(event, Request):
                    self.requests[event.decision] = event
                elif isinstance(event, Feedback):
                    self.feedback.append(event)

    def judged(self) -> tuple[Counter[str], dict[str, list[Feedback]]]:
        """What became of feedback, and what is bound to which decision."""
        counts: Counter[str] = Counter()
        bound: dict[str, list[Feedback]] = {}
        for one in self.feedback:
            decision = one.decision or one.response_id.removeprefix("answer-")
            about = self.requests.get(decision)
            mine = about is not None and about.caller == one.caller
            if about is None or (not one.decision and not mine):
                counts["waiting"] += 1
            elif not mine:
                counts["refused"] += 1
            else:
                counts["bound"] += 1
                bound.setdefault(decision, []).append(one)
        return counts, bound

    def rating(self) -> tuple[int, float]:
        """How many requests have one, and their sum: the last of each counts."""
        _, bound = self.judged()
        last = [max(said, key=lambda one: (one.at_ms, one.id)) for said in bound.values()]
        return len(last), sum(one.score or 0.0 for one in last)


@given(spools(), DELIVERIES)
@settings(max_examples=60)
@pytest.mark.slow
def test_a_store_is_a_naive_one(events: Spools, deliveries: list[tuple[str, int, int]]) -> None:
    """Requests, money, losses, ratings, what waits and what is refused; and all of it adds up."""
    naive = Naive()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "ledger.db", keep_events_ms=30 * DAY_MS)
        store.open()
        for spool, first, size in deliveries:
            part = events[spool][first - 1 : first - 1 + size]
            naive.take(spool, first, part)
            store.ingest([batch(part, first, spool)], NOW_MS)
        told = ask(store, NOW_MS - 9 * DAY_MS, NOW_MS + DAY_MS)
        where = {spool: store.spool(spool) for spool in SPOOLS}
        waiting = store.query("SELECT count(*) FROM pending", ())[0][0]
        refused = store.query("SELECT coalesce(sum(events), 0) FROM refused", ())[0][0]
        kept = store.query("SELECT count(*) FROM feedback", ())[0][0]
        store.close()

    counts, _ = naive.judged()
    rated, ratings = naive.rating()
    assert where == {spool: (naive.next[spool], naive.lost[spool]) for spool in SPOOLS}
    assert sum(line.requests for line in told.totals) == len(naive.requests)
    assert sum(line.cost_nano for line in told.totals) == sum(
        one.cost_nano for one in naive.requests.values()
    )
    assert (waiting, refused, kept) == (counts["waiting"], counts["refused"], counts["bound"])
    assert sum(line.feedback for line in told.totals) == counts["bound"]
    qualities = [line.quality for line in told.totals if line.quality is not None]
    assert sum(one.n for one in qualities) == rated
    assert abs(sum(one.n * one.value for one in qualities) - ratings) < 1e-6
    assert told.lost == sum(naive.lost.values())
