"""What all pages have in common: the store, the people, the clock, and what may be away."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pointsman.ledger.console.fleet.seen import Fleet, NoFleet
from pointsman.ledger.contract import Store
from pointsman.ledger.people.identity import People
from pointsman.ledger.people.person import Person
from pointsman.ledger.reviewing.desk import Desk as Reviews

_T = TypeVar("_T")


class Ask(Protocol):
    """Runs a question in a thread, bounded as all questions are. Raises StoreError."""

    async def __call__(self, question: Callable[..., _T], *values: object) -> _T:
        """What the question returns."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One for a process."""

    store: Store
    reviews: Reviews
    people: People
    ask: Ask
    now_ms: Callable[[], int]
    deadline_s: float
    body_s: float
    """In which a form has to arrive."""
    fleet: Fleet = field(default_factory=NoFleet)

    async def asked(self, question: Callable[..., _T], *values: object) -> _T:
        """Raises StoreError, TimeoutError."""
        async with asyncio.timeout(self.deadline_s):
            return await self.ask(question, *values)

    async def note(
        self, person: Person, action: str, subject: str, detail: Mapping[str, object]
    ) -> None:
        """In the audit log. Raises StoreError, TimeoutError: what cannot be noted is not done."""
        async with asyncio.timeout(self.deadline_s):
            await self.reviews.note(person, action, subject, detail)
