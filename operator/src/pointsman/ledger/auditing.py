"""PURE but for the transaction it is given: who did what, in a chain that only grows.

Each row carries the hash of itself and the row before: one that was changed, removed or put in
between breaks all behind it. Triggers refuse that in the store itself; what the hash adds is that
somebody who is above triggers is found out, by whoever noted a hash before.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

import msgspec

from pointsman.ledger.contract import Transaction
from pointsman.ledger.rows import Row

SYSTEM: Final = "pointsman"
"""The actor where no person acts."""
MOST: Final = 1_000
"""Rows that are told at once."""
MAX_DETAIL: Final = 16 * 1024
_COLUMNS: Final = "seq, at_ms, actor, role, action, subject, detail, hash"
_ABOUT: Final = "audit"
BEGINNING: Final[tuple[str, list[object]]] = ("SELECT seq, hash FROM audit_begin", [])
"""SQL and values: what the first row is chained to."""


class Entry(msgspec.Struct, frozen=True):
    """One row; `detail` is JSON without any text of callers."""

    seq: int
    at_ms: int
    actor: str
    role: str
    action: str
    subject: str
    detail: str
    hash: str


class Said(msgspec.Struct, frozen=True):
    """What somebody did, to be written."""

    actor: str
    role: str
    action: str
    subject: str
    detail: Mapping[str, object] = {}


class Checked(msgspec.Struct, frozen=True):
    """If the chain holds from its beginning: `broken` is the first row that does not, 0 if none."""

    rows: int
    head: str
    """The last hash: note it elsewhere."""
    broken: int = 0


def hash_of(before: str, entry: Entry) -> str:
    """SHA-256 in hex of the hash before and all of this row."""
    fields = msgspec.structs.astuple(entry)[:-1]
    return hashlib.sha256(msgspec.json.encode((before, *fields))).hexdigest()


def append(transaction: Transaction, said: Said, now_ms: int) -> Entry:
    """Behind the last one. Others who write wait until this transaction ends: call it late."""
    transaction.alone(_ABOUT)
    seq, before = _last(transaction)
    detail = msgspec.json.encode(said.detail).decode()
    if len(detail) > MAX_DETAIL:
        raise ValueError(f"a detail has at most {MAX_DETAIL:,} characters")
    entry = Entry(seq + 1, now_ms, said.actor, said.role, said.action, said.subject, detail, "")
    entry = msgspec.structs.replace(entry, hash=hash_of(before, entry))
    transaction.execute(
        f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        msgspec.structs.astuple(entry),
    )
    return entry


def _last(transaction: Transaction) -> tuple[int, str]:
    found = transaction.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
    found = found or transaction.execute(*BEGINNING)
    return int(str(found[0][0])), str(found[0][1])


def question(
    between_ms: tuple[int, int], subject: str, after: int, limit: int
) -> tuple[str, list[object]]:
    """SQL and values: the newest first; `after` is the seq of the last one that was told, or 0."""
    where = "at_ms >= ? AND at_ms < ?"
    values: list[object] = [*between_ms]
    for value, also in ((subject, " AND subject = ?"), (after, " AND seq < ?")):
        if value:
            where += also
            values.append(value)
    sql = f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
    return sql, [*values, limit]


def entries(rows: Iterable[Row]) -> list[Entry]:
    """Of that question."""
    return [Entry(int(str(row[0])), int(str(row[1])), *map(str, row[2:])) for row in rows]


def links(seq: int, limit: int) -> tuple[str, list[object]]:
    """SQL and values: rows behind this one, in their order."""
    return f"SELECT {_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", [seq, limit]  # noqa: S608


def follow(before: tuple[int, str], found: Sequence[Entry]) -> tuple[tuple[int, str], int]:
    """((seq, hash) up to where the chain holds, the first row that breaks it or 0)."""
    for entry in found:
        if entry.seq != before[0] + 1 or entry.hash != hash_of(before[1], entry):
            return before, entry.seq
        before = (entry.seq, entry.hash)
    return before, 0


def forget(transaction: Transaction, until_ms: int, limit: int, now_ms: int) -> int:
    """Remove what is older, `limit` rows at most: the mark first, and the chain says so."""
    first = transaction.execute("SELECT at_ms FROM audit ORDER BY seq LIMIT 1")
    if not first or int(str(first[0][0])) > until_ms:
        return 0
    transaction.alone(_ABOUT)
    sql = "SELECT seq, hash, at_ms FROM audit ORDER BY seq LIMIT ?"
    found = transaction.execute(sql, (limit,))
    old = list(takewhile(lambda row: int(str(row[2])) <= until_ms, found))
    if not old:  # another replica was first
        return 0
    seq, last = int(str(old[-1][0])), str(old[-1][1])
    append(
        transaction,
        Said(SYSTEM, "", "audit.forget", f"audit/{seq}", {"rows": len(old), "hash": last}),
        now_ms,
    )
    transaction.execute("UPDATE audit_begin SET seq = ?, hash = ?", (seq, last))
    transaction.execute("DELETE FROM audit WHERE seq <= ?", (seq,))
    return len(old)
