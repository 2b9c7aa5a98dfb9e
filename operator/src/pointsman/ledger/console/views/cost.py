"""PURE: what requests cost and saved over time, of one currency.

Guarantees that the bars add up to the total: backends beyond the MOST that cost most are one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.ledger.hosted import Hosted
from pointsman.ledger.rows import DAY_MS, Row
from pointsman.ledger.summary import merge, times
from pointsman.ledger.tally import DURATION, SPANS_MS

MOST: Final = 6
OTHERS: Final = "others"
LINES: Final = 40
TEAMS: Final = 20
_HOUR_MS: Final = SPANS_MS[1]
PERIODS: Final = {"24h": (DAY_MS, _HOUR_MS), "7d": (7 * DAY_MS, 6 * _HOUR_MS),
                  "30d": (30 * DAY_MS, DAY_MS), "90d": (90 * DAY_MS, DAY_MS)}  # fmt: skip
"""Names, lengths, and the time of one bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One time; `parts` in the order of the backends."""

    from_ms: int
    parts: tuple[int, ...]
    baseline_nano: int
    """What the requests that have a baseline would have cost, and the others did."""
    requests: int

    @property
    def cost_nano(self) -> int:
        """Of all of them."""
        return sum(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one model did in one task; times of complete answers in milliseconds."""

    backend: str
    task: str
    requests: int
    errors: int
    cost_nano: int
    savings_nano: int
    has_baseline: bool
    input_tokens: int
    output_tokens: int
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """What one spent."""

    name: str
    requests: int
    errors: int
    cost_nano: int
    savings_nano: int
    has_baseline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one period and currency."""

    period: str
    currency: str
    currencies: tuple[str, ...]
    from_ms: int
    to_ms: int
    step_ms: int
    backends: tuple[str, ...]
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    teams: tuple[Team, ...]
    hosted: tuple[Hosted, ...]
    hosted_nano: int
    """Of all replicas, also of those that are not shown."""
    further: int
    """Lines that are not shown."""
    requests: int
    cost_nano: int
    savings_nano: int
    has_baseline: bool


def question(period: str, now_ms: int) -> tuple[str, list[object]]:
    """SQL and values; rows: time, backend, currency, requests, cost, baseline, compared."""
    _length, step = PERIODS[period]
    from_ms, to_ms = ends(period, now_ms)
    span = SPANS_MS[2] if step >= DAY_MS else _HOUR_MS
    return (
        (
            "SELECT r.bucket_ms / ? * ?, s.backend, s.currency, SUM(r.requests),"
            " SUM(r.cost_nano), SUM(r.baseline_nano), SUM(r.compared_nano)"
            " FROM rollups r JOIN series s ON s.id = r.series"
            " WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ?"
            " GROUP BY 1, s.backend, s.currency"
        ),
        [step, step, span, from_ms, to_ms],
    )


def ends(period: str, now_ms: int) -> tuple[int, int]:
    """[from, to) in whole bars, the last one of now."""
    length, step = PERIODS[period]
    to_ms = now_ms - now_ms % step + step
    return to_ms - length, to_ms


_COUNTED: Final = (
    "requests", "errors", "cost_nano", "baseline_nano", "compared_nano", "input_tokens",
    "output_tokens",
)  # fmt: skip


def lines(spans: Sequence[tuple[int, int, int]]) -> tuple[str, list[object]]:
    """SQL and values; rows: backend, task, currency, _COUNTED, DURATION."""
    added = ", ".join(f"SUM(r.{name})" for name in (*_COUNTED, *DURATION))
    one = (
        f"SELECT s.backend, s.task, s.currency, {added}"  # noqa: S608 - names of ours
        " FROM rollups r JOIN series s ON s.id = r.series"
        " WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ?"
        " GROUP BY s.backend, s.task, s.currency"
    )
    return " UNION ALL ".join([one] * len(spans)), [value for span in spans for value in span]


def teams(spans: Sequence[tuple[int, int, int]]) -> tuple[str, list[object]]:
    """SQL and values; rows: team, currency, requests, errors, cost, baseline, compared."""
    one = (
        "SELECT s.team, s.currency, SUM(r.requests), SUM(r.errors), SUM(r.cost_nano),"
        " SUM(r.baseline_nano), SUM(r.compared_nano)"
        " FROM rollups r JOIN series s ON s.id = r.series"
        " WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ?"
        " GROUP BY s.team, s.currency"
    )
    return " UNION ALL ".join([one] * len(spans)), [value for span in spans for value in span]


def cost(
    rows: Sequence[Row],
    done: Sequence[Row],
    spent_by: Sequence[Row],
    replicas: Sequence[Hosted],
    *,
    period: str,
    currency: str,
    now_ms: int,
) -> Cost:
    """Of the rows of these questions; without a currency, or one that is not there, the dearest."""
    spent: Counter[str] = Counter()
    for row in rows:
        spent[str(row[2])] += int(str(row[4]))
    for one in replicas:
        spent[one.currency] += one.cost_nano
    currencies = tuple(sorted(spent, key=lambda one: (-spent[one], one)))
    chosen = currency if currency in spent else (currencies[0] if currencies else "")
    mine = [_numbers(row) for row in rows if row[2] == chosen]
    dear: Counter[str] = Counter()
    for _, backend, _, nano, _, _ in mine:
        dear[backend] += nano
    backends = sorted(dear, key=lambda one: (-dear[one], one))
    if len(backends) > MOST:
        backends = [*backends[: MOST - 1], OTHERS]
    from_ms, to_ms = ends(period, now_ms)
    shown = _lines(done, chosen)
    paid = [one for one in replicas if one.currency == chosen]
    baseline = sum(row[4] for row in mine)
    return Cost(
        period=period,
        currency=chosen,
        currencies=currencies,
        from_ms=from_ms,
        to_ms=to_ms,
        step_ms=PERIODS[period][1],
        backends=tuple(name or "no backend" for name in backends),
        bars=_bars(mine, backends, from_ms, to_ms, PERIODS[period][1]),
        lines=tuple(shown[:LINES]),
        teams=_teams(spent_by, chosen),
        hosted=tuple(paid[:LINES]),
        hosted_nano=sum(one.cost_nano for one in paid),
        further=max(0, len(shown) - LINES),
        requests=sum(row[2] for row in mine),
        cost_nano=sum(row[3] for row in mine),
        savings_nano=baseline - sum(row[5] for row in mine),
        has_baseline=baseline > 0,
    )


def _lines(rows: Iterable[Row], currency: str) -> list[Line]:
    """What costs most first."""
    merged = merge((row for row in rows if row[2] == currency), 3)
    found = []
    for (backend, task, _), values in merged.items():
        of = dict(zip(_COUNTED, values, strict=False))
        took = times(values[len(_COUNTED) :])
        found.append(
            Line(
                backend=backend or "no backend",
                task=task or "undecided",
                requests=of["requests"],
                errors=of["errors"],
                cost_nano=of["cost_nano"],
                savings_nano=of["baseline_nano"] - of["compared_nano"],
                has_baseline=of["baseline_nano"] > 0,
                input_tokens=of["input_tokens"],
                output_tokens=of["output_tokens"],
                p50_ms=took.p50.value if took else None,
                p95_ms=took.p95.value if took else None,
            )
        )
    return sorted(found, key=lambda one: (-one.cost_nano, -one.requests, one.backend, one.task))


def _teams(rows: Iterable[Row], currency: str) -> tuple[Team, ...]:
    """Those that spent most."""
    found: dict[str, list[int]] = {}
    for team, paid_in, *numbers in rows:
        if paid_in == currency:
            whole = [int(str(one)) for one in numbers]
            known = found.get(str(team), [0] * len(whole))
            found[str(team)] = [a + b for a, b in zip(known, whole, strict=True)]
    told = [
        Team(
            name=name or "no team",
            requests=requests,
            errors=errors,
            cost_nano=nano,
            savings_nano=baseline - compared,
            has_baseline=baseline > 0,
        )
        for name, (requests, errors, nano, baseline, compared) in found.items()
    ]
    return tuple(sorted(told, key=lambda one: (-one.cost_nano, one.name))[:TEAMS])


_Numbers = tuple[int, str, int, int, int, int]


def _numbers(row: Row) -> _Numbers:
    at_ms, backend, _, requests, nano, baseline, compared = row
    whole = [int(str(one)) for one in (at_ms, requests, nano, baseline, compared)]
    return whole[0], str(backend), whole[1], whole[2], whole[3], whole[4]


def _bars(
    rows: Iterable[_Numbers], backends: Sequence[str], from_ms: int, to_ms: int, step: int
) -> tuple[Bar, ...]:
    places = {name: number for number, name in enumerate(backends)}
    parts = {at: [0] * len(backends) for at in range(from_ms, to_ms, step)}
    would, asked = dict.fromkeys(parts, 0), dict.fromkeys(parts, 0)
    for at, backend, requests, nano, baseline, compared in rows:
        if at in parts:
            parts[at][places.get(backend, len(backends) - 1)] += nano
            would[at] += nano - compared + baseline
            asked[at] += requests
    return tuple(
        Bar(from_ms=at, parts=tuple(parts[at]), baseline_nano=would[at], requests=asked[at])
        for at in sorted(parts)
    )
