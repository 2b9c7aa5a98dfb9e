"""PURE: a summary as a table for people, and as CSV for their programs."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pointsman.ledger.hosted import Bill, Hosted
from pointsman.ledger.summary import Estimate, Line, Summary, Times, money

_HEAD: Final = (
    "backend", "task", "requests", "errors", "fallbacks", "tokens in", "out", "cost", "saved",
    "p50", "p95", "first p95", "quality", "n",
)  # fmt: skip
_HOSTED_HEAD: Final = (
    "paid by the hour", "replica-hours", "idle", "cost", "idle cost", "requests", "a request",
    "a million tokens", "unknown",
)  # fmt: skip
_HOUR_MS: Final = 3_600_000


def table(summary: Summary) -> str:
    """Lines by backend and task, totals, teams, replicas, and what the figures leave out."""
    if not summary.lines:
        nothing = f"{_time(summary)}: no requests\n"
        return nothing + "".join(f"{line}\n" for line in ("", *_replicas(summary))[:-1])
    rows = [_row(line, line.by["backend"] or "-", line.by["task"] or "-") for line in summary.lines]
    totals = [_row(line, "total", "") for line in summary.totals]
    teams = [
        (line.by["team"] or "-", f"{line.requests:,}", money(line.cost_nano, line.currency),
         money(line.savings_nano, line.currency))
        for line in summary.teams
    ]  # fmt: skip
    parts = [_time(summary), "", *columns((_HEAD, *rows, *totals), texts=2), ""]
    parts += [*columns((("team", "requests", "cost", "saved"), *teams), texts=1), ""]
    parts += _replicas(summary)
    return "\n".join(parts + _notes(summary)) + "\n"


def _replicas(summary: Summary) -> list[str]:
    """What is paid for time, and the whole bill; nothing where nothing is paid so."""
    if not summary.hosted:
        return []
    rows = [_hosted_row(one) for one in summary.hosted]
    found = columns((_HOSTED_HEAD, *rows), texts=1)
    found += ["", *(_bill(one) for one in summary.bills if one.replicas_nano), ""]
    return found


def _hosted_row(one: Hosted) -> tuple[str, ...]:
    each = (one.per_request_nano, one.per_million_nano)
    return (
        one.backend,
        f"{one.replica_ms / _HOUR_MS:,.2f}",
        f"{one.idle_ms / max(1, one.replica_ms):.0%}",
        money(one.cost_nano, one.currency),
        money(one.idle_nano, one.currency),
        f"{one.requests:,}",
        *("-" if nano is None else money(nano, one.currency) for nano in each),
        f"{one.unknown_ms / _HOUR_MS:,.2f} h" if one.unknown_ms else "-",
    )


def _bill(one: Bill) -> str:
    requests, replicas, total, saved = (
        money(nano, one.currency)
        for nano in (one.requests_nano, one.replicas_nano, one.total_nano, one.savings_nano)
    )
    return (
        f"bill: requests {requests} + replicas {replicas} = {total}; saved, less the replicas:"
        f" {saved}"
    )


def _time(summary: Summary) -> str:
    moments = (summary.from_ms, summary.to_ms)
    begin, end = (f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M}" for at in moments)
    return f"{begin} to {end} UTC"


def _row(line: Line, backend: str, task: str) -> tuple[str, ...]:
    quality = line.quality
    first = line.first_token
    return (
        backend,
        task,
        f"{line.requests:,}",
        f"{line.error_share.value:.1%}",
        f"{line.fallbacks / max(1, line.requests):.1%}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        money(line.cost_nano, line.currency) + ("~" if line.estimated else ""),
        money(line.savings_nano, line.currency),
        _seconds(line.duration.p50) if line.duration else "-",
        _interval(line.duration.p95) if line.duration else "-",
        _seconds(first.p95) if first else "-",
        f"{quality.value:.2f} [{quality.low:.2f}, {quality.high:.2f}]" if quality else "-",
        f"{quality.n:,}" if quality else "0",
    )


def _notes(summary: Summary) -> list[str]:
    estimated = sum(line.estimated for line in summary.totals)
    wrong = sum(line.clock_wrong for line in summary.totals)
    notes = [
        "quality: mean of the ratings, 0 to 1, of n requests, with its 95 % interval.",
        "p50, p95: of complete answers, at most 41 % off by the bins; p95 with its 95 % interval.",
        "cost is exact, and has none. saved: against the baseline.",
    ]
    if estimated:
        notes.append(f"~ {estimated:,} answers did not state their tokens: these are estimated.")
    if wrong:
        notes.append(f"{wrong:,} events had an absurd time and count where they arrived.")
    if any(one.unknown_ms for one in summary.hosted):
        notes.append(
            "unknown: nobody watched; replicas that came and went in that time are not counted."
        )
    if summary.lost:
        notes.append(f"{summary.lost:,} events were lost by routers that could not keep them.")
    return notes


def _seconds(time: Estimate) -> str:
    return f"{time.value / 1000:.2f} s"


def _interval(time: Estimate) -> str:
    return f"{_seconds(time)} [{time.low / 1000:.2f}, {time.high / 1000:.2f}]"


def columns(rows: Sequence[Sequence[str]], texts: int) -> list[str]:
    """The first `texts` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def csv_text(summary: Summary) -> str:
    """
    A row for each backend and task, money in billionths, times in milliseconds.

    Replicas that are paid by the hour have rows of their own, with nothing of requests in them: in
    each column the rows add up.
    """
    text = io.StringIO()
    rows = [_record(line) for line in summary.lines]
    rows += [_hosted_record(one) for one in summary.hosted]
    names = dict.fromkeys(["backend", "task", "currency"])
    names |= dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(names))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _record(line: Line) -> dict[str, object]:
    quality = line.quality
    numbers = {
        name: getattr(line, name)
        for name in (
            "requests", "errors", "fallbacks", "estimated", "clock_wrong", "input_tokens",
            "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano", "baseline_nano",
            "savings_nano",
        )
    }  # fmt: skip
    return {
        **line.by,
        "currency": line.currency,
        **numbers,
        **_estimate("error_share", line.error_share),
        **_times("duration", line.duration),
        **_times("first_token", line.first_token),
        **_estimate("quality", quality),
        "quality_n": quality.n if quality else 0,
        "feedback": line.feedback,
        **line.verdicts,
        "retried": line.retried,
        "abandoned": line.abandoned,
    }


def _hosted_record(one: Hosted) -> dict[str, object]:
    return {
        "backend": one.backend,
        "task": "",
        "currency": one.currency,
        "replica_ms": one.replica_ms,
        "replica_idle_ms": one.idle_ms,
        "replica_unknown_ms": one.unknown_ms,
        "replica_cost_nano": one.cost_nano,
        "replica_idle_cost_nano": one.idle_nano,
    }


def _times(name: str, times: Times | None) -> dict[str, object]:
    return {
        f"{name}_n": times.n if times else 0,
        **_estimate(f"{name}_p50_ms", times.p50 if times else None),
        **_estimate(f"{name}_p95_ms", times.p95 if times else None),
    }


def _estimate(name: str, found: Estimate | None) -> dict[str, object]:
    value, low, high = (found.value, found.low, found.high) if found else ("", "", "")
    return {name: value, f"{name}_low": low, f"{name}_high": high}
