"""PURE but for the transaction it is given: reviews and their texts, from and to rows."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from pointsman.events.reviews import ENDED, State
from pointsman.ledger.contract import Transaction
from pointsman.ledger.reviews.errors import Unknown
from pointsman.ledger.reviews.review import RANK_ENDED, Review, Texts
from pointsman.ledger.rows import Row

REVIEW: Final = Review.__struct_fields__
"""Columns of a row."""
TEXTS: Final = ("request", "answer", "edited", "ran")
USUAL: Final = 100
MOST: Final = 500
"""In one list."""
MOST_WEBHOOKS: Final = 10_000
"""Deliveries that wait; further reviews are in the queue without one."""
_FLAGS: Final = ("stream", "asynchronous", "cut", "fallback")
_ALL: Final = ", ".join(REVIEW)
_SAVED: Final = (
    "rank", "place_ms", "backend", "state", "claimed_by", "claimed_until_ms", "decided_by",
    "ended_ms", "message", "delivered_ms", "taken_by", "taken_until_ms",
)  # fmt: skip
Sql = tuple[str, list[object]]


def review_of(row: Row) -> Review:
    """Of the columns REVIEW."""
    of = dict(zip(REVIEW, row, strict=False))
    return msgspec.convert(of | {name: bool(of[name]) for name in _FLAGS}, Review)


def find(transaction: Transaction, id_: str) -> Review:
    """Held until the end of the transaction. Raises Unknown."""
    lock = "" if transaction.dialect == "sqlite" else " FOR UPDATE"
    rows = transaction.execute(f"SELECT {_ALL} FROM reviews WHERE id = ?{lock}", (id_,))  # noqa: S608
    if not rows:
        raise Unknown
    return review_of(rows[0])


def texts_of(transaction: Transaction, id_: str) -> Texts:
    """Empty ones where retention took them."""
    return texts_in(transaction.execute(*texts(id_))) or Texts("")


def add(transaction: Transaction, review: Review, text: Texts) -> bool:
    """False, and nothing is written, if its id is there."""
    marks = ", ".join("?" * len(REVIEW))
    new = transaction.execute(
        f"INSERT INTO reviews ({_ALL}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING id",  # noqa: S608
        msgspec.structs.astuple(review),
    )
    if new:
        transaction.execute(
            "INSERT INTO review_texts (id, until_ms, request, answer, edited, ran)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (review.id, review.until_ms, *msgspec.structs.astuple(text)),
        )
    return bool(new)


def save(transaction: Transaction, review: Review) -> None:
    """What can change of it."""
    assigned = ", ".join(f"{name} = ?" for name in _SAVED)
    transaction.execute(
        f"UPDATE reviews SET {assigned} WHERE id = ?",  # noqa: S608
        (*(getattr(review, name) for name in _SAVED), review.id),
    )


def save_text(transaction: Transaction, id_: str, column: str, text: str) -> None:
    """`column`: one of TEXTS."""
    assert column in TEXTS
    transaction.execute(f"UPDATE review_texts SET {column} = ? WHERE id = ?", (text, id_))  # noqa: S608


def same(caller: str, policy: str, request_hash: str) -> Sql:
    """SQL and values: reviews of the same request of the same caller, the newest first."""
    sql = (
        f"SELECT {_ALL} FROM reviews WHERE caller = ? AND policy = ? AND request_hash = ?"  # noqa: S608
        " ORDER BY created_ms DESC LIMIT 20"
    )
    return sql, [caller, policy, request_hash]


def held(transaction: Transaction, policy: str, now_ms: int, most: int) -> int:
    """How many of a policy wait with a caller, as far as `most`."""
    found = transaction.execute(
        "SELECT count(*) FROM (SELECT 1 FROM reviews WHERE policy = ? AND rank < ?"
        " AND deadline_ms > ? LIMIT ?) AS waiting",
        (policy, RANK_ENDED, now_ms, most),
    )
    return int(str(found[0][0]))


def flagged(transaction: Transaction, most: int) -> int:
    """How many wait without a caller, as far as `most`."""
    found = transaction.execute(
        "SELECT count(*) FROM (SELECT 1 FROM reviews WHERE rank < ? AND deadline_ms = 0"
        " LIMIT ?) AS waiting",
        (RANK_ENDED, most),
    )
    return int(str(found[0][0]))


def due(transaction: Transaction, now_ms: int, limit: int) -> list[Review]:
    """Past their deadline, held until the end; another replica's are its business."""
    lock = "" if transaction.dialect == "sqlite" else " FOR UPDATE SKIP LOCKED"
    rows = transaction.execute(
        f"SELECT {_ALL} FROM reviews WHERE rank < 3 AND deadline_ms > 0 AND deadline_ms <= ?"  # noqa: S608
        f" ORDER BY deadline_ms LIMIT ?{lock}",
        (now_ms, limit),
    )
    return [review_of(row) for row in rows]


def overdue(now_ms: int) -> Sql:
    """SQL and values: a row if a deadline has passed."""
    return (
        "SELECT 1 FROM reviews WHERE rank < 3 AND deadline_ms > 0 AND deadline_ms <= ? LIMIT 1",
        [now_ms],
    )


def states(ids: Sequence[str]) -> Sql:
    """SQL and values: (id, state, deadline_ms) of these."""
    marks = ", ".join("?" * len(ids))
    return f"SELECT id, state, deadline_ms FROM reviews WHERE id IN ({marks})", [*ids]  # noqa: S608


def several(ids: Sequence[str]) -> Sql:
    """SQL and values: reviews with their texts, each in one row."""
    marks = ", ".join("?" * len(ids))
    columns = ", ".join(f"r.{name}" for name in REVIEW)
    kept = ", ".join(f"t.{name}" for name in TEXTS)
    sql = (
        f"SELECT {columns}, {kept} FROM reviews r LEFT JOIN review_texts t ON t.id = r.id"  # noqa: S608
        f" WHERE r.id IN ({marks})"
    )
    return sql, [*ids]


def both(row: Row) -> tuple[Review, Texts]:
    """Of a row of `several`."""
    return review_of(row[: len(REVIEW)]), Texts(*(str(text or "") for text in row[len(REVIEW) :]))


def texts(id_: str) -> Sql:
    """SQL and values."""
    return "SELECT request, answer, edited, ran FROM review_texts WHERE id = ?", [id_]


def texts_in(rows: Sequence[Row]) -> Texts | None:
    """Of that question."""
    return Texts(*map(str, rows[0])) if rows else None


def listed(state: str, policy: str, after: tuple[int, int, str] | None, limit: int) -> Sql:
    """SQL and values: by their place in the queue; `state` "Ended": whatever is over."""
    where: list[str] = []
    values: list[object] = []
    if state == "Ended" or state in ENDED:
        where.append(f"rank = {RANK_ENDED}")
    elif state == "Pending":
        where.append(f"rank < {RANK_ENDED}")
    if state in ENDED:
        where.append("state = ?")
        values.append(state)
    if policy:
        where.append("policy = ?")
        values.append(policy)
    if after is not None:
        where.append("(rank, place_ms, id) > (?, ?, ?)")
        values += after
    so = f" WHERE {' AND '.join(where)}" if where else ""
    sql = f"SELECT {_ALL} FROM reviews{so} ORDER BY rank, place_ms, id LIMIT ?"  # noqa: S608
    return sql, [*values, limit]


def counted() -> Sql:
    """SQL and values: (mode, priority, how many, oldest created_ms) of what waits."""
    sql = (
        "SELECT mode, priority, count(*), min(created_ms) FROM reviews WHERE rank < ?"
        " GROUP BY mode, priority"
    )
    return sql, [RANK_ENDED]


def state_of(text: str) -> State | str | None:
    """What `listed` takes; None for anything else."""
    return text if text in (*ENDED, "Pending", "Ended", "") else None


def cursor(text: str) -> tuple[int, int, str] | None:
    """`0:1795000000000:d-1` as its parts; None for nothing. Raises ValueError."""
    if not text:
        return None
    rank, place, id_ = text.split(":", 2)
    if not rank.isdecimal() or len(rank) > 1 or len(place) > 18:
        raise ValueError(text)
    return int(rank), int(place), id_


def after(review: Review) -> str:
    """Leads to what comes behind it."""
    return f"{review.rank}:{review.place_ms}:{review.id}"


def add_deliveries(
    transaction: Transaction, rows: Iterable[Row], most: int = MOST_WEBHOOKS
) -> None:
    """
    (id, review, name, url, body, tries, due_ms, until_ms) of each, as far as there is room.

    No URL has more that wait than places are free: however many receivers are away, none of them
    takes the last one.
    """
    waiting = _waiting(transaction, "TRUE", (), most)
    for row in rows:
        free = most - waiting
        if waiting >= free and _waiting(transaction, "url = ?", (row[3],), free) >= free:
            continue
        transaction.execute(
            "INSERT INTO review_webhooks (id, review, name, url, body, tries, due_ms, until_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        waiting += 1


def _waiting(transaction: Transaction, where: str, values: tuple[object, ...], most: int) -> int:
    """How many deliveries, as far as `most`."""
    found = transaction.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM review_webhooks WHERE {where} LIMIT ?) AS waiting",  # noqa: S608
        (*values, most),
    )
    return int(str(found[0][0]))
