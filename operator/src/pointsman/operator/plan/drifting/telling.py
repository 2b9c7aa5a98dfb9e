"""What a record says to people and programs: condition, `status.drift`, metrics.

| condition | reason          | when                                                         |
|-----------|-----------------|--------------------------------------------------------------|
| True      | Worse           | some task is worse, whatever else; of a content before, too  |
| True      | IdentityChanged | it calls itself otherwise                                    |
| True      | Better          | some task is better                                          |
| Unknown   | NoBaseline      | too few runs, or too little traffic, and none of the above   |
| False     | Suspected       | CUSUM or a signal of its traffic says perhaps                |
| False     | Steady          | none of it                                                   |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api import names
from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.evaluation.drift.stream import Absent, Direction
from pointsman.evaluation.drift.verdict import Drift, Phase, verdict
from pointsman.operator.plan.drifting import wording
from pointsman.operator.plan.drifting.folding import time_of
from pointsman.operator.plan.drifting.gathering import ALL
from pointsman.operator.plan.drifting.record import Golden, Held, Record
from pointsman.operator.plan.drifting.traffic import hinted
from pointsman.operator.plan.drifting.wish import Wish

MOST: Final = 16
"""Tasks in a status."""


@dataclass(frozen=True, slots=True)
class Drifting:
    """For the status of a ModelBackend."""

    condition: Condition
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Task:
    name: str
    drift: Drift
    since_ms: int
    held: bool = False
    """Of a content before this one."""


def told(record: Record, wish: Wish, *, problem: str = "") -> Drifting:
    """What is so; `problem` is why it might not be kept."""
    tasks = _told_of(record) if wish.golden else []
    entries = [_entry(one) for one in tasks][:MOST]
    condition = _condition(record, wish, tasks)
    if problem:
        message = f"{condition.message}; {problem}"
        condition = Condition(
            type=condition.type, status=condition.status, reason=condition.reason, message=message
        )
    return Drifting(condition, {"drift": entries} if entries else {})


def is_suspected(record: Record, wish: Wish) -> bool:
    """Whether more runs would tell more: something looks different, and nothing is proven."""
    tasks = _tasks(record.golden) if wish.golden else []
    return _is_hinted(record, wish) or any(one.drift.phase is Phase.SUSPECTED for one in tasks)


def samples(record: Record, wish: Wish) -> set[tuple[str, str]]:
    """(task, direction) of what has drifted, for the metric."""
    found = {
        (one.name, str(one.drift.direction))
        for one in (_told_of(record) if wish.golden else [])
        if one.drift.phase is Phase.DRIFTED
    }
    return found | ({(ALL, "IdentityChanged")} if _changed(record, wish) else set())


def _told_of(record: Record) -> list[_Task]:
    """With what was found before the suite changed; of one task the worse, else what is held."""
    found = {one.name: one for one in _tasks(record.golden)}
    for held in record.held:
        now = found.get(held.task)
        drifted = now is not None and now.drift.phase is Phase.DRIFTED
        worse = now is not None and now.drift.direction is Direction.WORSE
        if not (drifted and worse and held.direction is Direction.BETTER):
            found[held.task] = _Task(held.task, _drift_of(held), held.since_ms, held=True)
    return sorted(found.values(), key=_place)


def _drift_of(held: Held) -> Drift:
    return Drift(
        phase=Phase.DRIFTED,
        direction=held.direction,
        change=held.change,
        low=held.low,
        high=held.high,
        since=0,
        found_at=None,
        over=False,
        evidence=held.evidence,
        needed=held.needed,
        alpha=held.alpha,
        count=held.count,
        absent=Absent(),
        words="",
    )


def _place(one: _Task) -> tuple[bool, str]:
    return one.drift.phase is not Phase.DRIFTED, one.name


def _tasks(golden: Golden | None) -> list[_Task]:
    """Those that drifted, then those that are suspected."""
    found = []
    for name, one in golden.streams.items() if golden else ():
        drift = verdict(one.state)
        if drift.direction is None:
            continue
        since_ms = one.found.since_ms if one.found else time_of(one.marks, drift.since)
        found.append(_Task(name, drift, since_ms))
    return sorted(found, key=_place)


def _entry(task: _Task) -> dict[str, Any]:
    drift = task.drift
    entry: dict[str, Any] = {"task": task.name, "direction": str(drift.direction)}
    if drift.phase is Phase.SUSPECTED:
        entry["suspected"] = True
    return entry | {
        "points": wording.points(drift.change),
        "low": wording.points(drift.low),
        "high": wording.points(drift.high),
        "sinceTime": wording.at(task.since_ms),
        "evidence": wording.evidence(drift.evidence),
        "probes": drift.count,
    }


def _changed(record: Record, wish: Wish) -> list[str]:
    return [
        wording.renamed(one, change.before, change.after) + f" until {wording.at(change.at_ms)}"
        for one, change in sorted(record.names.changed.items())
        if one in wish.fields
    ]


def _is_hinted(record: Record, wish: Wish) -> bool:
    return wish.traffic and record.traffic is not None and record.traffic.hinted_ms > 0


def _condition(record: Record, wish: Wish, tasks: list[_Task]) -> Condition:
    drifted = [one for one in tasks if one.drift.phase is Phase.DRIFTED]
    changed, parts = _changed(record, wish), _sentences(drifted)
    if drifted or changed:
        worse = any(one.drift.direction is Direction.WORSE for one in drifted)
        reason = Reason.WORSE if worse else Reason.IDENTITY_CHANGED if changed else Reason.BETTER
        said = [*parts, *changed]
        if drifted and record.golden:
            alpha = wording.percent(record.golden.alpha)
            said.append(f"of backends that do not change {alpha} at most are ever called drifted")
        if held := [one.name for one in drifted if one.held]:
            said.append(f"the suite changed since, so no run ends it of itself: {', '.join(held)}")
        said.append(f"annotate {names.ANNOTATION_DRIFT_REBASELINE} to accept it as the baseline")
        return _so(True, reason, said)
    hints = [hinted(one) for one in record.traffic.watch.hints] if record.traffic else []
    hints = hints if _is_hinted(record, wish) else []
    missing = _missing(record, wish)
    if missing:
        missing += f"; it began anew: {record.fresh}" if record.fresh else ""
        return _so(None, Reason.NO_BASELINE, [missing, *hints])
    suspected = [f"perhaps {one}" for one in _sentences(tasks)]
    if suspected or hints:
        return _so(False, Reason.SUSPECTED, [*suspected, *hints])
    return _so(False, Reason.STEADY, [_steady(record, wish)])


def _so(status: bool | None, reason: Reason, said: list[str]) -> Condition:
    return Condition(
        type=ConditionType.DRIFTED, status=status, reason=reason, message="; ".join(said)
    )


def _sentences(tasks: list[_Task]) -> list[str]:
    return [wording.changed(one.name, one.drift, one.since_ms) for one in tasks]


def _missing(record: Record, wish: Wish) -> str:
    """What there is too little of to compare with; empty if there is enough."""
    golden = record.golden
    if not wish.golden:
        if not wish.traffic:
            return "there is no spec.evaluation, and drift.passive is None: nothing is looked at"
        if record.traffic is not None and record.traffic.watch.batches:
            return ""
        return "no traffic was seen yet, and there is no spec.evaluation"
    if golden is None:
        return f"0 of {wish.runs} runs of the suite that make a baseline"
    if golden.streams:
        return ""
    runs, wanted = golden.runs, golden.wanted
    said = f"{min(runs, wanted)} of {wanted} runs of the suite that make a baseline"
    lacking = sum(len(one.scores) < min(runs, wanted) for one in golden.prompts.values())
    if runs >= wanted and lacking:
        said = f"{runs} runs, and {lacking} of {len(golden.prompts)} prompts lack answers"
    return said


def _steady(record: Record, wish: Wish) -> str:
    golden = record.golden
    if not wish.golden or golden is None:
        return "its traffic looks as it did; without spec.evaluation that is all that is looked at"
    whole = sum(len(one.scores) == golden.wanted for one in golden.prompts.values())
    left = len(golden.prompts) - whole
    said = f"no change against {golden.wanted} runs of {whole} prompts"
    if left:
        said += f" ({left} more have too few answers to compare with)"
    return said
