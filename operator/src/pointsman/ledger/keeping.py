"""PURE but for the transaction it is given: one bounded step of retention, the same on every store.

Days of requests are dropped whole, by the store itself; this is about rows.
"""

from typing import Final

from pointsman.ledger import auditing
from pointsman.ledger.binding import bind, write_tally
from pointsman.ledger.contract import Keeping, Kept, Transaction
from pointsman.ledger.rows import Refusal, Said
from pointsman.ledger.taking import write_refused
from pointsman.ledger.tally import SPANS_MS, Tally

_MISSED_MS: Final = 600_000
"""Two replicas may take a request and feedback about it at the same moment, and see neither of the
other: what came within this time is looked for once more."""


def keep_rows(transaction: Transaction, keeping: Keeping) -> Kept:
    """Find what waits, give up what waited too long, remove what is too old."""
    limit = keeping.rows
    late = transaction.pending_since(keeping.now_ms - _MISSED_MS, limit)
    tally = Tally()
    outcome = bind(transaction, late, tally)
    refused: dict[tuple[str, int], Refusal] = {
        (one.spool, one.number): why for one, why in outcome.refused
    }
    found = set(map(_place, late)) - set(map(_place, outcome.waiting))
    over = [
        one
        for one in transaction.pending_until(keeping.pending_ms, limit)
        if _place(one) not in found
    ]
    refused.update({_place(one): "Unknown" for one in over})
    transaction.remove_pending(sorted({*refused, *(_place(one) for one, _ in outcome.bound)}))
    write_refused(transaction, refused, keeping.now_ms)
    removed = _remove(transaction, keeping)
    write_tally(transaction, tally)
    removed["audit"] = auditing.forget(transaction, keeping.rollups_ms, limit, keeping.now_ms)
    why = list(refused.values())
    return Kept(
        removed=removed,
        bound=len(outcome.bound),
        refused={reason: why.count(reason) for reason in set(why)},
        more=limit in removed.values() or len(over) >= limit,
    )


def _place(said: Said) -> tuple[str, int]:
    return said.spool, said.number


def _remove(transaction: Transaction, keeping: Keeping) -> dict[str, int]:
    removed: dict[str, int] = {}
    for table, where, values in (
        ("texts", "expires_ms <= ?", (keeping.now_ms,)),
        ("feedback", "request_at_ms <= ?", (keeping.events_ms,)),
        ("refused", "came_ms <= ?", (keeping.events_ms,)),
        ("budgets", "until_ms <= ?", (keeping.rollups_ms,)),
        ("leases", "until_ms <= ?", (keeping.events_ms,)),
        ("spools", "last_ms <= ?", (keeping.rollups_ms,)),
        ("rollups", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[0], keeping.events_ms)),
        ("rollups", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[1], keeping.rollups_ms)),
        ("rollups", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[2], keeping.rollups_ms)),
        ("windows", "at_ms <= ?", (keeping.events_ms,)),
        ("reviews", "until_ms <= ?", (keeping.now_ms,)),
        ("review_texts", "until_ms <= ?", (keeping.now_ms,)),
        ("review_webhooks", "until_ms <= ?", (keeping.now_ms,)),
        ("evaluations", "at_ms <= ?", (keeping.rollups_ms,)),
        ("hosted", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[0], keeping.events_ms)),
        ("hosted", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[1], keeping.rollups_ms)),
        ("hosted", "span_ms = ? AND bucket_ms <= ?", (SPANS_MS[2], keeping.rollups_ms)),
    ):
        count = transaction.remove(table, where, values, keeping.rows)
        removed[table] = max(count, removed.get(table, 0))
    return removed
