"""What is known of a backend's runs: in its status, so that it outlives the operator.

| `start_ms` | `ended`     | what is so                                             |
|------------|-------------|--------------------------------------------------------|
| 0          | empty       | nothing was run yet                                    |
| set        | any         | run `run` is under way; `ended` is of the one before   |
| 0          | Complete... | run `run` is over                                      |

A record with `start_ms` that a new process finds is of a run that was interrupted.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

NANO: Final = 1_000_000_000
INTERRUPTED: Final = "Interrupted"
COMPLETE: Final = "Complete"
SPEND_CAP: Final = "SpendCap"
UNREACHABLE: Final = "Unreachable"
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
ENDS: Final = frozenset((COMPLETE, SPEND_CAP, UNREACHABLE, INTERRUPTED))


class TaskQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run's prompts of one task; `all` is a task, too."""

    task: str
    score: str
    low: str
    high: str
    prompts: int
    time: str

    def as_status(self) -> dict[str, Any]:
        """One entry of `status.quality`."""
        return msgspec.structs.asdict(self)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Money is in billionths of `currency`."""

    suite: str = ""
    content: str = ""
    run: int = 0
    start_ms: int = 0
    """When the run under way began; 0 while there is none."""
    last_ms: int = 0
    """When the last run began."""
    ended: str = ""
    message: str = ""
    cost_nano: int = 0
    currency: str = ""
    day: str = ""
    spent_nano: int = 0
    """On `day`, of runs that are over."""
    reserved_nano: int = 0
    """The most that the run under way may cost."""
    interrupted: int = 0
    """The last runs in a row that were."""
    order: str = ""
    """That the run under way obeys, or an interrupted one did not: it is to be repeated."""
    ordered: str = ""
    """Obeyed last: a run of it ended by itself, or too many were interrupted."""
    quality: tuple[TaskQuality, ...] = ()
    quality_content: str = ""
    """That `quality` is of; `content` may be of a run under way, or of one that is not whole."""


def rfc3339(at_ms: int) -> str:
    """As Kubernetes writes a time."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(at_ms: int) -> str:
    """The day, in UTC."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d")


def amount(nano: int) -> str:
    """Money without trailing zeros: 0.0000015."""
    text = f"{Decimal(nano) / NANO:.9f}".rstrip("0")
    return text.removesuffix(".")


def nano_of(text: str) -> int:
    """The reverse; raises ValueError."""
    number = text.partition(" ")[0]
    if _AMOUNT.fullmatch(number) is None:
        raise ValueError(f"{text!r} is no amount")
    return int(Decimal(number) * NANO)


def loaded(stored: Mapping[str, Any]) -> Record:
    """
    Of a backend's stored status; what cannot be read counts as not there.

    Somebody may have edited it: what is read is bounded and of its type.
    """
    found = stored.get("evaluation")
    quality = _qualities(stored.get("quality"))
    if not isinstance(found, Mapping):
        return Record(quality=quality)
    ended = _text(found, "ended")
    return Record(
        suite=_text(found, "suite"),
        content=_text(found, "content"),
        run=_count(found, "run"),
        start_ms=_ms(found, "startTime"),
        last_ms=_ms(found, "lastTime"),
        ended=ended if ended in ENDS else "",
        message=_text(found, "message"),
        cost_nano=_nano(found, "cost"),
        currency=_currency(found),
        day=_text(found, "spentOn"),
        spent_nano=_nano(found, "spent"),
        reserved_nano=_nano(found, "reserved"),
        interrupted=_count(found, "interrupted"),
        order=_text(found, "order"),
        ordered=_text(found, "ordered"),
        quality=quality,
        quality_content=_text(found, "qualityContent"),
    )


def _qualities(found: object) -> tuple[TaskQuality, ...]:
    try:
        return msgspec.convert(found or (), tuple[TaskQuality, ...])
    except msgspec.ValidationError:
        return ()


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _count(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key)
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _ms(found: Mapping[str, Any], key: str) -> int:
    try:
        return int(datetime.fromisoformat(_text(found, key)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def _nano(found: Mapping[str, Any], key: str) -> int:
    try:
        return max(0, nano_of(_text(found, key) or "0"))
    except ValueError:
        return 0


def _currency(found: Mapping[str, Any]) -> str:
    return _text(found, "cost").partition(" ")[2][:3]


def stored_fields(record: Record, *, next_ms: int) -> dict[str, Any]:
    """`status.evaluation`; what is empty is left out. `next_ms` 0: nobody knows."""
    money = f" {record.currency}" if record.currency else ""
    values: dict[str, Any] = {
        "suite": record.suite,
        "content": record.content,
        "qualityContent": record.quality_content if record.quality else "",
        "run": record.run,
        "startTime": rfc3339(record.start_ms) if record.start_ms else "",
        "lastTime": rfc3339(record.last_ms) if record.last_ms else "",
        "nextTime": rfc3339(next_ms) if next_ms else "",
        "ended": record.ended,
        "message": record.message,
        "cost": f"{amount(record.cost_nano)}{money}" if record.ended else "",
        "spent": amount(record.spent_nano) if record.day else "",
        "spentOn": record.day,
        "reserved": amount(record.reserved_nano) if record.reserved_nano else "",
        "interrupted": record.interrupted,
        "order": record.order,
        "ordered": record.ordered,
    }
    return {key: value for key, value in values.items() if value not in ("", 0)}
