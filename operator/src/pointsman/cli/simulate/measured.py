"""PURE: what a ledger measured of each backend and task: how long it took, how good it was.

Guarantees that a cell with few answers is not used: the backend's own sum stands in, and without
that the request counts as unknown.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final, Literal

import msgspec

from pointsman.ledger.summary import Estimate, Line

LEAST: Final = 20
"""Answers or ratings behind a value."""
_Z: Final = 1.959964
Kind = Literal["latency", "quality"]
Cells = Mapping[tuple[str, str], "Cell"]
"""By backend and task; the task "*" is the backend's sum."""
ALL_TASKS: Final = "*"


class Cell(msgspec.Struct, frozen=True):
    """A mean or median, and its standard error."""

    value: float
    error: float


class Compared(msgspec.Struct, frozen=True):
    """Means over the requests whose backend is known on both sides; `share`: how many these are."""

    before: float
    after: float
    difference: Estimate
    share: float


def cells(kind: Kind, by_task: Sequence[Line], by_backend: Sequence[Line]) -> Cells:
    """Of two summaries: by backend and task, and by backend."""
    found: dict[tuple[str, str], Cell] = {}
    for line in (*by_backend, *by_task):
        cell = _latency(line) if kind == "latency" else _quality(line)
        if cell is not None:
            found[line.by["backend"], line.by.get("task", ALL_TASKS)] = cell
    return found


def _latency(line: Line) -> Cell | None:
    """The median, in seconds."""
    times = line.duration
    if times is None or times.n < LEAST:
        return None
    return Cell(times.p50.value / 1000, _error(times.p50) / 1000)


def _quality(line: Line) -> Cell | None:
    quality = line.quality
    if quality is None or quality.n < LEAST:
        return None
    return Cell(quality.value, _error(quality))


def _error(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2 / _Z


def compare(flows: Mapping[tuple[str, str, str], int], known: Cells) -> Compared | None:
    """
    Means before and after, and their difference with its normal interval of 95 %.

    `flows`: requests by (backend before, backend after, task). What stays where it was adds no
    error: only cells whose weight changes do. None if no request is known on both sides.
    """
    total = sum(flows.values())
    weights: dict[tuple[str, str], list[int]] = {}
    n = 0
    for (before, after, task), count in flows.items():
        a, b = _key(known, before, task), _key(known, after, task)
        if a is None or b is None:
            continue
        n += count
        weights.setdefault(a, [0, 0])[0] += count
        weights.setdefault(b, [0, 0])[1] += count
    if not n:
        return None
    before_mean = sum(known[key].value * was for key, (was, _) in weights.items()) / n
    after_mean = sum(known[key].value * now for key, (_, now) in weights.items()) / n
    errors = (known[key].error * (now - was) / n for key, (was, now) in weights.items())
    half = _Z * sqrt(sum(error * error for error in errors))
    difference = after_mean - before_mean
    return Compared(
        before_mean,
        after_mean,
        Estimate(difference, difference - half, difference + half),
        n / total,
    )


def _key(known: Cells, backend: str, task: str) -> tuple[str, str] | None:
    """The cell that says most about it."""
    for key in ((backend, task), (backend, ALL_TASKS)):
        if key in known:
            return key
    return None
