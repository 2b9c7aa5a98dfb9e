"""Recorded requests by two revisions of a policy, by the routers' own decisions.

Guarantees that equal jobs count equally, that a revision replayed against itself changes nothing,
and that what hangs on what a ledger does not keep is counted as unknown. Costs are of the recorded
tokens at the prices of now, and an answer as long as the recorded one has to fit its window.
"""

from typing import NamedTuple
from zlib import crc32

import msgspec

from pointsman.api import table
from pointsman.ledger.recent import Recent, Recorded, facts_of
from pointsman.operator.plan.rollout.replaying import Counts, Replayed, ReplayPlan, judged
from pointsman.routing import CompiledPolicy, compile_policy, decide
from pointsman.routing.cost import Tariff, cost_nano
from pointsman.routing.facts import RequestFacts
from pointsman.routing.partial import Outcome, PartialPolicy, Told


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One replay; everything that its result depends on."""

    stable: bytes
    candidate: bytes
    """Compiled policies, as routers get them, with today's backends."""
    recent: msgspec.Raw
    """The ledger's answer."""
    plan: ReplayPlan
    now_s: float


def replay(job: Job) -> Replayed:
    """Raises TableError for a policy that no router runs, DecodeError for no answer of a ledger."""
    requests = msgspec.json.decode(job.recent, type=Recent).requests
    stable, candidate = (_Side(blob, job.now_s) for blob in (job.stable, job.candidate))
    counts = Counts()
    for request in requests[: job.plan.requests]:
        _count(counts, request, stable, candidate)
    return judged(counts, job.plan, at_s=job.now_s)


class _Tokens(NamedTuple):
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int


class _Side:
    """One revision."""

    def __init__(self, blob: bytes, now_s: float) -> None:
        self.policy: CompiledPolicy = compile_policy(table.decode_blob(blob), "")
        self.revision = self.policy.revision
        self.partial = PartialPolicy(self.policy)
        self._prices = {
            name: Tariff(one.prices, one.currency).at(now_s) if one.prices else None
            for name, one in self.policy.backends.items()
        }

    def cost(self, outcome: Outcome, tokens: _Tokens) -> int | None:
        """In billionths; None without a price."""
        price = self._prices[outcome.backend.name] if outcome.backend else None
        return None if price is None else cost_nano(tokens, price)


def dice(decision: str) -> float:
    """Of one request, the same for both revisions and each time; in [0, 1)."""
    return crc32(decision.encode("utf-8", "surrogatepass")) / 2**32


def _count(counts: Counts, request: Recorded, stable: _Side, candidate: _Side) -> None:
    counts.requests += 1
    facts = msgspec.structs.replace(facts_of(request), max_output_tokens=request.output_tokens)
    before, after = _routed(request, facts, stable, candidate)
    if why := after.unknown or before.unknown:
        counts.unknown[why] = counts.unknown.get(why, 0) + 1
        return
    was, now = (one.backend.name if one.backend else "" for one in (before, after))
    counts.moved += was != now
    if was and not now:
        counts.unroutable += 1
        counts.no_window += _too_long(candidate, facts, dice(request.decision))
    for shares, sides in ((counts.backends, (was, now)), (counts.rules, (before.rule, after.rule))):
        for number, name in enumerate(sides):
            if name:
                shares.setdefault(name, [0, 0])[number] += 1
    if was and now:
        _count_cost(counts, request, (stable, before), (candidate, after))


def _routed(
    request: Recorded, facts: RequestFacts, stable: _Side, candidate: _Side
) -> tuple[Outcome, Outcome]:
    """By either; what the stable one did itself needs not be decided again."""
    die = dice(request.decision)
    told: Told | None = None
    if request.revision == stable.revision:
        told = stable.partial.told(request.rule)
    if told is None:
        return stable.partial.decide(facts, die), candidate.partial.decide(facts, die)
    return stable.partial.again(facts, die, told), candidate.partial.decide(facts, die, told)


def _too_long(side: _Side, facts: RequestFacts, die: float) -> bool:
    """Whether a backend would take it if it were shorter."""
    skipped = decide(side.policy, facts, dice=die).skipped
    return any(one.context_window for one in skipped)


def _count_cost(
    counts: Counts, request: Recorded, before: tuple[_Side, Outcome], after: tuple[_Side, Outcome]
) -> None:
    tokens = _Tokens(
        request.input_tokens, request.output_tokens, request.cached_tokens, request.reasoning_tokens
    )
    if not (tokens.prompt_tokens or tokens.completion_tokens):
        return
    was, now = (side.cost(outcome, tokens) for side, outcome in (before, after))
    for cost, (_, outcome) in ((was, before), (now, after)):
        if cost is None and outcome.backend is not None:
            name = outcome.backend.name
            counts.unpriced[name] = counts.unpriced.get(name, 0) + 1
    if was is not None and now is not None:
        counts.cost.add(was, now)
