"""The store for several ledgers at once, on PostgreSQL 13 or newer.

Guarantees that replicas may take the same spool at the same moment (its row is locked), migrate at
the same moment (an advisory lock), and that no call outlasts its deadline, even if the server takes
the connection and says nothing. Needs no session state: a pooler in transaction mode may stand
between.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import psycopg
from psycopg import errors

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
from pointsman.ledger.rows import DAY_MS, REQUEST, Row
from pointsman.ledger.stores import days
from pointsman.ledger.stores.lending import lend
from pointsman.ledger.stores.postgres_pool import Connection, Pool
from pointsman.ledger.stores.postgres_transaction import MissingDays, PostgresTransaction
from pointsman.ledger.stores.schema import VERSION, VERSIONS_TABLE, render, steps
from pointsman.ledger.taking import take

_log = logging.getLogger(__name__)
MIGRATING: Final = 0x504D4C01
KEEPING: Final = 0x504D4C02
"""Advisory locks."""
_TRIES: Final = 4
"""Of a transaction that met another one (deadlock), or needs a new day."""
_BLOCK_ROWS: Final = 16
"""Requests in a block of 8 KiB, about: a row takes some 500 bytes."""
_DROP_LOCK_S: Final = 1.0
"""Dropping a day stops all who ingest for as long as it waits for its lock."""
_T = TypeVar("_T")


class PostgresStore:
    """`keep_events_ms`: older requests are only counted."""

    dialect: Dialect = "postgres"

    def __init__(
        self,
        conninfo: str,
        *,
        keep_events_ms: int,
        timeout_s: float = 10.0,
        connections: int = 10,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._max_pending = max_pending
        self._keep_events_ms = keep_events_ms
        self._timeout_s = timeout_s
        self._pool = Pool(conninfo, connections, timeout_s)
        self._days: set[str] = set()

    def open(self, schema: int | None = None) -> None:
        """Steps in between are taken in one transaction, by one replica."""
        with self._transaction() as transaction:
            connection = transaction.connection
            found = connection.execute("SHOW server_encoding").fetchone()
            if found is None or found[0] != "UTF8":
                raise StoreUnfit("the database has to have the encoding UTF8")
            version = _version(connection)
        if version > VERSION:
            raise StoreUnfit(
                f"the database has schema {version}, and this program knows {VERSION}:"
                " run the newer program, or let it migrate back first"
            )
        wanted = VERSION if schema is None else schema
        if version != wanted:
            self._migrate(wanted)
        if wanted:
            self._look_for_days()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def ping(self) -> None:
        """One row of the schema."""
        self.look_up("SELECT version FROM pointsman_schema LIMIT 1", ())

    def ingest(self, batches: Sequence[Batch], now_ms: int) -> list[Taken]:
        """One transaction for all of them; again if it met another one."""
        oldest_ms = now_ms - self._keep_events_ms
        for left in reversed(range(_TRIES)):
            try:
                with self._transaction() as transaction:
                    return take(
                        transaction,
                        batches,
                        now_ms=now_ms,
                        oldest_ms=oldest_ms,
                        max_pending=self._max_pending,
                    )
            except MissingDays as missing:
                self._make_days(missing.days)
            except _Again:
                self._look_for_days()
            if not left:
                break
        raise StoreAway("other transactions were in the way")

    def spool(self, spool: str) -> tuple[int, int]:
        """What is known of it."""
        found = self.look_up("SELECT next, lost FROM spools WHERE spool = ?", (spool,))
        return (int(str(found[0][0])), int(str(found[0][1]))) if found else (1, 0)

    def find(self, decision: str, response_id: str) -> list[Found]:
        """By either id; an empty one finds nothing."""
        with self._transaction() as transaction:
            transaction.connection.execute("SET TRANSACTION READ ONLY")
            return transaction.look(
                [decision] if decision else [], [response_id] if response_id else []
            )

    def page(self, from_ms: int, to_ms: int, after: str, limit: int) -> tuple[list[Row], str]:
        """
        Blocks of a day's table, in their order: rows are added at its end, and none is changed.

        By time a page would lead to its rows one by one, and end between two of the same moment.
        From version 14 on PostgreSQL reads only these blocks.
        """
        day, begin = days.cursor(after)
        if day and days.begin_ms(day) is None:
            raise ValueError(after)
        left = [name for name in days.within(self._look_for_days(), from_ms, to_ms) if name >= day]
        if not left:
            return [], ""
        begin = begin if left[0] == day else 0
        end = begin + max(1, limit // _BLOCK_ROWS)
        found = self.query(
            f"SELECT {', '.join(REQUEST)} FROM {left[0]} WHERE at_ms >= ? AND at_ms < ?"  # noqa: S608
            f" AND ctid >= '({begin},0)'::tid AND ctid < '({end},0)'::tid",
            (from_ms, to_ms),
        )
        blocks = self.query(
            "SELECT pg_relation_size(?::regclass) / current_setting('block_size')::int", (left[0],)
        )
        if end < int(str(blocks[0][0])):
            return found, f"{left[0]}:{end}"
        return found, f"{left[1]}:0" if left[1:] else ""

    def recorded(self, decision: str) -> list[Row]:
        """The newest first."""
        sql = f"SELECT {', '.join(REQUEST)} FROM requests WHERE decision = ? ORDER BY at_ms DESC"  # noqa: S608
        return self.query(sql, (decision,))

    def lend(self, asked: Asked) -> list[Granted]:
        """One transaction for all of them."""
        return self.transact(lambda transaction: lend(transaction, asked))

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Again if it met another one."""
        for _ in range(_TRIES):
            with contextlib.suppress(_Again), self._transaction() as transaction:
                return work(transaction)
        raise StoreAway("other transactions were in the way")

    def query(self, sql: str, values: Sequence[object]) -> list[Row]:
        """In a transaction that can only read."""
        with self._transaction() as transaction:
            transaction.connection.execute("SET TRANSACTION READ ONLY")
            cursor = transaction.connection.execute(sql.replace("?", "%s").encode(), values or None)
            return cursor.fetchall()

    def look_up(self, sql: str, values: Sequence[object]) -> list[Row]:
        """There is a connection for each thread that asks."""
        return self.query(sql, values)

    def keep(self, keeping: Keeping) -> Kept:
        """Rows, and then at most one day of requests; one replica at a time."""
        with self._transaction() as transaction:
            if not _alone(transaction.connection):
                return Kept(removed={})
            kept = keep_rows(transaction, keeping)
        old = days.over(self._look_for_days(), keeping.events_ms)
        if old:
            self._drop(old[0])
        removed = {**kept.removed, "days": min(1, len(old))}
        return Kept(
            removed=removed, bound=kept.bound, refused=kept.refused,
            more=kept.more or len(old) > 1,
        )  # fmt: skip

    def version(self) -> int:
        """0 for a database without our tables."""
        with self._transaction() as transaction:
            return _version(transaction.connection)

    def _migrate(self, to: int) -> None:
        with self._transaction(MIGRATION_S) as transaction:
            connection = transaction.connection
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
            connection.execute(render(VERSIONS_TABLE, "postgres").encode())
            at = _version(connection)
            if not 0 <= to <= VERSION or at > VERSION:
                raise StoreUnfit(f"no way from schema {at} to {to}; known are 0 to {VERSION}")
            if at not in (0, to):  # else nothing is there that takes time
                _log.info("migrating", extra={"schema": at, "to": to})
            for number, name, statements in steps("postgres", at, to):
                for statement in statements:
                    connection.execute(statement.replace("{requests}", "requests").encode())
                connection.execute("DELETE FROM pointsman_schema WHERE version >= %s", (number,))
                connection.execute("INSERT INTO pointsman_schema VALUES (%s, %s)", (number, name))

    def _look_for_days(self) -> list[str]:
        found = self.query(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass('requests')",
            (),
        )
        names = [str(row[0]) for row in found]
        self._days = set(names)
        return names

    def _make_days(self, names: Sequence[str]) -> None:
        """Attached, because making one in place would stop all who ingest."""
        with self._transaction() as transaction:
            connection = transaction.connection
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
            for name in names:
                begin = days.begin_ms(name)
                assert begin is not None
                found = connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
                if found is None or found[0] is None:
                    connection.execute(f"CREATE TABLE {name} (LIKE requests)".encode())
                    connection.execute(
                        f"ALTER TABLE requests ATTACH PARTITION {name}"
                        f" FOR VALUES FROM ({begin}) TO ({begin + DAY_MS})".encode()
                    )
        self._days.update(names)

    def _drop(self, day: str) -> None:
        with self._transaction() as transaction:
            connection = transaction.connection
            if _alone(connection):
                wait = f"{int(_DROP_LOCK_S * 1000)}ms"
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (wait,))
                connection.execute(f"DROP TABLE IF EXISTS {day}".encode())
        self._days.discard(day)

    @contextlib.contextmanager
    def _transaction(self, timeout_s: float = 0.0) -> Iterator[PostgresTransaction]:
        """Commits at its end. Raises what the contract names."""
        wait_s = left_s(timeout_s or self._timeout_s)
        try:
            with self._pool.connection(wait_s) as connection:
                ms = f"{max(1, int(wait_s * 1000))}ms"  # 0 is none
                connection.execute(
                    "SELECT set_config('statement_timeout', %s, true),"
                    " set_config('lock_timeout', %s, true),"
                    " set_config('idle_in_transaction_session_timeout', %s, true)",
                    (ms, ms, ms),
                )
                yield PostgresTransaction(connection, self._days)
        except psycopg.Error as error:
            raise _translate(error) from error


class _Again(StoreAway):
    """The transaction met another one, and may be tried again at once."""


def _translate(error: psycopg.Error) -> StoreError | BadData:
    if isinstance(error, errors.DeadlockDetected | errors.SerializationFailure):
        return _Again(str(error))
    if isinstance(error, errors.CheckViolation):
        return _Again("a day is gone")
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return BadData(type(error).__name__)
    if isinstance(error, errors.DuplicateTable | errors.UndefinedTable | errors.UndefinedColumn):
        return StoreUnfit(f"the database has other tables than ours: {error.diag.message_primary}")
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreUnfit(f"the database does not let us: {error.diag.message_primary}")
    text = error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
    return StoreAway(f"PostgreSQL: {text}")


def _alone(connection: Connection) -> bool:
    """True if no other replica is keeping house."""
    found = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (KEEPING,)).fetchone()
    return bool(found and found[0])


def _version(connection: Connection) -> int:
    known = connection.execute("SELECT to_regclass('pointsman_schema')").fetchone()
    if known is None or known[0] is None:
        return 0
    found = connection.execute("SELECT max(version) FROM pointsman_schema").fetchone()
    return int(found[0] or 0) if found else 0
