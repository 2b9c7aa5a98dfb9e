"""Before any traffic: what became of recent requests by the candidate's routing, and what follows.

| the replay                                              | the rollout                          |
|---------------------------------------------------------|--------------------------------------|
| is not asked for, or is over                            | goes on                              |
| has no result yet                                       | waits, and gets no traffic           |
| has none for too long                                   | as with Error                        |
| Fail: unroutable, too dear, or too much moved           | Aborted (ReplayFailed)               |
| Inconclusive (too few, too much unknown), or Error      | goes on, or Aborted, as the spec says|
| Pass                                                    | goes on                              |

A result is kept with the rollout: nobody replays twice to another one.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from pointsman.ledger.ratio import Moments, ratio
from pointsman.operator.plan.rollout.guarding import Verdict

MOST_SHARES: Final = 16
"""Backends, and rules, that are told."""
DEADLINE_S: Final = 300.0
"""From the beginning of the rollout; then the replay counts as failed to run."""
Reason = Literal["ReplayPassed", "ReplayFailed", "ReplayInconclusive"]


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed, and what it may lead to; None: that is not looked at."""

    requests: int = 2_000
    window_s: float = 86_400.0
    min_requests: int = 100
    unknown_percent: float = 20.0
    unroutable_percent: float = 0.0
    cost_percent: float | None = 25.0
    moved_percent: float | None = None
    needed: bool = False
    """Whether a replay that says nothing ends the rollout."""


class Share(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests of a backend or a rule by either revision."""

    name: str
    before: int = 0
    after: int = 0


class Counts(msgspec.Struct, kw_only=True):
    """What a replay counted."""

    requests: int = 0
    unknown: dict[str, int] = {}
    """By what would have to be known."""
    moved: int = 0
    unroutable: int = 0
    """By the candidate, where the stable revision has a backend."""
    no_window: int = 0
    """Of them: too long for the backends that lack nothing else."""
    backends: dict[str, list[int]] = {}
    """Name -> [before, after]."""
    rules: dict[str, list[int]] = {}
    cost: Moments = msgspec.field(default_factory=Moments)
    """Of those whose tokens and both prices are known."""
    unpriced: dict[str, int] = {}
    """By backend without a price."""

    @property
    def known(self) -> int:
        """Requests that could be routed again."""
        return self.requests - sum(self.unknown.values())


class Replayed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result, as it is kept."""

    verdict: Verdict
    message: str
    requests: int = 0
    unknown: int = 0
    moved_percent: float = 0.0
    unroutable: int = 0
    cost_percent: float | None = None
    backends: tuple[Share, ...] = ()
    rules: tuple[Share, ...] = ()
    at_s: float = 0.0


class Gate(NamedTuple):
    """What follows; `replayed` None: it waits."""

    replayed: Replayed | None
    reason: Reason = "ReplayPassed"
    aborts: bool = False


def no_result(why: str, at_s: float, verdict: Verdict = Verdict.ERROR) -> Replayed:
    """Nothing was replayed."""
    return Replayed(verdict=verdict, message=why[:1024], at_s=at_s)


def gate(found: Replayed | None, plan: ReplayPlan, *, waited_s: float, now_s: float) -> Gate:
    """The table above, of a rollout that has no result yet."""
    if found is None:
        if waited_s < DEADLINE_S:
            return Gate(None)
        found = no_result(f"no result in {DEADLINE_S:.0f} s", now_s)
    if found.verdict is Verdict.PASS:
        return Gate(found)
    if found.verdict is Verdict.FAIL:
        return Gate(found, "ReplayFailed", aborts=True)
    return Gate(found, "ReplayInconclusive", aborts=plan.needed)


def judged(counts: Counts, plan: ReplayPlan, *, at_s: float) -> Replayed:
    """What a replay that was done says."""
    known = counts.known
    enough = known >= plan.min_requests
    moved = _percent(counts.moved, known)
    cost, doubts = _cost(counts, plan), list(_doubts(counts, plan))
    fails: list[str] = []
    if counts.unroutable and _percent(counts.unroutable, known) > plan.unroutable_percent:
        window = f", {counts.no_window:,} of them for a context window" if counts.no_window else ""
        allowed = f"{plan.unroutable_percent:g} % are allowed"
        fails.append(f"{counts.unroutable:,} find no backend that can take them{window}; {allowed}")
    if plan.moved_percent is not None and enough and moved > plan.moved_percent:
        fails.append(f"{moved:.1f} % go elsewhere, {plan.moved_percent:g} % are allowed")
    if enough and cost.verdict is Verdict.FAIL:
        fails.append(cost.message)
    elif cost.verdict is Verdict.INCONCLUSIVE:
        doubts.append(cost.message)
    verdict = Verdict.FAIL if fails else Verdict.INCONCLUSIVE if doubts else Verdict.PASS
    unknown = counts.requests - known
    said = [f"{counts.requests:,} requests"]
    if known:
        said.append(f"{moved:.1f} % go elsewhere")
    if cost.verdict is Verdict.PASS:
        said.append(cost.message)
    if unknown and verdict is not Verdict.INCONCLUSIVE:
        said.append(f"{unknown:,} unknown ({_why(counts)})")
    return Replayed(
        verdict=verdict,
        message="; ".join((", ".join(said), *(fails or doubts)))[:1024],
        requests=counts.requests,
        unknown=unknown,
        moved_percent=round(moved, 2),
        unroutable=counts.unroutable,
        cost_percent=None if cost.percent is None else round(cost.percent, 2),
        backends=_shares(counts.backends),
        rules=_shares(counts.rules),
        at_s=at_s,
    )


class _Cost(NamedTuple):
    verdict: Verdict | None
    """None: it is not looked at."""
    message: str = ""
    percent: float | None = None


def _cost(counts: Counts, plan: ReplayPlan) -> _Cost:
    """Fails if it is surely more than is allowed, for traffic like this."""
    if plan.cost_percent is None:
        return _Cost(None)
    moments, known = counts.cost, counts.known
    if moments.n < plan.min_requests or _percent(moments.n, known) < 100 - plan.unknown_percent:
        names = ", ".join(sorted(counts.unpriced)[:4])
        why = f"no price of {names}" if names else "the tokens of the others were not recorded"
        text = f"the cost of {moments.n:,} of {known:,} is known: {why}"
        return _Cost(Verdict.INCONCLUSIVE, text)
    if not moments.a:
        if not moments.b:
            return _Cost(Verdict.PASS, "both cost nothing", 0.0)
        return _Cost(Verdict.FAIL, "it costs something, and the stable revision nothing")
    found = ratio(moments)
    value, low, high = (100 * one for one in (found.value, found.low, found.high))
    told = f"cost {value:+.1f} % [{low:+.1f}, {high:+.1f}]"
    if value <= plan.cost_percent:
        return _Cost(Verdict.PASS, told, value)
    verdict = Verdict.FAIL if low > plan.cost_percent else Verdict.INCONCLUSIVE
    return _Cost(verdict, f"{told}, {plan.cost_percent:g} % more are allowed", value)


def _doubts(counts: Counts, plan: ReplayPlan) -> Iterable[str]:
    if not counts.requests:
        yield "the ledger has no request of this policy in the window"
        return
    known = counts.known
    unknown = _percent(counts.requests - known, counts.requests)
    if unknown > plan.unknown_percent:
        yield (
            f"{unknown:.1f} % are unknown ({_why(counts)}), {plan.unknown_percent:g} % are allowed"
        )
    if known < plan.min_requests:
        yield f"{known:,} can be routed again, {plan.min_requests:,} are needed"


def _why(counts: Counts) -> str:
    """The two most frequent ones."""
    first = sorted(counts.unknown.items(), key=lambda one: (-one[1], one[0]))[:2]
    return ", ".join(f"{why}: {count:,}" for why, count in first)


def _shares(found: Mapping[str, list[int]]) -> tuple[Share, ...]:
    """The largest first."""
    first = sorted(found.items(), key=lambda one: (-max(one[1]), one[0]))[:MOST_SHARES]
    return tuple(Share(name=name, before=was, after=now) for name, (was, now) in first)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
