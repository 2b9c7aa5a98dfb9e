"""The desk: what routers and people do with reviews, as the ledger's own functions.

Guarantees that what returned is committed, that a decision made here wakes who waits for it, and
that one made at another replica is seen within LOOK_S. Deadlines end reviews without anybody's
asking. Raises ReviewError, StoreError and BadData.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from pointsman.events.reviews import (
    ENDED,
    MAX_WAIT_S,
    Answering,
    Decided,
    Ended,
    Opened,
    Opening,
    State,
    Taken,
    Waiting,
)
from pointsman.ledger import auditing
from pointsman.ledger.auditing import Checked, Entry
from pointsman.ledger.contract import BadData, StoreAway, StoreError
from pointsman.ledger.intake import now_ms
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.reviews import deciding, opening, running, storing
from pointsman.ledger.reviews.errors import NotAllowed, Unknown
from pointsman.ledger.reviews.review import Decision, Review, Texts, attaches

_log = logging.getLogger(__name__)
LOOK_S: Final = 0.5
"""Between two looks at what other replicas did, and at deadlines."""
MAX_POLLS: Final = 256
MAX_TOLD_BYTES: Final = 8 * 1024 * 1024
_EACH: Final = 16
"""Reviews with their texts that are read at once."""
_EXPIRED: Final = 200
_LINKS: Final = 1_000


class Listed(msgspec.Struct, frozen=True):
    """Some of the queue; `after` leads to the next ones, "" is the end."""

    reviews: list[Review]
    after: str


class Shown(msgspec.Struct, frozen=True):
    """One of them with its texts."""

    review: Review
    texts: Texts


class Desk:
    """One for a process; all of its methods are called on the event loop."""

    def __init__(self, calls: Calls, figures: Figures, clock: Callable[[], int] = now_ms) -> None:
        self._calls = calls
        self._clock = clock
        self.figures = figures
        self._waiting: dict[asyncio.Event, frozenset[str]] = {}
        self._closing = False

    # Routers.

    async def open(self, asked: Opening) -> tuple[Opened, bool]:
        """The review of this request, and if it is new. Raises Full, HashMismatch."""
        now = self._clock()
        review, new = await self._calls.transact(lambda t: opening.open_held(t, asked, now))
        return Opened(review.id, review.state, review.deadline_ms), new

    async def attached(self, caller: str, policy: str, request_hash: str) -> Opened:
        """The review that the same request would get instead of a new one. Raises Unknown."""
        now = self._clock()
        rows = await self._calls.query(storing.same(caller, policy, request_hash))
        for review in map(storing.review_of, rows):
            if attaches(review, now):
                return Opened(review.id, review.state, review.deadline_ms)
        raise Unknown

    async def ended(self, asked: Waiting, gone: Callable[[], bool] = lambda: False) -> Ended:
        """
        Those that have ended, as soon as one has; none when the wait is over.

        `gone`: who asked has left. A router does, whenever it asks anew for others as well.
        """
        if len(self._waiting) >= MAX_POLLS:
            raise StoreAway("too many wait already")
        loop = asyncio.get_running_loop()
        end_s = loop.time() + min(asked.wait_s, MAX_WAIT_S)
        woken = asyncio.Event()
        self._waiting[woken] = frozenset(asked.ids)
        try:
            while True:
                woken.clear()
                found = await self._look(asked.ids)
                left_s = end_s - loop.time()
                if found.decided or found.unknown or left_s <= 0 or self._closing or gone():
                    return found
                try:
                    async with asyncio.timeout(min(left_s, LOOK_S)):
                        await woken.wait()
                except TimeoutError:
                    continue
        finally:
            del self._waiting[woken]

    async def told(self, id_: str, caller: str) -> Decided:
        """How it is, for its caller only. Raises Unknown."""
        found = await self._both([id_])
        if not found or found[0][0].caller != caller:
            raise Unknown
        return running.decided(*found[0])

    async def take(self, id_: str, holder: str) -> Taken:
        """Raises Unknown, NotApproved, Taken."""
        now = self._clock()
        return await self._calls.transact(lambda t: running.take(t, id_, holder, now))

    async def answer(self, id_: str, told: Answering) -> Decided:
        """Raises Unknown, NotApproved, Taken."""
        now = self._clock()
        found = await self._calls.transact(lambda t: running.answer(t, id_, told, now))
        self._wake([id_])
        return found

    async def end(self, id_: str, state: State) -> Decided:
        """How it really ended. Raises Unknown."""
        now = self._clock()
        review = await self._calls.transact(lambda t: deciding.end(t, id_, state, now))
        self._have_ended([review], now)
        (found,) = await self._both([id_]) or [(review, Texts(""))]
        return running.decided(*found)

    async def delivered(self, id_: str) -> None:
        """Its caller has it. Raises Unknown."""
        now = self._clock()
        await self._calls.transact(lambda t: running.delivered(t, id_, now))

    # People.

    async def listed(
        self,
        person: Person,
        *,
        state: str = "",
        policy: str = "",
        limit: int = storing.USUAL,
        after: str = "",
    ) -> Listed:
        """By priority, then deadline; what has ended behind it, the newest first. ValueError."""
        _needs(person, Role.VIEWER)
        question = storing.listed(state, policy, storing.cursor(after), limit + 1)
        found = [storing.review_of(row) for row in await self._calls.query(question)]
        more = len(found) > limit
        return Listed(found[:limit], storing.after(found[limit - 1]) if more else "")

    async def shown(self, person: Person, id_: str) -> Shown:
        """With its texts, which are callers': for reviewers. Raises Unknown."""
        _needs(person, Role.REVIEWER)
        found = await self._both([id_])
        if not found:
            raise Unknown
        return Shown(*found[0])

    async def claim(self, person: Person, id_: str) -> Review:
        """Raises Unknown, Ended, ClaimedBy."""
        _needs(person, Role.REVIEWER)
        now = self._clock()
        return await self._calls.transact(lambda t: deciding.claim(t, id_, person, now))

    async def release(self, person: Person, id_: str) -> Review:
        """Raises Unknown, Ended, NotClaimed, ClaimedBy."""
        _needs(person, Role.REVIEWER)
        now = self._clock()
        return await self._calls.transact(lambda t: deciding.release(t, id_, person, now))

    async def decide(self, person: Person, id_: str, decision: Decision) -> Review:
        """Raises Unknown, Ended, HashMismatch, NotClaimed, ClaimedBy, BadEdit."""
        _needs(person, Role.REVIEWER)
        now = self._clock()
        review = await self._calls.transact(
            lambda t: deciding.decide(t, id_, decision, person, now)
        )
        self._have_ended([review], now)
        return review

    async def audited(
        self,
        person: Person,
        between_ms: tuple[int, int],
        *,
        subject: str = "",
        after: int = 0,
        limit: int = storing.USUAL,
    ) -> list[Entry]:
        """The newest first; `after`: the seq of the last one that was told."""
        _needs(person, Role.VIEWER)
        question = auditing.question(between_ms, subject, after, limit)
        return auditing.entries(await self._calls.query(question))

    async def checked(self, person: Person) -> Checked:
        """Follow the whole chain, a thousand rows at a time."""
        _needs(person, Role.VIEWER)
        before, rows, broken = await self._beginning(), 0, 0
        while not broken:
            found = auditing.entries(await self._calls.query(auditing.links(before[0], _LINKS)))
            if not found:
                break
            rows += len(found)
            before, broken = auditing.follow(before, found)
            if broken and (begins := await self._beginning())[0] > before[0]:
                before, rows, broken = begins, 0, 0  # retention went by meanwhile
        return Checked(rows, before[1], broken)

    async def _beginning(self) -> tuple[int, str]:
        """(seq, hash) of what the first row is chained to."""
        ((seq, hash_),) = await self._calls.query(auditing.BEGINNING)
        return int(str(seq)), str(hash_)

    async def note(
        self, person: Person, action: str, subject: str, detail: Mapping[str, object]
    ) -> Entry:
        """A line in the audit trail about what this person did elsewhere."""
        said = auditing.Said(person.name, person.role.value, action, subject, detail)
        now = self._clock()
        return await self._calls.transact(lambda t: auditing.append(t, said, now))

    # The house.

    async def run(self) -> None:
        """End what is past its deadline, until it is cancelled."""
        while True:
            try:
                while await self._expire() == _EXPIRED:
                    pass
            except (StoreError, BadData) as error:
                _log.warning("review-deadlines", extra={"reason": str(error)})
            except Exception:  # noqa: BLE001 - logged; the ledger does not end by it
                _log.exception("review-deadlines")
            await asyncio.sleep(LOOK_S)

    async def figure(self) -> None:
        """Before a scrape: what waits; without the store nothing is told of it."""
        try:
            self.figures.show(await self._calls.query(storing.counted()), self._clock())
        except StoreError:
            self.figures.hide()

    def drain(self) -> None:
        """Who waits is answered now."""
        self._closing = True
        for woken in self._waiting:
            woken.set()

    def close(self) -> None:
        """No more calls."""
        self._calls.close()

    async def _expire(self) -> int:
        now = self._clock()
        over = await self._calls.query(storing.overdue(now))
        if not over:
            return 0
        found = await self._calls.transact(lambda t: deciding.expire(t, now, _EXPIRED))
        self._have_ended(found, now)
        return len(found)

    async def _look(self, ids: tuple[str, ...]) -> Ended:
        rows = await self._calls.query(storing.states(ids))
        now = self._clock()
        if any(row[1] == "Pending" and 0 < int(str(row[2])) <= now for row in rows):
            await self._expire()
            rows = await self._calls.query(storing.states(ids))
        known = {str(row[0]) for row in rows}
        over = [str(row[0]) for row in rows if row[1] in ENDED]
        unknown = tuple(id_ for id_ in asked_once(ids) if id_ not in known)
        told: list[Decided] = []
        size = 0
        for at in range(0, len(over), _EACH):
            for review, texts in await self._both(over[at : at + _EACH]):
                one = running.decided(review, texts)
                size += len(msgspec.json.encode(one))
                if told and size > MAX_TOLD_BYTES:
                    return Ended(tuple(told), unknown)
                told.append(one)
        return Ended(tuple(told), unknown)

    async def _both(self, ids: list[str]) -> list[tuple[Review, Texts]]:
        rows = await self._calls.query(storing.several(ids))
        return [storing.both(row) for row in rows]

    def _have_ended(self, reviews: Iterable[Review], now: int) -> None:
        """Counted where it happened, once."""
        found = [review for review in reviews if review.ended_ms == now]
        for review in found:
            self.figures.ended(review)
        self._wake([review.id for review in found])

    def _wake(self, ids: list[str]) -> None:
        for woken, wanted in self._waiting.items():
            if not wanted.isdisjoint(ids):
                woken.set()


def asked_once(ids: Iterable[str]) -> list[str]:
    """Each, in their order."""
    return list(dict.fromkeys(ids))


def _needs(person: Person, least: Role) -> None:
    if not person.role.may(least):
        raise NotAllowed(least.value)
