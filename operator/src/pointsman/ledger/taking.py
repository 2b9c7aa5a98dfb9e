"""PURE but for the transaction it is given: one ingest, the same on every store.

The order of the steps is the order of the locks, which is the same in all replicas: spools, then
requests, windows of replicas, evaluations, reviews, rollups, and sums of windows.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from pointsman.events.schema import Evaluation, Event, Replicas, Request, Review
from pointsman.ledger import rows
from pointsman.ledger.batches import Batch, Fresh, fresh, refused_ranges
from pointsman.ledger.binding import bind, write_tally
from pointsman.ledger.contract import Taken, Transaction
from pointsman.ledger.evaluations import evaluation_row
from pointsman.ledger.hosted import moved, window_row
from pointsman.ledger.reviews.opening import open_flagged
from pointsman.ledger.rows import Refusal, Row, Said
from pointsman.ledger.tally import Tally

REFUSED: Final = ("spool", "first", "events", "reason", "came_ms")
_DECISION: Final = rows.REQUEST.index("decision")
_RESPONSE: Final = rows.REQUEST.index("response_id")
_Place = tuple[str, int]


class _Work:
    """What an ingest is about to write."""

    def __init__(self, now_ms: int, oldest_ms: int) -> None:
        self.now_ms = now_ms
        self.oldest_ms = oldest_ms
        self.tally = Tally()
        self.requests: list[Row] = []
        self.texts: list[Row] = []
        self.said: list[Said] = []
        self.windows: list[Row] = []
        self.evaluations: list[Row] = []
        self.reviews: list[tuple[_Place, Review]] = []
        self.refused: dict[_Place, Refusal] = {}
        self.feedback: set[_Place] = set()
        self.waiting: set[_Place] = set()

    def event(self, place: _Place, event: Event | Refusal) -> None:
        """One new event."""
        if isinstance(event, str):
            self.refused[place] = event
        elif isinstance(event, Request):
            self.request(event)
        elif isinstance(event, Replicas):
            self.windows.append(window_row(event, self.now_ms))
        elif isinstance(event, Evaluation):
            self.evaluations.append(evaluation_row(event, self.now_ms))
        elif isinstance(event, Review):
            self.reviews.append((place, event))
        else:
            found = rows.said(event, *place, self.now_ms)
            if isinstance(found, str):
                self.refused[place] = found
            else:
                self.said.append(found)

    def request(self, event: Request) -> None:
        """Counted in any case; its row is kept unless retention would remove it at once."""
        at_ms, wrong = rows.when_ms(event.at_ms, self.now_ms)
        self.tally.request(event, at_ms, wrong)
        if at_ms > self.oldest_ms:
            self.requests.append(rows.request_row(event, at_ms, wrong))
            text = rows.text_row(event, at_ms, self.now_ms)
            if text is not None:
                self.texts.append(text)


def take(
    transaction: Transaction,
    batches: Sequence[Batch],
    *,
    now_ms: int,
    oldest_ms: int,
    max_pending: int,
) -> list[Taken]:
    """
    What became of each batch; nothing is so before the transaction is committed.

    Requests at or before `oldest_ms` are only counted; so much feedback waits at most.
    """
    wanted = transaction.lock_spools(sorted({batch.spool for batch in batches}))
    work = _Work(now_ms, oldest_ms)
    news: list[Fresh] = []
    for batch in batches:
        new = fresh(batch, wanted[batch.spool])
        wanted[batch.spool] = new.next
        news.append(new)
        for number, event in new.events:
            work.event((batch.spool, number), event)
    if work.requests:
        transaction.add_requests(work.requests)
    if work.texts:
        transaction.add("texts", rows.TEXT, work.texts)
    new_windows = transaction.add_windows(work.windows) if work.windows else []
    evaluated = transaction.add_evaluations(work.evaluations) if work.evaluations else 0
    opened = _open(transaction, work)
    _bind(transaction, work, max_pending)
    write_refused(transaction, work.refused, now_ms)
    transaction.save_spools(_spools(batches, news), now_ms)
    write_tally(transaction, work.tally)
    if new_windows:
        transaction.count_windows(moved(new_windows))
    told = _told(batches, news, work)
    again = len(work.windows) - len(new_windows) + len(work.evaluations) - evaluated
    again += len(work.reviews) - opened - sum(why == "Full" for why in work.refused.values())
    told[0] = replace(
        told[0],
        windows=len(new_windows),
        evaluations=evaluated,
        reviews=opened,
        known=told[0].known + again,
    )
    return told


def _open(transaction: Transaction, work: _Work) -> int:
    """How many reviews are new."""
    if not work.reviews:
        return 0
    places, events = zip(*work.reviews, strict=True)
    opened = 0
    for place, found in zip(places, open_flagged(transaction, events, work.now_ms), strict=True):
        if isinstance(found, str):
            work.refused[place] = found
        else:
            opened += found
    return opened


def _bind(transaction: Transaction, work: _Work, max_pending: int) -> None:
    """Feedback to its request, and requests to what waited for them; what finds none waits."""
    waited: list[Said] = []
    if work.requests:
        waited = transaction.pending_about(
            [str(row[_DECISION]) for row in work.requests],
            [str(row[_RESPONSE]) for row in work.requests if row[_RESPONSE]],
        )
    outcome = bind(transaction, [*waited, *work.said], work.tally)
    work.refused.update({(one.spool, one.number): why for one, why in outcome.refused})
    work.feedback = {(one.spool, one.number) for one, _ in outcome.bound}
    work.waiting = {(one.spool, one.number) for one in outcome.waiting}
    before = {(one.spool, one.number) for one in waited}
    transaction.remove_pending(sorted(before - work.waiting))
    new = [one for one in outcome.waiting if (one.spool, one.number) not in before]
    room = max_pending - transaction.pending_count(max_pending) if new else 0
    over = {(one.spool, one.number) for one in new[room:]}
    work.refused.update(dict.fromkeys(over, "Unknown"))
    work.waiting -= over
    if new := new[:room]:
        transaction.add("pending", rows.PENDING, [one.pending_row() for one in new])


def write_refused(transaction: Transaction, refused: dict[_Place, Refusal], now_ms: int) -> None:
    """Neighbors of one reason in one row."""
    found: list[Row] = []
    for spool in sorted({spool for spool, _ in refused}):
        mine = sorted((number, why) for (name, number), why in refused.items() if name == spool)
        found += [(spool, *one, now_ms) for one in refused_ranges(mine)]
    if found:
        transaction.add("refused", REFUSED, found)


def _spools(batches: Sequence[Batch], news: Sequence[Fresh]) -> list[tuple[str, int, int]]:
    found: dict[str, tuple[str, int, int]] = {}
    for batch, new in zip(batches, news, strict=True):
        _, _, lost = found.get(batch.spool, ("", 0, 0))
        found[batch.spool] = (batch.spool, new.next, lost + new.lost)
    return sorted(found.values())


def _told(batches: Sequence[Batch], news: Sequence[Fresh], work: _Work) -> list[Taken]:
    """What had waited, and is now bound or refused, is told with the first batch."""
    told: list[Taken] = []
    rest = set(work.feedback) | set(work.refused)
    own = [
        {(batch.spool, number) for number, _ in new.events}
        for batch, new in zip(batches, news, strict=True)
    ]
    others = rest.difference(*own)
    for index, (new, mine) in enumerate(zip(news, own, strict=True)):
        places = mine if index else mine | others
        told.append(
            Taken(
                next=new.next,
                known=new.known,
                lost=new.lost,
                requests=sum(isinstance(event, Request) for _, event in new.events),
                feedback=len(places & work.feedback),
                waiting=len(places & work.waiting),
                refused=Counter(work.refused[one] for one in places & work.refused.keys()),
            )
        )
    return told
