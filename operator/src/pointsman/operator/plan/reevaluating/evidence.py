"""What is known of a backend: quality by task, drift, and what it costs now.

Read from statuses, which anybody may have edited and another release may have written: what cannot
be read counts as not known, and nothing is decided on it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pointsman.api import table
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.plan.blobs import Backends, compile_backend
from pointsman.operator.plan.objects import Json, conditions_of, name_of

ALL: Final = "all"
"""The task that stands for all of them."""
INPUT_PARTS: Final = 3
"""Prompt tokens for each answer token, where one figure has to stand for a price."""


class Quality(NamedTuple):
    """Of one task, from 0 to 1, with its 95 % interval; `time` tells one run from another."""

    score: float
    low: float
    high: float
    time: str


class Drift(NamedTuple):
    """Of one task, as found; numbers as they were written."""

    task: str
    direction: str
    points: str = ""
    low: str = ""
    high: str = ""
    since: str = ""
    suspected: bool = False


class Price(NamedTuple):
    """Of a token, in 1e-12 of the currency."""

    currency: str
    input_pico: int
    output_pico: int

    @property
    def blended(self) -> int:
        """Of three prompt tokens and one answer token."""
        return INPUT_PARTS * self.input_pico + self.output_pico


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One backend. `drifted` is the condition's status; empty: there is none."""

    name: str
    quality: Mapping[str, Quality] = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    drifted: str = ""
    reason: str = ""
    content: str = ""
    """Of the suite that `quality` is of: only qualities of one content can be compared."""
    price: Price | None = None
    free: bool = False
    """No price was ever told, so that it plays no role."""

    @property
    def is_drifted(self) -> bool:
        """For sure, in whatever way."""
        return self.drifted == "True"

    def found(self, direction: str, tasks: Sequence[str]) -> bool:
        """Whether it drifted that way for sure, in one of these tasks."""
        return self.is_drifted and (
            any(one.direction == direction and not one.suspected for one in self._in(tasks))
            or (not self.drift and self.reason == direction)
        )

    def is_over(self, direction: str, tasks: Sequence[str]) -> bool:
        """Whether it is known not to be so; what is not known, or suspected, is not over."""
        if self.drifted not in {"True", "False"}:
            return False
        told = any(one.direction == direction for one in self._in(tasks))
        return not told and not self.found(direction, tasks)

    def hard(self) -> str:
        """What a later look is compared with: drift and suite, not the figures of each run."""
        drift = sorted((one.task, one.direction) for one in self.drift if not one.suspected)
        said = self.reason if self.is_drifted else str(self.drifted == "False")
        return f"{said} {drift} {self.content}"

    def priced(self) -> str:
        """As text, to tell a change."""
        return repr((self.price, self.free))

    def _in(self, tasks: Sequence[str]) -> Iterable[Drift]:
        every = ALL in tasks
        return (one for one in self.drift if every or one.task in tasks or one.task == ALL)


def facts_of(
    items: Sequence[Json], backends: Backends, *, namespace: str, now_s: float
) -> dict[str, Facts]:
    """Of every backend that is valid, by name."""
    return {
        name: _facts(item, backend, namespace, now_s)
        for item in items
        for name in [name_of(item)]
        if isinstance(backend := backends.get(name), ModelBackend)
    }


def drift_said(item: Json) -> tuple[str, ...]:
    """
    What of a backend's status is news for its policies; empty for other kinds.

    Of one that drifted each whole run is: an operator that was killed between the two told of drift
    before it had the qualities that the weights are learned from.
    """
    said = next((one for one in conditions_of(item) if one.get("type") == "Drifted"), None)
    if said is None:
        return ()
    status = item["status"]
    lines = filter(None, map(_drift, _objects(status.get("drift"))))
    tasks = sorted(f"{one.task} {one.direction} {one.suspected}" for one in lines)
    is_drifted = said.get("status") == "True"
    runs = {str(one.get("time")) for one in _objects(status.get("quality")) if is_drifted}
    return (str(said.get("status")), str(said.get("reason")), *tasks, *sorted(runs))


def _facts(item: Json, backend: ModelBackend, namespace: str, now_s: float) -> Facts:
    status = item.get("status") or {}
    said = next((one for one in conditions_of(item) if one.get("type") == "Drifted"), {})
    evaluation = status.get("evaluation")
    content = str(evaluation.get("qualityContent", "")) if isinstance(evaluation, Mapping) else ""
    quality = _objects(status.get("quality")) if content else ()  # of what nobody knows
    compiled = compile_backend(namespace, backend)
    return Facts(
        name=name_of(item),
        quality=dict(filter(None, map(_quality, quality))),
        drift=tuple(filter(None, map(_drift, _objects(status.get("drift"))))),
        drifted=str(said.get("status", "")),
        reason=str(said.get("reason", "")),
        content=content,
        price=_price(compiled, now_s),
        free=backend.spec.cost is None,
    )


def _objects(value: Any) -> list[Json]:
    found = value if isinstance(value, list) else []
    return [one for one in found if isinstance(one, Mapping)]


def _quality(item: Json) -> tuple[str, Quality] | None:
    try:
        score, low, high = (float(item[key]) for key in ("score", "low", "high"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (score, low, high))) or not 0 <= low <= score <= high <= 1:
        return None
    return str(item.get("task", "")), Quality(score, low, high, str(item.get("time", "")))


def _drift(item: Json) -> Drift | None:
    direction = item.get("direction")
    if not isinstance(direction, str) or direction not in {"Worse", "Better"}:
        return None
    points, low, high = (str(item.get(key, "")) for key in ("points", "low", "high"))
    return Drift(
        task=str(item.get("task", "")),
        direction=direction,
        points=points,
        low=low,
        high=high,
        since=str(item.get("sinceTime", "")),
        suspected=item.get("suspected") is True,
    )


def _price(backend: table.Backend, now_s: float) -> Price | None:
    """Those that hold now; None where requests have none, or by the hour."""
    begun = [one for one in backend.prices if one.from_s <= now_s]
    if not begun:
        return None
    return Price(backend.currency, begun[-1].input_pico, begun[-1].output_pico)
