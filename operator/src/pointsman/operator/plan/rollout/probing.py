"""PURE: what golden prompts say of a candidate that too few requests reach.

| of each rule whose requests go to other backends                  | verdict |
|-------------------------------------------------------------------|---------|
| somebody has no suite, or quality is not looked at                | Unknown |
| somebody has not answered since the rollout began                 | Waits   |
| they were asked different prompts, or too few were answered       | Unknown |
| quality of a task, or cost, is surely worse, and beyond its limit | Fail    |
| none is beyond its limit, for sure                                | Pass    |
| anything else                                                     | Unknown |

Backends that get more by the candidate are compared with those that lose by it, prompt by prompt,
each by its part. It refuses to guess: what no suite can see (rules, a predictor) is Unknown.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

import msgspec

from pointsman.api import table
from pointsman.api.matches import Match
from pointsman.operator.plan.evaluating.suite_run import Answer
from pointsman.operator.plan.rollout.comparing import LEAST, Estimate
from pointsman.operator.plan.rollout.guarding import FALSE_FAIL, Finding, Verdict, together
from pointsman.operator.plan.shifting import fractions, unsure_routes
from pointsman.operator.plan.shifting.weights import Fractions

FALSE_PASS: Final = 0.05
"""Of the candidates that are worse by a limit: so many may pass. There is one look at a run, and
each task has to pass; a hundredth would take twice the prompts."""
ANSWERED: Final = 0.9
"""Of the prompts that anybody has a score of, so many need one of everybody: who fails to answer
the hard ones is not good at the others."""
ALL: Final = "all"
"""All tasks together."""
COST: Final = "GoldenCost"
SAME: Final = "its requests go to the same backends, which golden prompts cannot tell apart"
PREDICTED: Final = "a predictor chooses, so that golden prompts do not tell who would answer"
_NOTHING: Final = 1e-9


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's whole run of its suite."""

    content: str
    """Hash of what was asked."""
    currency: str = ""
    answers: Mapping[str, Answer]
    """By prompt."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A rule's requests, whom they go to, and whom they may go to by the stable revision."""

    rule: str
    tasks: tuple[str, ...]
    """That it takes; empty: any but those `taken` by rules before it."""
    taken: frozenset[str]
    after: Fractions
    before: tuple[Fractions, ...]
    """More than one where its requests may have come by several rules."""

    @property
    def backends(self) -> frozenset[str]:
        """Whose answers have to be known."""
        return frozenset(name for old in self.before for name in change(self.after, old))


@dataclass(frozen=True, slots=True)
class Question:
    """All swaps of a candidate, or why there are none."""

    swaps: tuple[Swap, ...] = ()
    unseen: str = ""

    @property
    def backends(self) -> frozenset[str]:
        """Whose answers have to be known."""
        return frozenset(name for swap in self.swaps for name in swap.backends)


NO_QUESTION: Final = Question(unseen=SAME)


class ProbeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse a candidate may be on golden prompts. None: that is not looked at."""

    quality_points: float | None = 3.0
    cost_percent: float | None = None


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What the golden prompts said."""

    verdict: Literal["Waits", "Pass", "Fail", "Unknown"]
    message: str
    findings: tuple[Finding, ...] = ()


def question_of(stable: table.PolicyBlob, candidate: table.PolicyBlob) -> Question:
    """Whose golden answers tell what the candidate changes."""
    if any(one.predictor and one.predictor.mode == "Apply" for one in (stable, candidate)):
        return Question(unseen=PREDICTED)
    unsure = unsure_routes(stable, candidate)
    old = {route.name: fractions(route.targets) for route in stable.routes}
    every = tuple(_distinct(old.values()))
    found, taken = [], set[str]()
    for route in candidate.routes:
        after = fractions(route.targets)
        before = every if route.name in unsure else (old[route.name],)
        if not after or not all(before):
            return Question(unseen=f"{route.name} has no target, now or before")
        tasks = _tasks(route)
        swap = Swap(route.name, tasks, frozenset(taken), after, before)
        comes = not tasks or not taken.issuperset(tasks)
        found += [swap] if comes and swap.backends else []
        taken.update(task for way in route.ways if way == Match(tasks=way.tasks)
                     for task in way.tasks)  # fmt: skip
    return Question(tuple(found)) if found else NO_QUESTION


def change(after: Fractions, before: Fractions) -> dict[str, float]:
    """Of the requests that move: who gets which part (above 0), and who has lost it (below)."""
    moved = {
        name: after.get(name, 0.0) - before.get(name, 0.0)
        for name in dict.fromkeys((*after, *before))
    }
    gained = sum(part for part in moved.values() if part > 0)
    if gained <= _NOTHING:
        return {}
    return {name: part / gained for name, part in moved.items() if abs(part) > _NOTHING}


def probed(
    question: Question,
    probes: Mapping[str, Probe],
    blocked: Mapping[str, str],
    limits: ProbeLimits,
    *,
    late: Mapping[str, str] | None = None,
) -> Probed:
    """By the table above; `blocked`: who will not be asked, and why; `late`: how it went last."""
    if limits.quality_points is None:
        return Probed(verdict="Unknown", message="maxQualityPoints is 100: quality is not judged")
    if question.unseen:
        return Probed(verdict="Unknown", message=question.unseen)
    open_ = sorted(question.backends - probes.keys())
    if why := [f"{name}: {blocked[name]}" for name in open_ if name in blocked]:
        return Probed(verdict="Unknown", message=f"golden prompts cannot tell: {'; '.join(why)}")
    if open_:
        who = ", ".join(f"{one} ({late[one]})" if late and one in late else one for one in open_)
        return Probed(verdict="Waits", message=f"golden prompts of {who} are awaited")
    if len({probes[name].content for name in question.backends}) > 1:
        who = ", ".join(sorted(question.backends))
        message = f"golden prompts of {who} are not the same: no suite was asked of all"
        return Probed(verdict="Unknown", message=message)
    return _compared(question, probes, limits)


def _compared(question: Question, probes: Mapping[str, Probe], limits: ProbeLimits) -> Probed:
    pieces = [
        (swap, [list(_pieces(swap, old, probes, limits)) for old in swap.before])
        for swap in question.swaps
    ]
    several = sum(len(one) for _, ways in pieces for one in ways)
    alpha = FALSE_FAIL / max(several, 1)
    verdicts, findings = [], list[Finding]()
    for swap, ways in pieces:
        found = [[_judged(swap, one, alpha) for one in way] for way in ways]
        verdicts.append(_agreed([together(way) if way else Verdict.PASS for way in found]))
        findings += [one for way in found for one in way]
    findings.sort(key=lambda one: (_ORDER[one.verdict], one.limit - one.value))
    verdict = together([Finding(guardrail="", verdict=one) for one in verdicts])
    worst = findings[0]
    return Probed(
        verdict=_WORDS[verdict],
        findings=tuple(findings),
        message=f"golden prompts, {len(findings)} compared: {worst.guardrail} {worst.message}",
    )


_ORDER: Final = {Verdict.FAIL: 0, Verdict.ERROR: 1, Verdict.INCONCLUSIVE: 2, Verdict.PASS: 3}
_WORDS: Final[Mapping[Verdict, Literal["Pass", "Fail", "Unknown"]]] = {
    Verdict.PASS: "Pass",
    Verdict.FAIL: "Fail",
    Verdict.INCONCLUSIVE: "Unknown",
    Verdict.ERROR: "Unknown",
}


def _agreed(verdicts: Sequence[Verdict]) -> Verdict:
    """Of the ways that requests may have gone before: what is so whichever it was."""
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.INCONCLUSIVE


class _Piece(NamedTuple):
    """One comparison; an estimate of None: it cannot be made, and `why` says why."""

    name: str
    harm: Estimate | None
    limit: float
    unit: str
    pairs: int
    why: str = ""


def _pieces(
    swap: Swap, before: Fractions, probes: Mapping[str, Probe], limits: ProbeLimits
) -> Iterator[_Piece]:
    moved = change(swap.after, before)
    if not moved:
        return
    asked = probes[next(iter(moved))].answers
    known = {answer.task for answer in asked.values()}
    tasks = sorted((known & set(swap.tasks) if swap.tasks else known) - swap.taken)
    own = set(tasks) or known
    tasks = tasks or [ALL]  # what it takes is not asked about: all that is asked stands for it
    for task in (*tasks, *((ALL,) if len(tasks) > 1 else ())):
        of = own if task == ALL else {task}
        rows, why = _rows(moved, probes, of)
        differences = [(row[0].weight, -_gained(row, moved)) for row in rows]
        harm = None if why else _mean(differences)
        assert limits.quality_points is not None, "seen to before"
        yield _Piece(f"Golden/{task}", harm, limits.quality_points / 100, "points", len(rows), why)
    if limits.cost_percent is not None:
        yield _cost(moved, probes, own, limits.cost_percent)


def _rows(
    moved: Mapping[str, float], probes: Mapping[str, Probe], tasks: set[str]
) -> tuple[list[tuple[Answer, ...]], str]:
    """Of each prompt that all have a score of, all answers; why that is not enough, or nothing."""
    every = [probes[name].answers for name in moved]
    rows, some = [], 0
    for prompt in every[0]:
        found = [answers.get(prompt) for answers in every]
        row = tuple(one for one in found if one and one.task in tasks and one.score is not None)
        rows += [row] if len(row) == len(every) else []
        some += bool(row)
    if len(rows) < ANSWERED * some:
        return rows, f"{len(rows)} of {some} prompts have a score of all"
    if _effective(row[0].weight for row in rows) < LEAST:
        return rows, f"{len(rows)} prompts are too few, {LEAST} are the least"
    return rows, ""


def _cost(
    moved: Mapping[str, float], probes: Mapping[str, Probe], tasks: set[str], limit: float
) -> _Piece:
    """The ratio of what the same prompts cost, by the delta method."""
    rows, why = _rows(moved, probes, tasks)
    sides = []
    for row in rows:
        new, old = 0.0, 0.0
        for one, part in zip(row, moved.values(), strict=True):
            new += one.cost_nano * max(part, 0.0)
            old += one.cost_nano * max(-part, 0.0)
        sides.append((new, old))
    mean = sum(old for _, old in sides) / max(len(sides), 1)
    if not why and len({probes[name].currency for name in moved}) > 1:
        why = "it is in several currencies"
    if not why and mean <= 0:
        why = "the stable revision's is not known"
    if why:
        return _Piece(COST, None, limit / 100, "%", len(rows), why)
    ratio = sum(new for new, _ in sides) / (mean * len(sides))
    residuals = _mean([(1, (new - ratio * old) / mean) for new, old in sides])
    harm = Estimate(ratio - 1, residuals.variance) if residuals else None
    return _Piece(COST, harm, limit / 100, "%", len(rows))


def _judged(swap: Swap, piece: _Piece, alpha: float) -> Finding:
    harm, limit = piece.harm, piece.limit
    if harm is None:
        return Finding(
            guardrail=piece.name, verdict=Verdict.INCONCLUSIVE, limit=100 * limit,
            message=f"{swap.rule}: {piece.why}",
        )  # fmt: skip
    deviation = math.sqrt(harm.variance)
    low = harm.value - NormalDist().inv_cdf(1 - alpha) * deviation
    high = harm.value + NormalDist().inv_cdf(1 - FALSE_PASS) * deviation
    verdict = Verdict.INCONCLUSIVE
    if low > 0 and harm.value > limit:
        verdict = Verdict.FAIL
    elif high < limit:
        verdict = Verdict.PASS
    low, value, high = (100 * figure for figure in (low, harm.value, high))
    return Finding(
        guardrail=piece.name, verdict=verdict, low=low, value=value, high=high, limit=100 * limit,
        message=f"{swap.rule}: {value:+.1f} {piece.unit} [{low:+.1f}, {high:+.1f}] worse in "
        f"{piece.pairs} prompts, {100 * limit:g} are allowed",
    )  # fmt: skip


def _mean(weighted: Sequence[tuple[int, float]]) -> Estimate | None:
    """
    Of what prompts differ by, with Kish's number for their weights; None of too few.

    A pair that differed by a whole point more, as `pairs_differ` has it: of prompts that all came
    out equal nobody knows that the next one will.
    """
    n = _effective(weight for weight, _ in weighted)
    if n < LEAST:
        return None
    total = sum(weight for weight, _ in weighted)
    mean = sum(weight * value for weight, value in weighted) / total
    squares = sum(weight * (value - mean) ** 2 for weight, value in weighted) / total * n
    return Estimate(mean, (squares + 1.0) / (n * n))


def _effective(weights: Iterable[int]) -> float:
    known = list(weights)
    squares = sum(weight * weight for weight in known)
    return sum(known) ** 2 / squares if squares else 0.0


def _gained(row: Sequence[Answer], moved: Mapping[str, float]) -> float:
    """Score of those that get more less that of those that lose, each by its part."""
    gained = 0.0
    for one, part in zip(row, moved.values(), strict=True):
        assert one.score is not None, "only those with a score are compared"
        gained += one.score * part
    return gained


def _tasks(route: table.Route) -> tuple[str, ...]:
    """Empty where it takes any."""
    if not route.ways or not all(way.tasks for way in route.ways):
        return ()
    return tuple(dict.fromkeys(task for way in route.ways for task in way.tasks))


def _distinct(several: Iterable[Fractions]) -> Iterator[Fractions]:
    known: list[Fractions] = []
    for one in several:
        if one not in known:
            known.append(one)
            yield one
