"""The steps of an ingest on PostgreSQL."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from pointsman.ledger import rows
from pointsman.ledger.contract import Dialect, Found
from pointsman.ledger.evaluations import EVALUATION
from pointsman.ledger.hosted import ADDED, WINDOW, HostedKey, Sum, move
from pointsman.ledger.rows import Row, Said
from pointsman.ledger.stores import days
from pointsman.ledger.stores.postgres_pool import Connection
from pointsman.ledger.tally import Key, Series, columns_of

_ALONE: Final = 0x504D4C03
"""Space of advisory locks by name."""
_FOUND: Final = "decision, response_id, at_ms, caller, policy, rule, task, backend, team, currency"


class MissingDays(Exception):
    """Tables have to be made before, in a transaction of their own."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.days = names


class PostgresTransaction:
    """Begun and ended by the store; `known`: the days that have a table."""

    dialect: Dialect = "postgres"

    def __init__(self, connection: Connection, known: set[str]) -> None:
        self.connection = connection
        self._known = known

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """In PostgreSQL's words."""
        cursor = self.connection.execute(sql.replace("?", "%s").encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def alone(self, about: str) -> None:
        """An advisory lock by a hash: two names may share one, which costs them a wait."""
        number = int.from_bytes(hashlib.sha256(about.encode()).digest()[:4], signed=True)
        self.connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_ALONE, number))

    def lock_spools(self, spools: Sequence[str]) -> dict[str, int]:
        """A new one is made first, for others to wait for."""
        found = self._locked(spools)
        missing = [spool for spool in spools if spool not in found]
        if missing:
            self.connection.execute(
                "INSERT INTO spools SELECT name, 1, 0, 0, 0 FROM unnest(%s::text[]) AS name"
                " ON CONFLICT DO NOTHING",
                (missing,),
            )
            found.update(self._locked(missing))
        return found

    def _locked(self, spools: Sequence[str]) -> dict[str, int]:
        sql = "SELECT spool, next FROM spools WHERE spool = ANY(%s) ORDER BY spool FOR UPDATE"
        return dict(self.connection.execute(sql, (list(spools),)).fetchall())

    def save_spools(self, spools: Iterable[tuple[str, int, int]], now_ms: int) -> None:
        """All are there."""
        names, wanted, lost = zip(*spools, strict=True)
        self.connection.execute(
            "UPDATE spools SET next = new.next, lost = spools.lost + new.lost, last_ms = %s,"
            " first_ms = CASE first_ms WHEN 0 THEN %s ELSE first_ms END"
            " FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS new (spool, next, lost)"
            " WHERE spools.spool = new.spool",
            (now_ms, now_ms, list(names), list(wanted), list(lost)),
        )

    def add_requests(self, rows_: Sequence[Row]) -> None:
        """PostgreSQL finds the day of each."""
        needed = {row[0] // rows.DAY_MS for row in rows_}  # type: ignore[operator]
        names = {days.table(day * rows.DAY_MS) for day in needed}
        if not names <= self._known:
            raise MissingDays(sorted(names - self._known))
        self.add("requests", rows.REQUEST, rows_)

    def add(self, table: str, columns: Sequence[str], rows_: Sequence[Row]) -> None:
        """By COPY."""
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()
        with self.connection.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows_:
                copy.write_row(row)

    def add_windows(self, rows_: Sequence[Row]) -> list[Row]:
        """All at once, in the order of their keys: two replicas may have the same."""
        ordered = {(row[0], row[1]): row for row in reversed(rows_)}
        rows_ = [row for _, row in sorted(ordered.items(), key=lambda pair: str(pair[0]))]
        kinds = ("text", "bigint", "bigint", "text", "text", *["bigint"] * 5)
        marks = ", ".join(f"%s::{kind}[]" for kind in kinds)
        sql = (
            f"INSERT INTO windows ({', '.join(WINDOW)}) SELECT * FROM unnest({marks})"  # noqa: S608
            " ON CONFLICT DO NOTHING RETURNING account, from_ms"
        )
        columns = [list(column) for column in zip(*rows_, strict=True)]
        new = set(self.connection.execute(sql.encode(), columns).fetchall())
        return [row for row in rows_ if (row[0], row[1]) in new]

    def count_windows(self, moved: Sequence[tuple[HostedKey, Sum]]) -> None:
        """All at once, in the order of the keys."""
        names = (*HostedKey._fields, "first_ms", "last_ms", *ADDED)
        kinds = ("bigint", "bigint", "text", "text", *["bigint"] * (2 + len(ADDED)))
        marks = ", ".join(f"%s::{kind}[]" for kind in kinds)
        sql = (
            f"INSERT INTO hosted ({', '.join(names)}) SELECT * FROM unnest({marks})"  # noqa: S608
            f"{move('hosted.')}"
        )
        rows_ = [(*key, one.first_ms, one.last_ms, *one.added) for key, one in moved]
        self.connection.execute(sql.encode(), [list(column) for column in zip(*rows_, strict=True)])

    def add_evaluations(self, rows_: Sequence[Row]) -> int:
        """All at once, in the order of their ids: two replicas may have the same."""
        rows_ = [row for _, row in sorted({str(row[0]): row for row in reversed(rows_)}.items())]
        kinds = ("text", "bigint", *["text"] * 10, *["bigint"] * 6)
        marks = ", ".join(f"%s::{kind}[]" for kind in kinds)
        sql = (
            f"INSERT INTO evaluations ({', '.join(EVALUATION)}) SELECT * FROM unnest({marks})"  # noqa: S608
            " ON CONFLICT DO NOTHING"
        )
        columns = [list(column) for column in zip(*rows_, strict=True)]
        return int(self.connection.execute(sql.encode(), columns).rowcount)

    def find(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Found]:
        """Locked in the order of their decisions: who binds feedback to one is alone with it."""
        return self.look(decisions, responses, " ORDER BY decision FOR UPDATE")

    def look(
        self, decisions: Sequence[str], responses: Sequence[str], lock: str = ""
    ) -> list[Found]:
        """The newest first."""
        sql = (
            f"SELECT {_FOUND} FROM requests WHERE decision = ANY(%s)"  # noqa: S608
            f" OR (response_id <> '' AND response_id = ANY(%s)){lock}"
        )
        rows_ = self.connection.execute(sql.encode(), (list(decisions), list(responses)))
        found = [
            Found(decision, response_id, at_ms, caller, Series(*series))
            for decision, response_id, at_ms, caller, *series in rows_
        ]
        return sorted(found, key=lambda one: -one.at_ms)

    def said_about(self, decisions: Sequence[str]) -> dict[str, list[Said]]:
        """By decision."""
        found: dict[str, list[Said]] = {}
        sql = f"SELECT decision, {', '.join(rows.SAID)} FROM feedback WHERE decision = ANY(%s)"  # noqa: S608
        for row in self.connection.execute(sql.encode(), (list(decisions),)):
            found.setdefault(row[0], []).append(_said(("", 0, 0, row[0], "", *row[1:])))
        return found

    def pending_about(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Said]:
        """Nothing waits, as a rule."""
        if self.connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is None:
            return []
        return self._pending(
            "decision = ANY(%s) OR (decision = '' AND response_id = ANY(%s))",
            (list(decisions), list(responses)),
        )

    def pending_since(self, came_ms: int, limit: int) -> list[Said]:
        """The newest first."""
        return self._pending("came_ms > %s ORDER BY came_ms DESC LIMIT %s", (came_ms, limit))

    def pending_until(self, came_ms: int, limit: int) -> list[Said]:
        """The oldest first."""
        return self._pending("came_ms <= %s ORDER BY came_ms LIMIT %s", (came_ms, limit))

    def _pending(self, where: str, values: Sequence[object]) -> list[Said]:
        """What another replica has in hand is its business."""
        sql = f"SELECT {', '.join(rows.PENDING)} FROM pending WHERE {where} FOR UPDATE SKIP LOCKED"  # noqa: S608
        return [_said(row) for row in self.connection.execute(sql.encode(), values)]

    def pending_count(self, limit: int) -> int:
        """Counts no further."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM pending LIMIT %s) AS waiting"
        found = self.connection.execute(sql, (limit,)).fetchone()
        return int(found[0]) if found else 0

    def remove_pending(self, numbers: Sequence[tuple[str, int]]) -> None:
        """By their key."""
        if numbers:
            spools, given = zip(*numbers, strict=True)
            self.connection.execute(
                "DELETE FROM pending USING unnest(%s::text[], %s::bigint[]) AS gone (spool, number)"
                " WHERE pending.spool = gone.spool AND pending.number = gone.number",
                (list(spools), list(given)),
            )

    def count(self, series: Sequence[Series], moved: Sequence[tuple[Key, list[int]]]) -> None:
        """All at once, in the order of the keys."""
        columns = zip(*((one.id, *one) for one in sorted(series, key=lambda s: s.id)), strict=True)
        ids, *names = map(list, columns)
        self.connection.execute(
            "INSERT INTO series SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[],"
            " %s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
            (ids, *names),
        )
        keys, used, sums = columns_of(moved)
        self.connection.execute(_move(used), [list(column) for column in (*keys, *sums)])

    def remove(self, table: str, where: str, values: Sequence[object], limit: int) -> int:
        """The order is the index's."""
        sql = (
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table}"  # noqa: S608
            f" WHERE {where.replace('?', '%s')} LIMIT {limit} FOR UPDATE SKIP LOCKED))"
        )
        return self.connection.execute(sql.encode(), values).rowcount


@lru_cache(256)
def _move(used: tuple[str, ...]) -> bytes:
    """Adds to the sums that something moves; most of the histograms' bins are not touched."""
    names = ("span_ms", "bucket_ms", "series", *used)
    return (
        f"INSERT INTO rollups ({', '.join(names)})"  # noqa: S608
        f" SELECT * FROM unnest({', '.join(['%s::bigint[]'] * len(names))})"
        " ON CONFLICT (span_ms, bucket_ms, series) DO UPDATE SET "
        + ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in used)
    ).encode()


def _said(row: Sequence[object]) -> Said:
    """Values of the columns PENDING."""
    return Said(**dict(zip(rows.PENDING, row, strict=True)))  # type: ignore[arg-type]
