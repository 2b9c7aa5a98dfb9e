"""Slices of budgets in either store: read, decided and written in one transaction.

Guarantees that questions about one budget are answered one after another: its row is locked, in
the order of names, so that no two wait for each other.
"""

from pointsman.events.leases import Asked, Granted, Wanted
from pointsman.ledger.contract import Transaction
from pointsman.ledger.leases import Slice, Sum, grant
from pointsman.ledger.rows import Row


def lend(transaction: Transaction, asked: Asked) -> list[Granted]:
    """In a transaction that others cannot see into."""
    execute = transaction.execute
    locked = (
        "" if transaction.dialect == "sqlite" else " FOR UPDATE"
    )  # SQLite's whole file is locked
    found: dict[tuple[str, int], Granted] = {}
    for wanted in sorted(asked.budgets, key=lambda one: (one.budget, one.from_ms)):
        place = (wanted.budget, wanted.from_ms)
        execute(
            "INSERT INTO budgets (budget, from_ms, until_ms, granted, used)"
            " VALUES (?, ?, ?, 0, 0) ON CONFLICT DO NOTHING",
            (*place, wanted.until_ms),
        )
        (row,) = execute(
            f"SELECT granted, used FROM budgets WHERE budget = ? AND from_ms = ?{locked}",  # noqa: S608
            place,
        )
        total = Sum(*_numbers(row))
        mine = _slice(transaction, asked.holder, place)
        slice_, after = grant(wanted, asked.turn, mine, total)
        if slice_ is not mine:
            _write(transaction, asked.holder, wanted, slice_, after)
        found[place] = Granted(*place, slice_.granted, after.granted, after.used)
    return [found[one.budget, one.from_ms] for one in asked.budgets]


def _slice(transaction: Transaction, holder: str, place: tuple[str, int]) -> Slice:
    rows = transaction.execute(
        "SELECT granted, used, turn FROM leases WHERE holder = ? AND budget = ? AND from_ms = ?",
        (holder, *place),
    )
    return Slice(*_numbers(rows[0])) if rows else Slice()


def _write(transaction: Transaction, holder: str, wanted: Wanted, mine: Slice, total: Sum) -> None:
    place = (wanted.budget, wanted.from_ms)
    transaction.execute(
        "INSERT INTO leases (holder, budget, from_ms, until_ms, granted, used, turn)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (holder, budget, from_ms) DO UPDATE"
        " SET granted = excluded.granted, used = excluded.used, turn = excluded.turn",
        (holder, *place, wanted.until_ms, mine.granted, mine.used, mine.turn),
    )
    transaction.execute(
        "UPDATE budgets SET granted = ?, used = ? WHERE budget = ? AND from_ms = ?",
        (total.granted, total.used, *place),
    )


def _numbers(row: Row) -> list[int]:
    return [int(str(value)) for value in row]
