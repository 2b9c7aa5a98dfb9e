"""PURE: what the ledger is asked, as SQL for both dialects, and what it answers.

A question about [from, to) is answered from rollups: days where it has whole ones, hours and
5 minutes at its ends. Where the finest are gone, its ends move out to whole hours.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final, Literal, get_args

import msgspec

from pointsman.events.schema import NANO
from pointsman.ledger.histogram import quantile_us
from pointsman.ledger.hosted import Bill, Hosted
from pointsman.ledger.rows import Row
from pointsman.ledger.tally import COLUMNS, DURATION, FIRST_TOKEN, SPANS_MS

By = Literal["policy", "rule", "task", "backend", "team"]
BYS: Final[tuple[By, ...]] = get_args(By)
_Z: Final = 1.959964
"""Of 95 %."""
_FIRST_DURATION: Final = COLUMNS.index(DURATION[0])
_FIRST_TOKEN: Final = COLUMNS.index(FIRST_TOKEN[0])


class Estimate(msgspec.Struct, frozen=True):
    """A value and its interval of 95 %."""

    value: float
    low: float
    high: float


class Quality(Estimate, frozen=True):
    """
    Mean of the ratings of `n` requests, 0 to 1, with Wilson's interval.

    For scores between 0 and 1 it is at least as wide as it has to be: nothing between 0 and 1
    varies more than what is only ever one of the two.
    """

    n: int


class Times(msgspec.Struct, frozen=True):
    """
    Of `n` complete answers, in milliseconds, as near as the bins of the histogram.

    The interval is of the order statistics, whatever the distribution.
    """

    n: int
    p50: Estimate
    p95: Estimate


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of what has the same `by` and currency; money in billionths, times in milliseconds."""

    by: dict[str, str]
    currency: str
    requests: int
    errors: int
    fallbacks: int
    estimated: int
    clock_wrong: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nano: int
    baseline_nano: int
    savings_nano: int
    """Baseline less cost, of the requests that have a baseline."""
    error_share: Estimate
    duration: Times | None
    first_token: Times | None
    """Of answers that were streamed."""
    quality: Quality | None
    feedback: int
    verdicts: dict[str, int]
    retried: int
    abandoned: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of one time: Unix time in ms, as it was answered."""

    from_ms: int
    to_ms: int
    lines: list[Line]
    """By what was asked for; by backend and task if nothing was."""
    totals: list[Line]
    """By currency; one as a rule."""
    teams: list[Line]
    """Those who spent most."""
    lost: int
    """Events that routers had to drop, of spools that were heard of since."""
    hosted: list[Hosted] = []
    """Backends whose replicas are paid by the hour."""
    bills: list[Bill] = []
    """By currency: requests and replicas; `totals` are of requests alone."""


def interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's, of a share or a mean of n values between 0 and 1; n from 1 on."""
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def cut(from_ms: int, to_ms: int, finest_ms: int) -> list[tuple[int, int, int]]:
    """
    (span, from, to) of rollups that make up [from, to), rounded out to what there is.

    Before `finest_ms` there are no spans of 5 minutes.
    """
    small, hour, day = SPANS_MS
    edge = hour if from_ms < finest_ms else small
    begin = from_ms - from_ms % edge
    edge = hour if to_ms < finest_ms else small
    end = -(-to_ms // edge) * edge
    found: list[tuple[int, int, int]] = []
    tail: list[tuple[int, int, int]] = []
    for span, larger in ((small, hour), (hour, day)):
        if begin >= end:
            break
        inner_begin, inner_end = -(-begin // larger) * larger, end - end % larger
        if inner_begin > inner_end:
            found.append((span, begin, end))
            begin = end
            break
        if begin < inner_begin:
            found.append((span, begin, inner_begin))
        if inner_end < end:
            tail.append((span, inner_end, end))
        begin, end = inner_begin, inner_end
    if begin < end:
        found.append((day, begin, end))
    return sorted(found + tail, key=lambda one: one[1])


def sums(by: Sequence[By], spans: Sequence[tuple[int, int, int]]) -> tuple[str, list[object]]:
    """SQL and values for the sums of these spans; rows: `by`, currency, COLUMNS."""
    keys = ", ".join(f"s.{name}" for name in (*by, "currency"))
    added = ", ".join(f"SUM(r.{name})" for name in COLUMNS)
    one = (
        f"SELECT {keys}, {added} FROM rollups r JOIN series s ON s.id = r.series"  # noqa: S608
        f" WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ? GROUP BY {keys}"
    )
    return " UNION ALL ".join([one] * len(spans)), [value for span in spans for value in span]


def merge(rows: Iterable[Row], keys: int) -> dict[tuple[str, ...], list[int]]:
    """Rows of one key added up; `keys` of the first columns make the key, currency included."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        key = tuple(str(part) for part in row[:keys])
        values = [int(value) for value in row[keys:]]  # type: ignore[call-overload]
        known = found.get(key)
        found[key] = (
            values if known is None else [a + b for a, b in zip(known, values, strict=True)]
        )
    return found


def line(by: Sequence[By], key: Sequence[str], values: Sequence[int]) -> Line:
    """What the sums of one key say."""
    of = dict(zip(COLUMNS, values, strict=True))
    n, quality = of["rated"], None
    if n:
        mean = of["rating_micro"] / 1_000_000 / n
        quality = Quality(mean, *interval(mean, n), n)
    errors = of["errors"] / max(1, of["requests"])
    plain = {name: of[name] for name in Line.__struct_fields__ if name in of}
    return Line(
        by=dict(zip(by, key, strict=False)),
        currency=key[-1],
        savings_nano=of["baseline_nano"] - of["compared_nano"],
        error_share=Estimate(errors, *interval(errors, max(1, of["requests"]))),
        duration=times(values[_FIRST_DURATION:_FIRST_TOKEN]),
        first_token=times(values[_FIRST_TOKEN:]),
        quality=quality,
        verdicts={
            name: of[name] for name in ("good_fit", "underpowered", "overprovisioned", "failed")
        },
        **plain,
    )


def times(bins: Sequence[int]) -> Times | None:
    """None for no answers."""
    n = sum(bins)
    return Times(n, _quantile(bins, 0.5, n), _quantile(bins, 0.95, n)) if n else None


def _quantile(bins: Sequence[int], share: float, n: int) -> Estimate:
    half = _Z * sqrt(share * (1 - share) / n)
    shares = (share, max(0.0, share - half), min(1.0, share + half))
    return Estimate(*(round((quantile_us(bins, one) or 0.0) / 1000, 3) for one in shares))


def lines(by: Sequence[By], rows: Iterable[Row]) -> list[Line]:
    """What costs most first, then what is asked most."""
    merged = merge(rows, len(by) + 1)
    found = [line(by, key, values) for key, values in merged.items()]
    return sorted(found, key=lambda one: (-one.cost_nano, -one.requests, *one.by.values()))


def money(nano: int, currency: str) -> str:
    """Four digits that say something, as people write it: 0.001234 USD, 12.35 USD."""
    value = abs(nano) / NANO
    digits = 2 if value >= 10 or not nano else 4 if value >= 0.1 else 6
    return f"{nano / NANO:,.{digits}f}" + (f" {currency}" if currency else "")
