"""What a store promises, and how it says that it cannot.

StoreError
├── StoreAway     not now: full, locked, too slow, not reachable; nothing was taken
└── StoreUnfit    never, with this program: newer schema, no database, a foreign one
BadData           the store refuses a value; without the event that has it, the rest can be taken

Guarantees that `ingest` is one transaction, which has happened whole or not at all when it returns
or raises; only StoreAway at the very end of one may mean either, and the numbers tell which.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from pointsman.events.leases import Asked, Granted
from pointsman.events.schema import Request
from pointsman.ledger.batches import Batch
from pointsman.ledger.hosted import HostedKey, Sum
from pointsman.ledger.rows import Refusal, Row, Said
from pointsman.ledger.tally import Key, Series

Dialect = Literal["sqlite", "postgres"]
_T = TypeVar("_T")
MAX_PENDING: Final = 100_000
"""Feedback that waits for its request; more is refused as Unknown."""
PAGE: Final = 2_000
"""Requests that are handed out at once: about 2 MB."""
QUESTIONS: Final = 4
"""Asked at once; more wait."""
LOOKUPS: Final = 2
"""Short calls that routers wait for, at once: they wait for no question."""
REVIEWERS: Final = 4
"""Steps of reviews at once; more wait."""
MIGRATION_S: Final = 3600.0
"""Of one way between two schemas: a step may write every row of a large store anew."""


class StoreError(Exception):
    """The text holds neither a password nor an event."""


class StoreAway(StoreError):
    """The same may work later."""


class StoreUnfit(StoreError):
    """A person has to do something; nothing was written."""


class BadData(Exception):
    """A value that this store cannot keep."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one batch."""

    next: int
    """The number that is wanted next of its spool."""
    known: int = 0
    """Events that had been taken before."""
    lost: int = 0
    """Events that its writer says it dropped."""
    requests: int = 0
    feedback: int = 0
    """Bound to their requests."""
    waiting: int = 0
    """Feedback whose request has not come."""
    windows: int = 0
    """Of replicas; told with the first batch of an ingest, as is what was known of them."""
    evaluations: int = 0
    """The same of answers to golden prompts."""
    reviews: int = 0
    """The same of answers that a person shall look at."""
    refused: Mapping[Refusal, int] = {}


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is kept; everything at or before these times (Unix, ms) goes."""

    now_ms: int
    events_ms: int
    rollups_ms: int
    pending_ms: int
    rows: int = 5_000
    """At most so many rows of a table go in one step."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of retention did."""

    removed: Mapping[str, int]
    """By table; days of requests count as their rows."""
    bound: int = 0
    """Feedback that found its request after all."""
    refused: Mapping[Refusal, int] = {}
    more: bool = False
    """True if a step reached its bound: there is more to do now."""


class Found(msgspec.Struct, frozen=True):
    """The request that feedback is about."""

    decision: str
    response_id: str
    at_ms: int
    caller: str
    series: Series


class Page(msgspec.Struct, frozen=True):
    """Some of the requests of a window; `after` leads to the next ones, "" is the end."""

    requests: list[Request]
    after: str


class Transaction(Protocol):
    """The steps of an ingest, and of whatever else is read, decided and written in one."""

    dialect: Dialect

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """SQL with ? for each value; its rows, none where it has none."""

    def alone(self, about: str) -> None:
        """Until the end nobody else passes here with the same name."""

    def lock_spools(self, spools: Sequence[str]) -> dict[str, int]:
        """The number wanted next of each, held until the end; they are given in their order."""

    def save_spools(self, spools: Iterable[tuple[str, int, int]], now_ms: int) -> None:
        """(spool, next, how many more are lost)."""

    def add_requests(self, rows: Sequence[Row]) -> None:
        """Columns rows.REQUEST."""

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """To any other table."""

    def add_windows(self, rows: Sequence[Row]) -> list[Row]:
        """Columns hosted.WINDOW; those whose account and time were not there."""

    def count_windows(self, moved: Sequence[tuple[HostedKey, Sum]]) -> None:
        """Move sums of windows, in the order of their keys."""

    def add_evaluations(self, rows: Sequence[Row]) -> int:
        """Columns evaluations.EVALUATION; how many had an id that was not there."""

    def find(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Found]:
        """Requests with one of these ids, the newest first, held until the end."""

    def said_about(self, decisions: Sequence[str]) -> dict[str, list[Said]]:
        """Feedback that is bound, by decision."""

    def pending_about(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Said]:
        """Feedback that waits for one of these, held until the end."""

    def pending_count(self, limit: int) -> int:
        """How much feedback waits, as far as this."""

    def remove_pending(self, numbers: Sequence[tuple[str, int]]) -> None:
        """(spool, number) of each."""

    def count(self, series: Sequence[Series], moved: Sequence[tuple[Key, list[int]]]) -> None:
        """Move rollups; both in the order of their keys."""

    def pending_since(self, came_ms: int, limit: int) -> list[Said]:
        """Feedback that waits and came after this time, held until the end."""

    def pending_until(self, came_ms: int, limit: int) -> list[Said]:
        """Feedback that waits and came at or before this time, held until the end."""

    def remove(self, table: str, where: str, values: Sequence[object], limit: int) -> int:
        """How many rows went."""


class Store(Protocol):
    """
    All calls may come from any thread; each ends within the store's own deadline, and the thread's.

    Only `open` may take MIGRATION_S, where it has to bring tables to another schema.
    """

    dialect: Dialect

    def open(self, schema: int | None = None) -> None:
        """Make the tables or bring them up to date, or to an older schema. Raises StoreError."""

    def close(self) -> None:
        """Give back what is held."""

    def ping(self) -> None:
        """Raises StoreAway."""

    def ingest(self, batches: Sequence[Batch], now_ms: int) -> list[Taken]:
        """Raises StoreError and BadData."""

    def spool(self, spool: str) -> tuple[int, int]:
        """The number wanted next of it, and how many are lost; (1, 0) for an unknown one."""

    def find(self, decision: str, response_id: str) -> list[Found]:
        """Requests with this decision id or this id of their answer, the newest first."""

    def page(self, from_ms: int, to_ms: int, after: str, limit: int) -> tuple[list[Row], str]:
        """
        Columns rows.REQUEST of requests in [from, to), and what the next page comes after.

        Each request is in one page of about `limit`; it may be empty, and the last one gives "".
        Raises ValueError for an `after` that no page gave.
        """

    def recorded(self, decision: str) -> list[Row]:
        """Columns rows.REQUEST of the requests with this decision id; one as a rule."""

    def lend(self, asked: Asked) -> list[Granted]:
        """Slices of budgets, in the order of the question; in one transaction."""

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """
        What `work` gives, committed. It may run again if another transaction was in the way.

        What it raises goes on to the caller, and nothing was written. Raises StoreError, BadData.
        """

    def query(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Rows of a question, with ? for each value."""

    def look_up(self, sql: str, values: Sequence[object]) -> list[Row]:
        """The same of few rows that an index finds: it waits for no `query`."""

    def keep(self, keeping: Keeping) -> Kept:
        """One bounded step of retention, and of finding what feedback waits for."""

    def version(self) -> int:
        """Of the schema; 0 for none."""
