"""The store in one file: SQLite in WAL mode, one writer, readers beside it.

Guarantees that an ingest that returned survives a loss of power (synchronous=FULL), and that a file
which is no database of ours, or of a newer schema, is left as it was.
"""

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

from pointsman.events.leases import Asked, Granted
from pointsman.ledger.batches import Batch
from pointsman.ledger.contract import (
    MAX_PENDING,
    MIGRATION_S,
    BadData,
    Dialect,
    Found,
    Keeping,
    Kept,
    StoreAway,
    StoreError,
    StoreUnfit,
    Taken,
    Transaction,
)
from pointsman.ledger.deadline import left_s
from pointsman.ledger.keeping import keep_rows
from pointsman.ledger.rows import REQUEST, Row
from pointsman.ledger.stores import days
from pointsman.ledger.stores.lending import lend
from pointsman.ledger.stores.schema import VERSION, VERSIONS_TABLE, render, steps
from pointsman.ledger.stores.sqlite_transaction import SqliteTransaction
from pointsman.ledger.taking import take

_log = logging.getLogger(__name__)
APPLICATION_ID: Final = 0x504D4C47
"""`PMLG` in the file's header: whose database it is."""
READERS: Final = 2
"""Of questions, and as many of what is looked up: a long question keeps neither people who review
nor routers waiting."""
_DAY_ROWS: Final = 10
"""Requests that go in a step, for each row of other tables: they have no indexes any more."""
_STEPS: Final = 10_000
"""Of SQLite's machine, between two looks at the clock: below a millisecond."""
_BAD: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, OverflowError)
_UNFIT: Final = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_T = TypeVar("_T")
_Readers = queue.LifoQueue[sqlite3.Connection]


class SqliteStore:
    """`keep_events_ms`: older requests are only counted. `max_bytes` 0: as much as the disk has."""

    dialect: Dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        keep_events_ms: int,
        timeout_s: float = 10.0,
        max_bytes: int = 0,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._max_pending = max_pending
        self._path = path
        self._keep_events_ms = keep_events_ms
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.Lock()
        self._readers: _Readers = queue.LifoQueue()
        self._lookups: _Readers = queue.LifoQueue()
        self._deadlines: dict[int, float] = {}
        self._usable = False

    def open(self, schema: int | None = None) -> None:
        """Steps in between are taken in one transaction."""
        if not self._path.parent.is_dir():
            raise StoreUnfit(f"{self._path} cannot be made: there is no such folder")
        if self._path.is_dir():
            raise StoreUnfit(f"{self._path} is a folder")
        with self._translated():
            writer = self._connect()
            try:
                self._check_owner(writer)
                writer.execute("PRAGMA journal_mode = WAL")
                writer.execute("PRAGMA synchronous = FULL")
                writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                if self._max_bytes:
                    size = writer.execute("PRAGMA page_size").fetchone()[0]
                    writer.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // size)}")
            except BaseException:
                writer.close()
                raise
            self._writer = writer
        wanted = VERSION if schema is None else schema
        if self.version() != wanted:
            self._migrate(wanted)
        with self._translated():
            self._open_readers(READERS)

    def look(self) -> None:
        """Open it for questions only: nothing is made or brought up to date."""
        try:
            is_there = self._path.is_file()
        except OSError as error:
            raise StoreUnfit(f"{self._path}: {error.strerror}") from None
        if not is_there:
            raise StoreUnfit(f"{self._path}: there is no such file")
        with self._translated():
            self._open_readers(1)
            reader = self._readers.queue[0]
            self._check_owner(reader)
            version = _version(reader)
        if version != VERSION:
            raise StoreUnfit(
                f"{self._path} has schema {version}, and this program knows {VERSION}:"
                " start its ledger once, and it is brought up to date"
            )

    def _open_readers(self, count: int) -> None:
        for readers, cache_kib in ((self._readers, 65536), (self._lookups, 8192)):
            for _ in range(count):
                reader = self._connect()
                reader.execute("PRAGMA query_only = ON")
                reader.execute(f"PRAGMA cache_size = {-cache_kib}")
                readers.put(reader)
        self._usable = True

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_s / 2, isolation_level=None, check_same_thread=False
        )
        for pragma in (
            "foreign_keys = OFF", "temp_store = MEMORY", "cache_size = -65536",
            "journal_size_limit = 67108864", "trusted_schema = OFF", "secure_delete = ON",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
        number = id(connection)
        connection.set_progress_handler(
            lambda: time.monotonic() > self._deadlines.get(number, float("inf")), _STEPS
        )
        return connection

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        """Raises StoreUnfit for a database of somebody else, and of a newer program."""
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if owner not in (0, APPLICATION_ID) or (tables and "pointsman_schema" not in tables):
            raise StoreUnfit(f"{self._path} is a database of another program; nothing was changed")
        version = _version(connection) if tables else 0
        if version > VERSION:
            raise StoreUnfit(
                f"{self._path} has schema {version}, and this program knows {VERSION}:"
                " run the newer program, or let it migrate back first"
            )

    def close(self) -> None:
        """Give the files back; the WAL goes into the database."""
        self._usable = False
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._close_readers()

    def _close_readers(self) -> None:
        for readers in (self._readers, self._lookups):
            with contextlib.suppress(queue.Empty):
                while True:
                    readers.get_nowait().close()

    def ping(self) -> None:
        """One row of the schema."""
        self.look_up("SELECT version FROM pointsman_schema LIMIT 1", ())

    def ingest(self, batches: Sequence[Batch], now_ms: int) -> list[Taken]:
        """One transaction for all of them."""
        with self._transaction() as transaction:
            return take(
                transaction,
                batches,
                now_ms=now_ms,
                oldest_ms=now_ms - self._keep_events_ms,
                max_pending=self._max_pending,
            )

    def spool(self, spool: str) -> tuple[int, int]:
        """What is known of it."""
        found = self.look_up("SELECT next, lost FROM spools WHERE spool = ?", (spool,))
        return (int(str(found[0][0])), int(str(found[0][1]))) if found else (1, 0)

    def find(self, decision: str, response_id: str) -> list[Found]:
        """By either id; an empty one finds nothing."""
        with self._reader(self._lookups) as reader:
            reader.execute("BEGIN")  # one state of the file: a day may go meanwhile
            try:
                return SqliteTransaction(reader).find(
                    [decision] if decision else [], [response_id] if response_id else []
                )
            finally:
                reader.execute("ROLLBACK")

    def page(self, from_ms: int, to_ms: int, after: str, limit: int) -> tuple[list[Row], str]:
        """In the order of the days and of their rows."""
        day, number = days.cursor(after)
        if day and days.begin_ms(day) is None:
            raise ValueError(after)
        with self._reader(self._readers) as reader:
            left = [
                name
                for name in days.within(SqliteTransaction(reader).days(), from_ms, to_ms)
                if name >= day
            ]
            if not left:
                return [], ""
            sql = (
                f"SELECT rowid, {', '.join(REQUEST)} FROM {left[0]}"  # noqa: S608
                " WHERE rowid > ? AND at_ms >= ? AND at_ms < ? ORDER BY rowid LIMIT ?"
            )
            begin = number if left[0] == day else 0
            found = reader.execute(sql, (begin, from_ms, to_ms, limit)).fetchall()
        rows = [row[1:] for row in found]
        if len(found) == limit:
            return rows, f"{left[0]}:{found[-1][0]}"
        return rows, f"{left[1]}:0" if left[1:] else ""

    def recorded(self, decision: str) -> list[Row]:
        """From the newest day to the oldest."""
        found: list[Row] = []
        with self._reader(self._readers) as reader:
            reader.execute("BEGIN")  # one state of the file: a day may go meanwhile
            try:
                for day in SqliteTransaction(reader).days():
                    sql = f"SELECT {', '.join(REQUEST)} FROM {day} WHERE decision = ?"  # noqa: S608
                    found += reader.execute(sql, (decision,)).fetchall()
            finally:
                reader.execute("ROLLBACK")
        return found

    def lend(self, asked: Asked) -> list[Granted]:
        """One transaction for all of them."""
        return self.transact(lambda transaction: lend(transaction, asked))

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Nobody else writes meanwhile."""
        with self._transaction() as transaction:
            return work(transaction)

    def query(self, sql: str, values: Sequence[object]) -> list[Row]:
        """By one of the readers, who see what is committed."""
        return self._rows(self._readers, sql, values)

    def look_up(self, sql: str, values: Sequence[object]) -> list[Row]:
        """By a reader that no question has."""
        return self._rows(self._lookups, sql, values)

    def _rows(self, readers: _Readers, sql: str, values: Sequence[object]) -> list[Row]:
        with self._reader(readers) as reader:
            found: list[Row] = reader.execute(sql, values).fetchall()
            return found

    @contextlib.contextmanager
    def _reader(self, readers: _Readers) -> Iterator[sqlite3.Connection]:
        with self._translated():
            if not self._usable:
                raise StoreAway("the store is closed")
            try:
                reader = readers.get(timeout=left_s(self._timeout_s))
            except queue.Empty:
                raise StoreAway("too many questions at once") from None
            try:
                with self._deadline(reader):
                    yield reader
            finally:
                readers.put(reader)
                if not self._usable:  # closed meanwhile, without this one
                    self._close_readers()

    def keep(self, keeping: Keeping) -> Kept:
        """Rows, and then a part of a day of requests."""
        with self._transaction() as transaction:
            kept = keep_rows(transaction, keeping)
        with self._transaction() as transaction:
            over, more = transaction.shrink(keeping.events_ms, _DAY_ROWS * keeping.rows)
        removed = {**kept.removed, "days": over}
        return Kept(removed=removed, bound=kept.bound, refused=kept.refused, more=kept.more or more)

    def version(self) -> int:
        """0 for an empty file."""
        with self._translated(), self._write() as writer:
            return _version(writer)

    def _migrate(self, to: int) -> None:
        with self._sorting_in_files(), self._transaction(MIGRATION_S) as transaction:
            connection = transaction.connection
            connection.execute(render(VERSIONS_TABLE, "sqlite"))
            at = _version(connection)
            if not 0 <= to <= VERSION or at > VERSION:
                raise StoreUnfit(f"no way from schema {at} to {to}; known are 0 to {VERSION}")
            if at not in (0, to):  # else nothing is there that takes time
                _log.info("migrating", extra={"schema": at, "to": to})
            for number, name, statements in steps("sqlite", at, to):
                for statement in statements:
                    for table in _tables(statement, transaction.days()):
                        connection.execute(statement.replace("{requests}", table))
                connection.execute("DELETE FROM pointsman_schema WHERE version >= ?", (number,))
                connection.execute("INSERT INTO pointsman_schema VALUES (?, ?)", (number, name))

    @contextlib.contextmanager
    def _sorting_in_files(self) -> Iterator[None]:
        """An index over a day of 20 million requests takes 1 GB of memory otherwise."""
        self._sort_in("FILE")
        try:
            yield
        finally:
            self._sort_in("MEMORY")

    def _sort_in(self, where: Literal["FILE", "MEMORY"]) -> None:
        with self._translated(), self._write() as writer:
            writer.execute(f"PRAGMA temp_store = {where}")

    @contextlib.contextmanager
    def _write(self, within_s: float = 0.0) -> Iterator[sqlite3.Connection]:
        if not self._writing.acquire(timeout=left_s(self._timeout_s)):
            raise StoreAway("the writer is busy")
        try:
            if self._writer is None:
                raise StoreAway("the store is closed")
            with self._deadline(self._writer, within_s):
                yield self._writer
        finally:
            self._writing.release()

    @contextlib.contextmanager
    def _transaction(self, within_s: float = 0.0) -> Iterator[SqliteTransaction]:
        with self._translated(), self._write(within_s) as writer:
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(writer)
                writer.execute("COMMIT")
            except BaseException:
                self._deadlines.pop(id(writer), None)  # it must not end the rollback
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _deadline(self, connection: sqlite3.Connection, within_s: float = 0.0) -> Iterator[None]:
        self._deadlines[id(connection)] = time.monotonic() + left_s(within_s or self._timeout_s)
        try:
            yield
        finally:
            self._deadlines.pop(id(connection), None)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _BAD as error:
            raise BadData(type(error).__name__) from error
        except sqlite3.Error as error:
            raise _translate(error, self._path) from error


def _translate(error: sqlite3.Error, path: Path) -> StoreError | BadData:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_TOOBIG:
        return BadData("too big")
    if code == sqlite3.SQLITE_NOTADB:
        return StoreUnfit(f"{path} is no SQLite database; nothing was changed")
    if code in _UNFIT:
        return StoreUnfit(f"{path} is damaged: {error}")
    return StoreAway(f"{path}: {error}")


def _version(connection: sqlite3.Connection) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'pointsman_schema'")
    if known.fetchone() is None:
        return 0
    found = connection.execute("SELECT max(version) FROM pointsman_schema").fetchone()[0]
    return int(found or 0)


def _tables(statement: str, existing: Iterable[str]) -> list[str]:
    """Those that a statement about requests is about: the pattern, and every day."""
    return ["requests", *existing] if "{requests}" in statement else [""]
