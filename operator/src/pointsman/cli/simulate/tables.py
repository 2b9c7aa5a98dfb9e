"""PURE: a replay and its outcome as a table for people, as CSV and as JSON for their programs."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from pointsman.api.reviewing import MODES
from pointsman.cli.report.tables import columns
from pointsman.cli.simulate.conditions import Verdict, words
from pointsman.cli.simulate.measured import Compared
from pointsman.cli.simulate.outcome import Outcome
from pointsman.cli.simulate.replay import Replay
from pointsman.ledger.summary import Estimate, money

NOBODY: Final = "(nobody)"
_ROWS: Final = 20
"""Of the matrix and of the rules; all are in CSV and JSON."""


def table(
    replay: Replay, found: Outcome, verdicts: Sequence[Verdict], notes: Sequence[str], *, two: bool
) -> str:
    """The matrix, the rules that differ, the figures, notes, and what the conditions say."""
    parts = [*_matrix(replay, two=two), "", *_rules(replay, two=two), ""]
    parts += [*_figures(replay, found, two=two), "", *notes]
    if verdicts:
        parts.append("")
    parts += [
        f"{'FAILED' if one.failed else 'passed'} {one.condition}: {one.words}" for one in verdicts
    ]
    return "\n".join(parts) + "\n"


def _matrix(replay: Replay, *, two: bool) -> list[str]:
    currency = _currency(replay)
    n = max(1, replay.requests)
    flows = sorted(replay.flows().items(), key=lambda one: (-one[1], one[0]))
    rows: list[tuple[str, ...]] = [
        ("from", "to", "requests", "share", "cost before", "after")
        if two else ("to", "requests", "share", "cost")
    ]  # fmt: skip
    for (before, after), count in flows[:_ROWS]:
        was, now = replay.cost[before, after]
        numbers = (f"{count:,}", f"{count / n:.1%}")
        to = after or NOBODY
        if two:
            kept = "=" if before == after else before or NOBODY
            rows.append((kept if kept != "=" else to, to if kept != "=" else "stays", *numbers,
                         money(was, currency), money(now, currency)))  # fmt: skip
        else:
            rows.append((to, *numbers, money(now, currency)))
    more = [f"and {len(flows) - _ROWS} more ways (-o csv)"] if len(flows) > _ROWS else []
    return [*columns(rows, texts=2 if two else 1), *more]


def _rules(replay: Replay, *, two: bool) -> list[str]:
    n = max(1, replay.requests)
    found = sorted(replay.rules.items(), key=lambda one: (-one[1], one[0]))
    if two:
        found = [one for one in found if one[0][0] != one[0][1]]
        if not found:
            return ["every request meets a rule of the same name"]
        head = ("rule before", "rule after", "requests", "share")
        rows = [(was or "-", now, f"{count:,}", f"{count / n:.1%}") for (was, now), count in found]
    else:
        head = ("rule", "", "requests", "share")
        rows = [(now, "", f"{count:,}", f"{count / n:.1%}") for (_, now), count in found]
    more = [f"and {len(rows) - _ROWS} more (-o csv)"] if len(rows) > _ROWS else []
    return [*columns([head, *rows[:_ROWS]], texts=2), *more]


def _figures(replay: Replay, found: Outcome, *, two: bool) -> Iterator[str]:
    if found.changed is not None:
        yield f"changed     {words(found.changed, signed=False, percent=True)} of the requests"
    lost = words(found.unroutable, signed=False, percent=True)
    yield f"unroutable  {found.unroutable_requests:,}: {lost} of the requests"
    if replay.reviews:
        yield f"reviewed    {_reviews(replay, two=two)}"
    currency = _currency(replay)
    now = money(int(replay.moments.b), currency)
    if not two:
        without = ", ".join(sorted(replay.unpriced))
        yield f"cost        {now}{f', without {without} (no price)' if without else ''}"
        return
    was = money(int(replay.moments.a), currency)
    sums = f": {was} -> {now}" if found.cost else ""
    yield f"cost        {_or(found.cost, 'cost', found)}{sums}"
    yield f"latency     {_or(found.latency, 'latency', found)}{_from(found.latency_s, ' s')}"
    yield f"quality     {_or(found.quality, 'quality', found)}{_from(found.quality_of, '')}"


def _reviews(replay: Replay, *, two: bool) -> str:
    """Requests by mode, the strictest first."""
    told = []
    for mode in reversed(MODES):
        was, now = (
            sum(count for key, count in replay.reviews.items() if key[side] == mode)
            for side in (0, 1)
        )
        if was or now:
            told.append(f"{mode} {was:,} -> {now:,}" if two else f"{mode} {now:,}")
    return ", ".join(told)


def _or(estimate: Estimate | None, name: str, found: Outcome) -> str:
    if estimate is None:
        return f"unknown: {found.unknown.get(name, 'not measured')}"
    return words(estimate, signed=True, percent=name != "quality")


def _from(found: Compared | None, unit: str) -> str:
    if found is None:
        return ""
    known = "" if found.share > 0.9995 else f", known for {found.share:.1%} of the requests"
    return f": {found.before:.3f}{unit} -> {found.after:.3f}{unit}{known}"


def _currency(replay: Replay) -> str:
    return "+".join(sorted(replay.currencies))


def csv_text(replay: Replay) -> str:
    """A row for each (backend before, backend after, task)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("from", "to", "task", "requests"))
    writer.writerows((*key, count) for key, count in sorted(replay.cells.items()))
    return text.getvalue()


def as_json(
    replay: Replay, found: Outcome, verdicts: Sequence[Verdict], notes: Sequence[str]
) -> dict[str, Any]:
    """All of it as plain values; money in billionths."""
    return {
        "outcome": msgspec.to_builtins(found),
        "backends": [
            {"from": was, "to": now, "requests": count, "costBefore": replay.cost[was, now][0],
             "costAfter": replay.cost[was, now][1]}
            for (was, now), count in sorted(replay.flows().items())
        ],
        "rules": [
            {"from": was, "to": now, "requests": count}
            for (was, now), count in sorted(replay.rules.items())
        ],
        "reviews": [
            {"from": was, "to": now, "requests": count}
            for (was, now), count in sorted(replay.reviews.items())
        ],
        "currency": _currency(replay),
        "conditions": [msgspec.to_builtins(verdict) for verdict in verdicts],
        "failed": any(verdict.failed for verdict in verdicts),
        "notes": list(notes),
    }  # fmt: skip
