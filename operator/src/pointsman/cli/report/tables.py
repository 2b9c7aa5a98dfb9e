"""PURE: a summary as a table for people, and as CSV for their programs."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pointsman.ledger.summary import Estimate, Line, Summary, Times

NANO: Final = 1_000_000_000
_HEAD: Final = (
    "backend", "task", "requests", "errors", "fallbacks", "tokens in", "out", "cost", "saved",
    "p50", "p95", "first p95", "quality", "n",
)  # fmt: skip


def table(summary: Summary) -> str:
    """Lines by backend and task, totals, teams, and what the figures leave out."""
    if not summary.lines:
        return f"{_time(summary)}: no requests\n"
    rows = [_row(line, line.by["backend"] or "-", line.by["task"] or "-") for line in summary.lines]
    totals = [_row(line, "total", "") for line in summary.totals]
    teams = [
        (line.by["team"] or "-", f"{line.requests:,}", money(line.cost_nano, line.currency),
         money(line.savings_nano, line.currency))
        for line in summary.teams
    ]  # fmt: skip
    parts = [_time(summary), "", *columns((_HEAD, *rows, *totals), texts=2), ""]
    parts += [*columns((("team", "requests", "cost", "saved"), *teams), texts=1), ""]
    return "\n".join(parts + _notes(summary)) + "\n"


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
        _seconds(line.duration.p95) if line.duration else "-",
        _seconds(first.p95) if first else "-",
        f"{quality.value:.2f} [{quality.low:.2f}, {quality.high:.2f}]" if quality else "-",
        f"{quality.n:,}" if quality else "0",
    )


def _notes(summary: Summary) -> list[str]:
    estimated = sum(line.estimated for line in summary.totals)
    wrong = sum(line.clock_wrong for line in summary.totals)
    notes = [
        "quality: mean of the ratings, 0 to 1, of n requests, with its 95 % interval.",
        "p50, p95: of complete answers, at most 41 % off by the bins. saved: against the baseline.",
    ]
    if estimated:
        notes.append(f"~ {estimated:,} answers did not state their tokens: these are estimated.")
    if wrong:
        notes.append(f"{wrong:,} events had an absurd time and count where they arrived.")
    if summary.lost:
        notes.append(f"{summary.lost:,} events were lost by routers that could not keep them.")
    return notes


def money(nano: int, currency: str) -> str:
    """Four digits that say something, as people write it: 0.001234 USD, 12.35 USD."""
    value = abs(nano) / NANO
    digits = 2 if value >= 10 or not nano else 4 if value >= 0.1 else 6
    return f"{nano / NANO:,.{digits}f}" + (f" {currency}" if currency else "")


def _seconds(time: Estimate) -> str:
    return f"{time.value / 1000:.2f} s"


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
    """A row for each backend and task, money in billionths, times in milliseconds."""
    text = io.StringIO()
    rows = [_record(line) for line in summary.lines]
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["backend", "task", "currency"])
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


def _times(name: str, times: Times | None) -> dict[str, object]:
    return {
        f"{name}_n": times.n if times else 0,
        **_estimate(f"{name}_p50_ms", times.p50 if times else None),
        **_estimate(f"{name}_p95_ms", times.p95 if times else None),
    }


def _estimate(name: str, found: Estimate | None) -> dict[str, object]:
    value, low, high = (found.value, found.low, found.high) if found else ("", "", "")
    return {name: value, f"{name}_low": low, f"{name}_high": high}
