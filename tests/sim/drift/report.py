"""Tables as Markdown, verdicts about the goals, and the same figures as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.sim.drift.also import Elsewhere, Real, Traffic, Truth
from tests.sim.drift.measure import AFTER, CHANGES, DROPS, OURS, Delay, Mode, Rate, Row

GOALS: Final[dict[tuple[Mode, int], tuple[int, int, int]]] = {
    ("stored", 0): (550, 200, 90),
    ("pairs", 0): (450, 160, 65),
    ("pairs", 3000): (850, 310, 130),
}
"""Median probes for 5, 10 and 20 points, at 5 % disagreement."""
GOAL_REAL: Final = ("gpt-4", "primes", 60)
TITLES: Final[dict[Mode, str]] = {
    "stored": "Against 5 stored runs of 200 prompts",
    "pairs": "Against a fresh answer of the baseline",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One table: everyone in one world."""

    mode: Mode
    disagreement: float
    rows: Sequence[Row]


@dataclass(slots=True)
class Results:
    """Everything that was measured; what was skipped is empty."""

    settings: dict[str, object]
    compared: list[Compared] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    real: list[Real] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    traffic: tuple[Rate, list[Traffic]] | None = None


def markdown(results: Results) -> str:
    """Return everything that is printed."""
    parts = ["### The goals", _goals(results)]
    for one in results.compared:
        parts.append(f"### {TITLES[one.mode]}, {100 * one.disagreement:.0f} % disagreement")
        parts.append(_compared(one))
    if results.elsewhere:
        parts += ["### Other worlds, changed at the first probe", _elsewhere(results.elsewhere)]
    if results.real:
        parts += ["### GPT-4 and GPT-3.5, March and June 2023", _real(results.real)]
    if results.truths:
        parts += ["### What a verdict says, and what was so", _truths(results.truths)]
    if results.traffic:
        parts += ["### Ordinary traffic", _traffic(*results.traffic)]
    return "\n\n".join(parts) + "\n"


def goals(results: Results) -> list[tuple[str, str, float | None, float, bool]]:
    """Return (what, where, measured, at most, met) for each goal that was measured."""
    made: list[tuple[str, str, float | None, float, bool]] = []
    for one in results.compared:
        ours = next(row for row in one.rows if row.name == OURS)
        where = f"{TITLES[one.mode]}, {100 * one.disagreement:.0f} %"
        share = ours.false_alarms.share
        made.append(("false alarms, %", where, 100 * share, 1.0, share <= 0.01))
        for change in CHANGES:
            wanted = GOALS.get((one.mode, change))
            if wanted is None or one.disagreement != 0.05:
                continue
            for drop, most in zip(DROPS, wanted, strict=True):
                median = _median(ours.delays, drop, change)
                what = f"probes for {100 * drop:.0f} points after {change} healthy ones"
                made.append((what, where, median, most, median is not None and median <= most))
    for real in results.real:
        if (real.recording.model, real.recording.task, real.name) == (*GOAL_REAL[:2], OURS):
            median, most = real.delay.median, GOAL_REAL[2]
            met = median is not None and median <= most
            made.append(("probes", "GPT-4 on primes, March to June 2023", median, most, met))
    return made


def _median(delays: Sequence[Delay], drop: float, change: int) -> float | None:
    return next(one.median for one in delays if (one.drop, one.change) == (drop, change))


def _goals(results: Results) -> str:
    head = "| what | where | measured | at most | met |\n|---|---|---|---|---|"
    lines = [
        f"| {what} | {where} | {'-' if value is None else f'{value:.4g}'} | {most:g} "
        f"| {'yes' if met else 'no'} |"
        for what, where, value, most, met in goals(results)
    ]
    return "\n".join([head, *lines])


def _compared(one: Compared) -> str:
    points = [f"{100 * drop:.0f}" for drop in DROPS]
    head = (
        "| detector | streams | false alarms, % | "
        + " | ".join(f"{point} points" for point in points)
        + " | "
        + " | ".join(f"{point}, after 3,000" for point in points)
        + " |\n|---|---|---|---|---|---|---|---|---|"
    )
    lines = [
        f"| {row.name} | {row.false_alarms.of} | {_rate(row.false_alarms)} | "
        + " | ".join(_delay(delay) for delay in row.delays)
        + " |"
        for row in one.rows
    ]
    return "\n".join([head, *lines])


def _elsewhere(rows: Sequence[Elsewhere]) -> str:
    head = (
        "| world | baseline | false alarms, % | 5 points | 10 points | 20 points "
        "| 5 better | 10 better |\n|---|---|---|---|---|---|---|---|"
    )
    lines = [
        f"| {one.what} | {one.mode} | {_rate(one.false_alarms)} | "
        + " | ".join(_delay(delay) for delay in one.delays)
        + " |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def _real(rows: Sequence[Real]) -> str:
    names = list(dict.fromkeys(one.name for one in rows))
    head = "| model, task | prompts | March, % | June, % | " + " | ".join(names) + " |"
    lines = [head, "|---|---|---|---|" + "---|" * len(names)]
    for first in (one for one in rows if one.name == names[0]):
        kept = first.recording
        same = {one.name: one for one in rows if one.recording is kept}
        cells = [
            f"{_delay(same[name].delay)}; {100 * same[name].false_alarms.share:.1f} %"
            for name in names
        ]
        lines.append(
            f"| {kept.model}, {kept.task} | {len(kept.march)} | {100 * kept.march.mean():.1f} "
            f"| {100 * kept.june.mean():.1f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def _truths(rows: Sequence[Truth]) -> str:
    head = (
        "| baseline | drop | probes after the alarm | size said, median "
        "| interval holds it, % | moment off by, median probes |\n|---|---|---|---|---|---|"
    )
    lines = [
        f"| {one.mode} | {100 * one.drop:.0f} | {one.later} | {100 * one.size:.1f} "
        f"| {_rate(one.holds)} | {one.moment:.0f} |"
        for one in rows
    ]
    return "\n".join([head, *lines])


def _traffic(alarms: Rate, rows: Sequence[Traffic]) -> str:
    lines = [
        f"False hints in 300 batches that do not change: {_rate(alarms)} % of {alarms.of} streams.",
        "",
        "| change | signal | batches until the hint, median |",
        "|---|---|---|",
    ]
    lines += [f"| {one.what} | {one.signal} | {_found(one.batches, one.found)} |" for one in rows]
    return "\n".join(lines)


def _rate(rate: Rate) -> str:
    low, high = rate.interval()
    return f"{100 * rate.share:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def _delay(delay: Delay) -> str:
    return _found(delay.median, delay.found)


def _found(median: float | None, found: Rate) -> str:
    """Of those that missed some, the share that was found."""
    if found.of == 0:
        return "all false"
    share = "" if found.share >= 0.995 else f" ({100 * found.share:.0f} % found)"
    return ("-" if median is None else f"{median:.0f}") + share


def as_json(results: Results) -> dict[str, Any]:
    """Return the figures for machines; `probes_after` is where a delay is cut off."""
    return {
        "settings": results.settings | {"probes_after": AFTER},
        "goals": [
            dict(zip(("what", "where", "measured", "at_most", "met"), one, strict=True))
            for one in goals(results)
        ],
        "compared": [asdict(one) for one in results.compared],
        "elsewhere": [asdict(one) for one in results.elsewhere],
        "real": [
            {
                "model": one.recording.model,
                "task": one.recording.task,
                "detector": one.name,
                "false_alarms": asdict(one.false_alarms),
                "delay": asdict(one.delay),
            }
            for one in results.real
        ],
        "truths": [asdict(one) for one in results.truths],
        "traffic": results.traffic
        and {
            "false_hints": asdict(results.traffic[0]),
            "changes": [asdict(one) for one in results.traffic[1]],
        },
    }
