"""The steps of an ingest on SQLite. The table `requests` is empty: the pattern of each day's."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from pointsman.ledger import rows
from pointsman.ledger.contract import Dialect, Found
from pointsman.ledger.evaluations import EVALUATION
from pointsman.ledger.hosted import ADDED, WINDOW, HostedKey, Sum, move
from pointsman.ledger.rows import Row, Said
from pointsman.ledger.stores import days
from pointsman.ledger.tally import Key, Series, columns_of

_FOUND: Final = "decision, response_id, at_ms, caller, policy, rule, task, backend, team, currency"
_ANY: Final = "IN (SELECT value FROM json_each(?))"
_KEYS: Final = {
    "rollups": "(span_ms, bucket_ms, series)", "spools": "spool", "windows": "(account, from_ms)",
    "evaluations": "id",
    "hosted": "(span_ms, bucket_ms, backend, currency)",
}  # fmt: skip


class SqliteTransaction:
    """Begun and ended by the store."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """As it is."""
        found: list[Row] = self.connection.execute(sql, values).fetchall()
        return found

    def alone(self, about: str) -> None:
        """The whole file is locked."""

    def days(self) -> list[str]:
        """Tables of days, the newest first."""
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'requests_[0-9]*'"
        return sorted((name for (name,) in self.connection.execute(sql)), reverse=True)

    def shrink(self, until_ms: int, rows_: int) -> tuple[int, bool]:
        """
        One step of removing days that are over: days that are gone, and if there is more to do.

        Dropping a table reads all of it, for a minute if it is large and cold. So it gets another
        name first, loses its indexes, then its rows by the step, in the order in which they lie.
        """
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'gone_*'"
        gone = self.connection.execute(f"{sql} LIMIT 1").fetchone()
        if gone is None:
            old = days.over(self.days(), until_ms)
            if old:
                name = old[0].replace("requests", "gone")
                self.connection.execute(f"ALTER TABLE {old[0]} RENAME TO {name}")
            return 0, bool(old)
        table = gone[0]
        sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? LIMIT 1"
        index = self.connection.execute(sql, (table,)).fetchone()
        with self._leaving_bytes():
            if index is not None:
                self.connection.execute(f"DROP INDEX {index[0]}")
                return 0, True
            border = f"(SELECT min(rowid) + {rows_} FROM {table})"  # noqa: S608
            sql = f"DELETE FROM {table} WHERE rowid < {border}"  # noqa: S608
            if not self.connection.execute(sql).rowcount:
                self.connection.execute(f"DROP TABLE {table}")
                return 1, True
        return 0, True

    def lock_spools(self, spools: Sequence[str]) -> dict[str, int]:
        """The whole file is locked."""
        found = {}
        for spool in spools:
            row = self.connection.execute("SELECT next FROM spools WHERE spool = ?", (spool,))
            found[spool] = int((row.fetchone() or (1,))[0])
        return found

    def save_spools(self, spools: Iterable[tuple[str, int, int]], now_ms: int) -> None:
        """New ones too."""
        self.connection.executemany(
            "INSERT INTO spools (spool, next, lost, first_ms, last_ms) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET next = excluded.next, lost = lost + excluded.lost,"
            " last_ms = excluded.last_ms",
            [(spool, wanted, lost, now_ms, now_ms) for spool, wanted, lost in spools],
        )

    def add_requests(self, rows_: Sequence[Row]) -> None:
        """Each to the table of its day."""
        existing = set(self.days())
        named = sorted(((days.table(int(str(row[0]))), row) for row in rows_), key=lambda p: p[0])
        for day, group in groupby(named, key=lambda pair: pair[0]):
            if day not in existing:
                self._make(day)
            self.add(day, rows.REQUEST, [row for _, row in group])

    def _make(self, day: str) -> None:
        """A table as the pattern is now, with its indexes."""
        sql = "SELECT sql FROM sqlite_schema WHERE tbl_name = 'requests' AND sql IS NOT NULL"
        for (statement,) in self.connection.execute(f"{sql} ORDER BY type DESC").fetchall():
            self.connection.execute(statement.replace("requests", day))

    def add(self, table: str, columns: Sequence[str], rows_: Sequence[Row]) -> None:
        """Row after row."""
        marks = ", ".join("?" * len(columns))
        self.connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            rows_,
        )

    def add_windows(self, rows_: Sequence[Row]) -> list[Row]:
        """One statement each."""
        marks = ", ".join("?" * len(WINDOW))
        sql = f"INSERT INTO windows ({', '.join(WINDOW)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        return [row for row in rows_ if self.connection.execute(sql, row).rowcount]

    def count_windows(self, moved: Sequence[tuple[HostedKey, Sum]]) -> None:
        """One statement a sum."""
        names = (*HostedKey._fields, "first_ms", "last_ms", *ADDED)
        marks = ", ".join("?" * len(names))
        self.connection.executemany(
            f"INSERT INTO hosted ({', '.join(names)}) VALUES ({marks}){move('')}",  # noqa: S608
            [(*key, one.first_ms, one.last_ms, *one.added) for key, one in moved],
        )

    def add_evaluations(self, rows_: Sequence[Row]) -> int:
        """One statement each."""
        marks = ", ".join("?" * len(EVALUATION))
        names = ", ".join(EVALUATION)
        sql = f"INSERT INTO evaluations ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        return sum(self.connection.execute(sql, row).rowcount for row in rows_)

    def find(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Found]:
        """From the newest day to the oldest."""
        found: list[Found] = []
        for day in self.days():
            of_day: list[Found] = []
            for column, values in (("decision", decisions), ("response_id", responses)):
                if values:
                    also = " AND response_id <> ''" if column == "response_id" else ""
                    sql = f"SELECT {_FOUND} FROM {day} WHERE {column} {_ANY}{also}"  # noqa: S608
                    rows_ = self.connection.execute(sql, (json.dumps(values),))
                    of_day += [_found(row) for row in rows_]
            found += sorted(of_day, key=lambda one: -one.at_ms)
        return found

    def said_about(self, decisions: Sequence[str]) -> dict[str, list[Said]]:
        """By decision."""
        found: dict[str, list[Said]] = {}
        sql = f"SELECT decision, {', '.join(rows.SAID)} FROM feedback WHERE decision {_ANY}"  # noqa: S608
        for row in self.connection.execute(sql, (json.dumps(decisions),)):
            found.setdefault(row[0], []).append(said_of(("", 0, 0, row[0], "", *row[1:])))
        return found

    def pending_about(self, decisions: Sequence[str], responses: Sequence[str]) -> list[Said]:
        """Nothing waits, as a rule."""
        if self.connection.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is None:
            return []
        return self._pending(
            f"decision {_ANY} OR (decision = '' AND response_id {_ANY})",
            (json.dumps(decisions), json.dumps(responses)),
        )

    def pending_since(self, came_ms: int, limit: int) -> list[Said]:
        """The newest first."""
        return self._pending("came_ms > ? ORDER BY came_ms DESC LIMIT ?", (came_ms, limit))

    def pending_until(self, came_ms: int, limit: int) -> list[Said]:
        """The oldest first."""
        return self._pending("came_ms <= ? ORDER BY came_ms LIMIT ?", (came_ms, limit))

    def _pending(self, where: str, values: Sequence[object]) -> list[Said]:
        sql = f"SELECT {', '.join(rows.PENDING)} FROM pending WHERE {where}"  # noqa: S608
        return [said_of(row) for row in self.connection.execute(sql, values)]

    def pending_count(self, limit: int) -> int:
        """Counts no further."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM pending LIMIT ?) AS waiting"
        found = self.connection.execute(sql, (limit,)).fetchone()
        return int(found[0]) if found else 0

    def remove_pending(self, numbers: Sequence[tuple[str, int]]) -> None:
        """By their key."""
        self.connection.executemany("DELETE FROM pending WHERE spool = ? AND number = ?", numbers)

    def count(self, series: Sequence[Series], moved: Sequence[tuple[Key, list[int]]]) -> None:
        """One statement a rollup."""
        self.connection.executemany(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(one.id, *one) for one in series],
        )
        keys, used, columns = columns_of(moved)
        self.connection.executemany(_move(used), list(zip(*keys, *columns, strict=True)))

    def remove(self, table: str, where: str, values: Sequence[object], limit: int) -> int:
        """In the order in which they are found."""
        key = _KEYS.get(table, "rowid")
        inner = f"SELECT {key.strip('()')} FROM {table} WHERE {where} LIMIT {limit}"  # noqa: S608
        sql = f"DELETE FROM {table} WHERE {key} IN ({inner})"  # noqa: S608
        return self.connection.execute(sql, values).rowcount

    @contextlib.contextmanager
    def _leaving_bytes(self) -> Iterator[None]:
        """In pages that are free: what is in days is no text of callers, and large."""
        self.connection.execute("PRAGMA secure_delete = OFF")
        try:
            yield
        finally:
            self.connection.execute("PRAGMA secure_delete = ON")


@lru_cache(256)
def _move(used: tuple[str, ...]) -> str:
    """Adds to the sums that something moves; most of the histograms' bins are not touched."""
    names = ", ".join(("span_ms", "bucket_ms", "series", *used))
    marks = ", ".join("?" * (3 + len(used)))
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in used)
    return (
        f"INSERT INTO rollups ({names}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT DO UPDATE SET {added}"
    )


def _found(row: Sequence[object]) -> Found:
    decision, response_id, at_ms, caller, *series = row
    return Found(
        str(decision), str(response_id), int(str(at_ms)), str(caller), Series(*map(str, series))
    )


def said_of(row: Sequence[object]) -> Said:
    """Values of the columns PENDING."""
    return Said(**dict(zip(rows.PENDING, row, strict=True)))  # type: ignore[arg-type]
