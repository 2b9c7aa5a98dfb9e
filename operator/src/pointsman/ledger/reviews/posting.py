"""PURE but for the transaction it is given: deliveries to webhooks that wait, and their next try.

Guarantees that one of several replicas sends, that a ledger which is killed while it sends tries
again, and that nothing is tried more than TRIES times.
"""

from collections import Counter
from typing import Final, NamedTuple

from pointsman.ledger.contract import Transaction

PAUSES_MS: Final = (2_000, 10_000, 60_000, 300_000, 900_000)
"""After each failed try; what failed once more is given up. In all 21 minutes: a receiver that is
rolled out is back by then."""
TRIES: Final = len(PAUSES_MS) + 1
SENDING_MS: Final = 60_000
"""Nobody else tries so long; one that died while it sent is followed then."""
MOST: Final = 16
"""At once."""
EACH_URL: Final = 4
"""At once to one receiver: a slow one leaves room for the others."""
_LOOKED_AT: Final = 256
_OLDEST: Final = (
    "SELECT id, ROW_NUMBER() OVER (PARTITION BY url ORDER BY due_ms, id) AS place"
    " FROM review_webhooks WHERE due_ms <= ?"
)
"""What is due, each with its place in the line of its URL: one long line hides no other."""


class Delivery(NamedTuple):
    """One try."""

    id: str
    review: str
    name: str
    url: str
    body: str
    tries: int


def due(transaction: Transaction, under_way: Counter[str], now_ms: int) -> list[Delivery]:
    """
    Those to send now, beside so many to each URL; each try is counted before it is made.

    Whom least is sent to comes first: a free place is not for the receiver that filled the others.
    """
    lock = "" if transaction.dialect == "sqlite" else " FOR UPDATE OF w SKIP LOCKED"
    rows = transaction.execute(
        "SELECT w.id, w.review, w.name, w.url, w.body, w.tries, oldest.place"  # noqa: S608
        f" FROM review_webhooks w JOIN ({_OLDEST}) AS oldest ON oldest.id = w.id"
        " WHERE oldest.place <= ? AND w.due_ms <= ?"  # another replica may just have taken it
        f" ORDER BY oldest.place, w.due_ms LIMIT ?{lock}",
        (now_ms, EACH_URL, now_ms, _LOOKED_AT),
    )
    busy, found = under_way.copy(), list[Delivery]()
    for row in sorted(rows, key=lambda row: under_way[str(row[3])] + int(str(row[6]))):
        id_, review, name, url, body = map(str, row[:5])
        if busy[url] >= EACH_URL or busy.total() >= MOST:
            continue
        busy[url] += 1
        found.append(Delivery(id_, review, name, url, body, int(str(row[5])) + 1))
        transaction.execute(
            "UPDATE review_webhooks SET tries = ?, due_ms = ? WHERE id = ?",
            (found[-1].tries, now_ms + SENDING_MS, id_),
        )
    return found


def done(transaction: Transaction, id_: str) -> None:
    """Delivered, or given up."""
    transaction.execute("DELETE FROM review_webhooks WHERE id = ?", (id_,))


def later(transaction: Transaction, delivery: Delivery, now_ms: int) -> bool:
    """Once more after a pause; False if this was the last try."""
    if delivery.tries >= TRIES:
        done(transaction, delivery.id)
        return False
    transaction.execute(
        "UPDATE review_webhooks SET due_ms = ? WHERE id = ?",
        (now_ms + PAUSES_MS[delivery.tries - 1], delivery.id),
    )
    return True


def waiting(now_ms: int) -> tuple[str, list[object]]:
    """SQL and values: a row if one is due."""
    return "SELECT 1 FROM review_webhooks WHERE due_ms <= ? LIMIT 1", [now_ms]
