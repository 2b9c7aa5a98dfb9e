"""PURE but for the transaction it is given: how reviews begin.

Guarantees one review for one request of one caller while it waits, however often it is opened:
openings of a policy pass one after the other, so its bound is exact, too.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from pointsman.events.reviews import MAX_TEXT_BYTES, Opening
from pointsman.events.schema import Review as Flagged
from pointsman.ledger.contract import Transaction
from pointsman.ledger.reviews import deciding, storing
from pointsman.ledger.reviews.errors import Full, HashMismatch
from pointsman.ledger.reviews.review import (
    ATTACH_MS,
    Review,
    Texts,
    attaches,
    is_due,
    place,
)
from pointsman.ledger.rows import Refusal, Row, when_ms

MAX_FLAGGED = 10_000
"""Answered requests that wait for a look; further ones are refused as Full."""


class BadOpening(ValueError):
    """The text says why."""


def read(body: bytes) -> Opening:
    """Raises BadOpening."""
    try:
        opening = msgspec.json.decode(body, type=Opening)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadOpening(str(error)) from None
    if bool(opening.answer) != (opening.stage == "Answer"):
        raise BadOpening("the stage Answer has an answer, the stage Request has none")
    for name, text in (("request", opening.request), ("answer", opening.answer)):
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise BadOpening(f"{name} is longer than {MAX_TEXT_BYTES:,} bytes")
        if text:
            _check_object(name, text)
    return opening


def _check_object(name: str, text: str) -> None:
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        raise BadOpening(f"{name} is no JSON object") from None


def open_held(transaction: Transaction, opening: Opening, now_ms: int) -> tuple[Review, bool]:
    """The review that is there now, and if it is new. Raises Full, HashMismatch."""
    transaction.alone(f"reviews of {opening.policy}")
    review = _held(opening, now_ms)
    for known in same(transaction, opening.caller, opening.policy, opening.request_hash):
        now = (
            deciding.end(transaction, known.id, "TimedOut", now_ms)
            if is_due(known, now_ms)
            else known
        )
        if now.id == review.id or attaches(now, now_ms):
            return now, False
    if storing.held(transaction, opening.policy, now_ms, opening.max_held) >= opening.max_held:
        raise Full(opening.policy, opening.max_held)
    if not storing.add(transaction, review, Texts(opening.request, opening.answer)):
        known = storing.find(transaction, review.id)
        if (known.request_hash, known.caller) != (review.request_hash, review.caller):
            raise HashMismatch
        return known, False
    storing.add_deliveries(transaction, _deliveries(opening, review, now_ms))
    return review, True


def same(transaction: Transaction, caller: str, policy: str, request_hash: str) -> list[Review]:
    """Reviews of the same request, the newest first."""
    rows = transaction.execute(*storing.same(caller, policy, request_hash))
    return [storing.review_of(row) for row in rows]


def _held(opening: Opening, now_ms: int) -> Review:
    deadline_ms = now_ms + opening.within_ms
    rank, place_ms = place(opening.priority, deadline_ms, now_ms)
    names = (
        "id", "request_hash", "stage", "priority", "reason", "policy", "revision", "rule", "caller",
        "team", "backend", "model", "operation", "stream", "asynchronous", "fallback", "context",
    )  # fmt: skip
    return Review(
        mode="Hold",
        rank=rank,
        place_ms=place_ms,
        cut=False,
        created_ms=now_ms,
        deadline_ms=deadline_ms,
        until_ms=max(deadline_ms + ATTACH_MS, now_ms + opening.keep_ms),
        **{name: getattr(opening, name) for name in names},
    )


def _deliveries(opening: Opening, review: Review, now_ms: int) -> list[Row]:
    """One for each webhook, without any text; its id is the same at each try."""
    body: dict[str, object] = {
        "id": review.id, "policy": review.policy, "rule": review.rule, "mode": review.mode,
        "stage": review.stage, "priority": review.priority, "created": review.created_ms // 1000,
        "deadline": review.deadline_ms // 1000,
    }  # fmt: skip
    rows: list[Row] = []
    for number, webhook in enumerate(opening.webhooks):
        name = f"{review.id}/{number}/{review.created_ms}".encode()
        delivery = hashlib.sha256(name).hexdigest()[:32]
        text = msgspec.json.encode({"delivery": delivery, **body}).decode()
        rows.append(
            (delivery, review.id, webhook.name, webhook.url, text, 0, now_ms, review.until_ms)
        )
    return rows


def open_flagged(
    transaction: Transaction, events: Iterable[Flagged], now_ms: int, most: int = MAX_FLAGGED
) -> list[bool | Refusal]:
    """What became of each: True, or False if it was there. What waits is counted once."""
    waiting = storing.flagged(transaction, most)
    found: list[bool | Refusal] = []
    for event in events:
        if waiting >= most:
            found.append("Full")
            continue
        new = storing.add(transaction, _flagged(event, now_ms), Texts(event.request, event.answer))
        waiting += new
        found.append(new)
    return found


def _flagged(event: Flagged, now_ms: int) -> Review:
    created_ms, _ = when_ms(event.at_ms, now_ms)
    rank, place_ms = place(event.priority, 0, created_ms)
    names = (
        "id", "request_hash", "mode", "priority", "reason", "policy", "revision", "rule", "caller",
        "team", "backend", "model", "operation", "stream", "cut",
    )  # fmt: skip
    return Review(
        stage="Answer",
        rank=rank,
        place_ms=place_ms,
        asynchronous=False,
        fallback=False,
        context="",
        created_ms=created_ms,
        deadline_ms=0,
        until_ms=now_ms + event.keep_s * 1000,
        **{name: getattr(event, name) for name in names},
    )
