"""Bars that a run may fail: `quality<0.8`, `Coding.quality_low<0.7`, `p95>2.5`."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.api.spelling import did_you_mean
from pointsman.api.tasks import Task
from pointsman.evaluation.suite.spending import NANO
from pointsman.evaluation.suite.summary import ALL, Line

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM: Final = re.compile(
    r"\s*(?:(?P<task>\w+)\.)?(?P<figure>\w+)\s*(?P<how><=|>=|<|>)\s*(?P<bound>[0-9]+(?:\.[0-9]+)?)\s*"
)


def _unscored(line: Line) -> float | None:
    whole = line.scored + sum(line.not_scored.values()) + line.missing
    return 1 - line.scored / whole if whole else None


FIGURES: Final[dict[str, Callable[[Line], float | None]]] = {
    "quality": lambda line: line.quality.value if line.quality else None,
    "quality_low": lambda line: line.quality.low if line.quality else None,
    "unscored": _unscored,
    "p50": lambda line: None if line.p50_ms is None else line.p50_ms / 1000,
    "p95": lambda line: None if line.p95_ms is None else line.p95_ms / 1000,
    "cost": lambda line: line.cost_nano / NANO,
}
"""Shares from 0 to 1, seconds, money."""


class BadBar(ValueError):
    """A text that is no bar; it says why."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure of one task, or of all, and where it fails."""

    text: str
    task: str
    figure: str
    how: str
    bound: float

    def failed(self, lines: Sequence[Line]) -> list[str]:
        """A sentence for each target that fails; what nobody knows fails, too."""
        found = []
        for target in dict.fromkeys(line.target for line in lines):
            mine = [line for line in lines if line.target == target]
            line = next((one for one in mine if one.task == self.task), None)
            if line is None and self.task == ALL and len(mine) == 1:
                line = mine[0]
            value = FIGURES[self.figure](line) if line else None
            if value is None:
                found.append(f"{target}: {self.text}: nothing is known")
            elif _COMPARE[self.how](value, self.bound):
                found.append(f"{target}: {self.text}: it is {value:.4g}")
        return found


def read_bar(text: str) -> Bar:
    """`[TASK.]FIGURE<NUMBER`. Raises BadBar."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadBar(f"{text!r} is no bar; write it as 'quality<0.8' or 'Coding.p95>2'")
    figure, task = found["figure"], found["task"] or ALL
    if figure not in FIGURES:
        hint = did_you_mean(figure, list(FIGURES))
        raise BadBar(f"no figure {figure}{hint}; there are: {', '.join(FIGURES)}")
    tasks = [ALL, *map(str, Task)]
    if task not in tasks:
        raise BadBar(f"no task {task}{did_you_mean(task, tasks)}")
    return Bar(text.strip(), task, figure, found["how"], float(found["bound"]))
