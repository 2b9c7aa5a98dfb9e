"""PURE: replicas that are paid by the hour: rows, sums, and what they cost for what they did.

A window of one account is kept once, whoever sends it. Its sums are apart from those of requests:
what is paid for time is in no request's cost, so that nothing counts twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from pointsman.events.schema import WINDOW_MS, Replicas
from pointsman.ledger.rows import MAX_NAME, MAX_NANO, MAX_NUMBER, Refusal, Row, when_ms
from pointsman.ledger.tally import SPANS_MS

WINDOW: Final = (
    "account", "from_ms", "at_ms", "backend", "currency", "replica_ms", "watched_ms", "idle_ms",
    "cost_nano", "idle_nano",
)  # fmt: skip
"""Columns of a window's row."""
ADDED: Final = ("replica_ms", "watched_ms", "idle_ms", "cost_nano", "idle_nano")
"""Columns of a sum that are added up; it has, too, when its windows begin and end."""
_MILLION: Final = 1_000_000


class HostedKey(NamedTuple):
    """One sum; in the order in which rows are locked."""

    span_ms: int
    bucket_ms: int
    backend: str
    currency: str


class Sum(msgspec.Struct, frozen=True):
    """Of some windows; `added` in the order of ADDED."""

    first_ms: int
    last_ms: int
    added: tuple[int, ...]

    def __add__(self, other: "Sum") -> "Sum":
        """Of both."""
        return Sum(
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
            tuple(map(sum, zip(self.added, other.added, strict=True))),
        )


class Hosted(msgspec.Struct, frozen=True, kw_only=True):
    """One backend whose replicas are paid by the hour; money in billionths."""

    backend: str
    currency: str
    replica_ms: int
    unknown_ms: int
    """Between its first and its last window: nobody was looking, so replicas that came and went in
    that time are missing."""
    idle_ms: int
    """Of replica_ms: more replicas than requests. At least so much: a replica may wait with one."""
    cost_nano: int
    idle_nano: int
    requests: int
    """Of the backend in the same time, in all currencies."""
    tokens: int
    """Of prompts and answers."""
    per_request_nano: int | None
    per_million_nano: int | None
    """Of a million tokens; None without any."""


class Bill(msgspec.Struct, frozen=True):
    """What is paid in one currency: for requests, for replicas, and for both; in billionths."""

    currency: str
    requests_nano: int
    replicas_nano: int
    total_nano: int
    savings_nano: int
    """Savings of the requests, less all that the replicas cost."""


def refuse_window(event: Replicas) -> Refusal | None:
    """None for an event that can be kept."""
    names = (event.account, event.backend, event.currency)
    sane = (
        event.account
        and event.backend
        and max(map(len, names)) <= MAX_NAME
        and event.from_ms % WINDOW_MS == 0
        and abs(event.from_ms) < 2**53
        and 0 <= event.watched_ms <= WINDOW_MS
        and 0 <= event.idle_ms <= event.replica_ms <= MAX_NUMBER
        and 0 <= event.idle_nano <= event.cost_nano <= MAX_NANO
    )
    return None if sane else "OutOfRange"


def window_row(event: Replicas, now_ms: int) -> Row:
    """Values of the columns WINDOW; under the time that it came if its own is absurd."""
    at_ms, wrong = when_ms(event.from_ms, now_ms)
    return (
        event.account, event.from_ms, at_ms - at_ms % WINDOW_MS if wrong else at_ms, event.backend,
        event.currency, event.replica_ms, event.watched_ms, event.idle_ms, event.cost_nano,
        event.idle_nano,
    )  # fmt: skip


def moved(rows: Iterable[Row]) -> list[tuple[HostedKey, Sum]]:
    """By how much windows move the sums, in the order of the keys."""
    found: dict[HostedKey, Sum] = {}
    for row in rows:
        at_ms, backend, currency = int(str(row[2])), str(row[3]), str(row[4])
        one = Sum(at_ms, at_ms + WINDOW_MS, tuple(int(str(value)) for value in row[5:]))
        for span_ms in SPANS_MS:
            key = HostedKey(span_ms, at_ms - at_ms % span_ms, backend, currency)
            found[key] = found[key] + one if key in found else one
    return sorted(found.items())


def move(table_now: str) -> str:
    """The end of an INSERT into the sums: what to do with one that is there."""
    added = ", ".join(f"{name} = {table_now}{name} + excluded.{name}" for name in ADDED)
    ends = ", ".join(
        f"{name} = CASE WHEN excluded.{name} {sign} {table_now}{name} THEN excluded.{name}"
        f" ELSE {table_now}{name} END"
        for name, sign in (("first_ms", "<"), ("last_ms", ">"))
    )
    return f" ON CONFLICT (span_ms, bucket_ms, backend, currency) DO UPDATE SET {added}, {ends}"


def question(spans: Sequence[tuple[int, int, int]]) -> tuple[str, list[object]]:
    """SQL and values for the sums of these spans; rows: backend, currency, ends, ADDED."""
    added = ", ".join(f"SUM({name})" for name in ADDED)
    one = (
        f"SELECT backend, currency, MIN(first_ms), MAX(last_ms), {added} FROM hosted"  # noqa: S608
        " WHERE span_ms = ? AND bucket_ms >= ? AND bucket_ms < ? GROUP BY backend, currency"
    )
    return " UNION ALL ".join([one] * len(spans)), [value for span in spans for value in span]


def hosted(rows: Iterable[Row], did: Mapping[str, tuple[int, int]]) -> list[Hosted]:
    """What costs most first; `did`: requests and tokens by backend."""
    found: dict[tuple[str, str], Sum] = {}
    for row in rows:
        key = (str(row[0]), str(row[1]))
        first, last, *added = (int(str(value)) for value in row[2:])
        one = Sum(first, last, tuple(added))
        found[key] = found[key] + one if key in found else one
    told = [_told(*key, one, *did.get(key[0], (0, 0))) for key, one in found.items()]
    return sorted(told, key=lambda one: (-one.cost_nano, one.backend, one.currency))


def _told(backend: str, currency: str, found: Sum, requests: int, tokens: int) -> Hosted:
    replica_ms, watched_ms, idle_ms, cost_nano, idle_nano = found.added
    return Hosted(
        backend=backend,
        currency=currency,
        replica_ms=replica_ms,
        unknown_ms=max(0, found.last_ms - found.first_ms - watched_ms),
        idle_ms=idle_ms,
        cost_nano=cost_nano,
        idle_nano=idle_nano,
        requests=requests,
        tokens=tokens,
        per_request_nano=_share(cost_nano, requests),
        per_million_nano=_share(cost_nano * _MILLION, tokens),
    )


def _share(nano: int, count: int) -> int | None:
    """Rounded half up."""
    return (2 * nano + count) // (2 * count) if count else None


def bills(requests: Iterable[tuple[str, int, int]], replicas: Iterable[Hosted]) -> list[Bill]:
    """By currency; `requests`: currency, cost and savings of each."""
    sums: dict[str, tuple[int, int, int]] = {}
    for currency, cost, saved in requests:
        known = sums.get(currency, (0, 0, 0))
        sums[currency] = (known[0] + cost, known[1] + saved, known[2])
    for one in replicas:
        known = sums.get(one.currency, (0, 0, 0))
        sums[one.currency] = (known[0], known[1], known[2] + one.cost_nano)
    return [
        Bill(currency, cost, hours, cost + hours, saved - hours)
        for currency, (cost, saved, hours) in sorted(sums.items())
    ]
