"""PURE: how good answers are, model by task, from ratings and from golden prompts.

Guarantees that a mean stands with its count and its interval: three ratings are no quality.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pointsman.ledger.rows import Row
from pointsman.ledger.summary import interval

Source = Literal["ratings", "golden"]
MOST: Final = 24
"""Models, and tasks."""
FEW: Final = 30
"""Below so many a cell is drawn as uncertain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Of one model in one task."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def few(self) -> bool:
        """Too few to lean on."""
        return self.n < FEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Rows are models, columns tasks; None: nobody has judged one."""

    source: Source
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    further: int
    """Models that are not shown."""


def ratings(spans: Sequence[tuple[int, int, int]]) -> tuple[str, list[object]]:
    """SQL and values; rows: backend, task, how many, the sum of their millionths."""
    one = (
        "SELECT s.backend, s.task, SUM(r.rated), SUM(r.rating_micro)"
        " FROM rollups r JOIN series s ON s.id = r.series"
        " WHERE r.span_ms = ? AND r.bucket_ms >= ? AND r.bucket_ms < ?"
        " GROUP BY s.backend, s.task HAVING SUM(r.rated) > 0"
    )
    return " UNION ALL ".join([one] * len(spans)), [value for span in spans for value in span]


def golden(from_ms: int) -> tuple[str, list[object]]:
    """
    The same of golden prompts since then: how many, the sum of their means.

    A prompt counts once, however often it was asked: its runs are no independent evidence.
    """
    return (
        (
            "SELECT backend, task, COUNT(*), CAST(ROUND(SUM(micro)) AS BIGINT)"
            " FROM (SELECT backend, task, AVG(score_micro) AS micro FROM evaluations"
            " WHERE at_ms >= ? AND score_micro IS NOT NULL"
            " GROUP BY backend, task, suite, prompt) AS prompts GROUP BY backend, task"
        ),
        [from_ms],
    )


def heat(rows: Iterable[Row], source: Source) -> Heat:
    """The models and tasks that were judged most, by name."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        key = str(row[0]) or "no backend", str(row[1]) or "undecided"
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + int(str(row[2])), before[1] + int(str(row[3]))
    models = _most(sums, 0)
    tasks = sorted(_most(sums, 1)[:MOST])
    shown = sorted(models[:MOST])
    return Heat(
        source=source,
        tasks=tuple(tasks),
        models=tuple(shown),
        cells=tuple(tuple(_cell(sums.get((model, task))) for task in tasks) for model in shown),
        further=max(0, len(models) - MOST),
    )


def _most(sums: dict[tuple[str, str], tuple[int, int]], place: int) -> list[str]:
    counted: dict[str, int] = {}
    for key, (n, _) in sums.items():
        counted[key[place]] = counted.get(key[place], 0) + n
    return sorted(counted, key=lambda name: (-counted[name], name))


def _cell(found: tuple[int, int] | None) -> Cell | None:
    if found is None or not found[0]:
        return None
    n, micro = found
    mean = micro / 1_000_000 / n
    low, high = interval(mean, n)
    return Cell(mean=mean, low=low, high=high, n=n)
