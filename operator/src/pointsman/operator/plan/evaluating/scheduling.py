"""When a backend is evaluated, under which number, and what it may still cost today.

Guarantees that a number is run once, whatever restarts; that an order is repeated until a run of it
ends by itself, or MOST_INTERRUPTED did not; that what runs of a UTC day cost never passes the cap,
an interrupted one counted with all it might have cost; that the runs of many backends do not begin
together. Times are Unix time in ms; `share` in [0, 1) is a backend's own.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from pointsman.api.names import ANNOTATION_EVALUATE
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.evaluating.record import (
    INTERRUPTED,
    NANO,
    SPEND_CAP,
    UNREACHABLE,
    Record,
    TaskQuality,
    amount,
    day_of,
)

FIRST_MS: Final = 300_000
"""First runs are spread over this, or over an interval that is shorter."""
OVERDUE_MS: Final = 60_000
"""The same for those that became due while no operator was there."""
AGAIN_MS: Final = 600_000
"""An unreachable backend is tried again after this, or an interval that is shorter."""
SOONER: Final = 4
"""By how much the next run is sooner where something looks as if it had drifted."""
MOST_INTERRUPTED: Final = 3
"""Runs in a row after which no other follows at once: something of them may end the operator."""
MOST_ORDER: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What `spec.evaluation` and the annotation ask for."""

    suite: str
    interval_ms: int
    cap_nano: int | None
    currency: str
    order: str
    """The annotation's value; empty without one."""


def wish_of(backend: ModelBackend, annotations: Mapping[str, str]) -> Wish | None:
    """None for a backend that is not to be evaluated."""
    spec, cost = backend.spec.evaluation, backend.spec.cost
    if spec is None:
        return None
    cap = spec.max_cost_per_day
    return Wish(
        suite=spec.suite_ref.name,
        interval_ms=int(parse_duration(spec.interval) * 1000),
        cap_nano=None if cap is None else int(Decimal(cap) * NANO),
        currency=cost.currency if cost else "",
        order=_order(annotations.get(ANNOTATION_EVALUATE, "")),
    )


def _order(value: str) -> str:
    """As it fits a status."""
    if len(value) <= MOST_ORDER:
        return value
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


def share_of(uid: str) -> float:
    """A backend's own place in [0, 1)."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4], "big") / 2**32


def resumed(record: Record, *, now_ms: int) -> Record:
    """As a new process finds it: a run under way was interrupted, and cost all it might."""
    if not record.start_ms:
        return record
    interrupted = record.interrupted + 1
    gives_up = interrupted >= MOST_INTERRUPTED
    return replace(
        _spent(record, record.reserved_nano, now_ms),
        start_ms=0,
        reserved_nano=0,
        last_ms=record.start_ms,
        ended=INTERRUPTED,
        cost_nano=record.reserved_nano,
        interrupted=interrupted,
        order="" if gives_up else record.order,
        ordered=(record.order if gives_up else "") or record.ordered,
        message=f"the operator ended during run {record.run}"
        + (f"; {amount(record.reserved_nano)} count as spent" if record.reserved_nano else "")
        + (f"; {interrupted} in a row: none follows at once" if gives_up else ""),
    )


def spent_only(record: Record, *, now_ms: int) -> Record:
    """Of a backend that is gone: number and money, for another one of its name."""
    record = resumed(record, now_ms=now_ms)
    return Record(
        run=record.run, day=record.day, spent_nano=record.spent_nano, ordered=record.ordered
    )


def left_nano(wish: Wish, record: Record, now_ms: int) -> int | None:
    """What may be spent today; None without a cap."""
    if wish.cap_nano is None:
        return None
    spent = record.spent_nano if record.day == day_of(now_ms) else 0
    return max(0, wish.cap_nano - spent)


def is_ordered(wish: Wish, record: Record) -> bool:
    """Whether somebody asks for a run now."""
    return bool(wish.order) and wish.order != record.ordered


def due_ms(
    wish: Wish,
    record: Record,
    *,
    seen_ms: int,
    share: float,
    now_ms: int,
    suspected: bool = False,
    wanted_ms: int = 0,
) -> int:
    """
    When the next run begins; never before there is money for it.

    `seen_ms`: since when this process knows the backend and its wish. `wanted_ms`: somebody waits
    for a run that began then or later; 0: nobody. What is later than now by an interval was told by
    a clock that was ahead: nothing waits for it.
    """
    ahead_ms = now_ms + wish.interval_ms
    if seen_ms > ahead_ms:
        seen_ms = 0
    if is_ordered(wish, record):
        scheduled = 0
    elif record.last_ms < wanted_ms:
        scheduled = wanted_ms
    elif not record.run:
        scheduled = seen_ms + int(share * min(wish.interval_ms, FIRST_MS))
    else:
        scheduled = record.last_ms + _pause_ms(wish, record, suspected=suspected)
        if scheduled < seen_ms or record.last_ms > ahead_ms:
            scheduled = seen_ms + int(share * min(wish.interval_ms, OVERDUE_MS))
    if left_nano(wish, record, now_ms) == 0 or _is_capped(wish, record, now_ms):
        return max(scheduled, _midnight_ms(now_ms))
    return scheduled


def _pause_ms(wish: Wish, record: Record, *, suspected: bool) -> int:
    if record.ended == INTERRUPTED and record.interrupted < MOST_INTERRUPTED:
        return 0
    if record.ended == UNREACHABLE:
        return min(wish.interval_ms, AGAIN_MS)
    return wish.interval_ms // SOONER if suspected else wish.interval_ms


def _is_capped(wish: Wish, record: Record, now_ms: int) -> bool:
    """What was left today was not enough for a whole run, and will not be."""
    today = record.day == day_of(now_ms) and record.ended == SPEND_CAP
    return today and not is_ordered(wish, record) and wish.cap_nano is not None


def _midnight_ms(now_ms: int) -> int:
    day = datetime.fromtimestamp(now_ms // 1000, UTC).replace(hour=0, minute=0, second=0)
    return int((day + timedelta(days=1)).timestamp()) * 1000


def begun(record: Record, wish: Wish, *, content: str, most_nano: int, now_ms: int) -> Record:
    """The next run, to be stored before its first call; it may cost `reserved_nano`, no more."""
    left, ordered = left_nano(wish, record, now_ms), is_ordered(wish, record)
    return replace(
        record,
        suite=wish.suite,
        content=content,
        run=record.run + 1,
        start_ms=now_ms,
        currency=wish.currency,
        reserved_nano=0 if left is None else min(left, most_nano),
        order=wish.order if ordered else "",
        interrupted=0 if ordered and wish.order != record.order else record.interrupted,
    )


def over(
    record: Record,
    *,
    ended: str,
    message: str,
    cost_nano: int,
    quality: tuple[TaskQuality, ...],
    now_ms: int,
) -> Record:
    """The run under way is over; `quality` is taken of a complete one only."""
    return replace(
        _spent(record, cost_nano, now_ms),
        start_ms=0,
        reserved_nano=0,
        last_ms=record.start_ms,
        ended=ended,
        message=message,
        cost_nano=cost_nano,
        interrupted=0,
        order="",
        ordered=record.order or record.ordered,
        quality=quality or record.quality,
        quality_content=record.content if quality else record.quality_content,
    )


def _spent(record: Record, nano: int, now_ms: int) -> Record:
    """A run that goes on over midnight counts wholly for both days."""
    today = day_of(now_ms)
    before = record.spent_nano if record.day == today else 0
    return replace(record, day=today, spent_nano=before + nano)
