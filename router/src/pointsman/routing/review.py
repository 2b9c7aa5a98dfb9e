"""PURE: which review a request needs, and who answers what is escalated.

Guarantees that of several reasons the strictest wins: Hold over Escalate over Flag, the request
over the answer, the highest priority. A blob that names a class or a backend that it does not have
is refused whole with TableError.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from pointsman.api.dataclass import CLASSES, RANKS
from pointsman.api.reviewing import MODES, PRIORITIES, HumanReview, Mode, Priority, Review, Stage
from pointsman.api.table import Backend, PolicyBlob, TableError
from pointsman.routing.cap import too_dear
from pointsman.routing.compiled import CompiledPolicy, CompiledRoute
from pointsman.routing.deciding import lacks, overflows
from pointsman.routing.decision import Decision, Skipped
from pointsman.routing.facts import RequestFacts
from pointsman.routing.governing import why_not

_STAGES: Final = ("Answer", "Request")


@dataclass(frozen=True, slots=True)
class CompiledReview:
    """A policy's review as the request path wants it."""

    asks: HumanReview
    rank: int
    """From which class of data on there is one; more than any where the class is no matter."""
    fallback: Backend | None
    escalate_to: tuple[Backend, ...]


class Need(NamedTuple):
    """The review that a request needs; `cause` and `name` are of the strictest reason."""

    mode: Mode
    stage: Stage
    priority: Priority
    cause: str
    """Rule, LowConfidence or DataClass."""
    name: str
    """The rule, how sure the analysis was, or the class."""

    def words(self) -> str:
        """As `pointsman explain` says it."""
        of = f" of the {self.stage.lower()}" if self.mode == "Hold" else ""
        why = {"Rule": "rule", "LowConfidence": "confidence", "DataClass": "data class"}
        return f"{self.mode}{of}, priority {self.priority} ({why[self.cause]} {self.name})"


def compile_review(blob: PolicyBlob) -> CompiledReview | None:
    """None where nothing asks for a review. Raises TableError."""
    asks, own = blob.review, any(route.review for route in blob.routes)
    if asks is None:
        if own:
            raise TableError(f"policy {blob.name}: a rule is reviewed, and nothing says how")
        return None
    if not (own or asks.low_confidence or asks.data_class):
        return None
    rank = len(CLASSES)
    if asks.data_class is not None:
        if asks.data_class.at_least not in RANKS:
            told = asks.data_class.at_least
            raise TableError(f"policy {blob.name}: {told!r} is no class of data")
        rank = RANKS[asks.data_class.at_least]
    for name in (asks.fallback, *asks.escalate_to):
        if name and name not in blob.backends:
            raise TableError(f"review: backend {name} is not in the policy's blob")
    return CompiledReview(
        asks,
        rank,
        blob.backends[asks.fallback] if asks.fallback else None,
        tuple(blob.backends[name] for name in asks.escalate_to),
    )


def needed(
    compiled: CompiledReview, route: CompiledRoute, *, confidence: float, rank: int
) -> Need | None:
    """
    None: no person has to see it.

    `confidence` is the analysis', `rank` the class of the request's data without its rule's.
    """
    asks, reasons = compiled.asks, []
    rank = max(rank, RANKS.get(route.route.data_class, 0))
    if route.route.review is not None:
        reasons.append(_need(route.route.review, "Rule", route.route.name))
    low = asks.low_confidence
    if low is not None and confidence < low.below:
        reasons.append(_need(low.review, "LowConfidence", f"{confidence:.2f} below {low.below:g}"))
    if asks.data_class is not None and rank >= compiled.rank:
        reasons.append(_need(asks.data_class.review, "DataClass", str(CLASSES[rank])))
    if not reasons:
        return None
    strictest = max(reasons, key=_strictness)
    priority = max((one.priority for one in reasons), key=PRIORITIES.index)
    return strictest._replace(priority=priority)


def _need(review: Review, cause: str, name: str) -> Need:
    return Need(review.mode, review.stage, review.priority, cause, name)


def _strictness(need: Need) -> tuple[int, int]:
    return MODES.index(need.mode), _STAGES.index(need.stage)


def look(
    decision: Decision, facts: RequestFacts, *, rank: int, now_s: float | None
) -> tuple[Decision, Need | None]:
    """
    The decision as its review leaves it, and that review.

    Escalated, it has the backends of escalateTo that can take the request as its candidates: none,
    if none can. Without `now_s` whatever approval there is holds.
    """
    compiled = decision.policy.review
    if compiled is None:
        return decision, None
    confidence = facts.analysis.confidence
    need = needed(compiled, decision.route, confidence=confidence, rank=rank)
    if need is None:
        return decision, None
    if decision.evidence:
        told = (*decision.evidence, f"review: {need.words()}")
        decision = msgspec.structs.replace(decision, evidence=told)
    if need.mode != "Escalate":
        return decision, need
    return leading_to(decision, compiled.escalate_to, facts, rank=rank, now_s=now_s), need


def leading_to(
    decision: Decision,
    backends: tuple[Backend, ...],
    facts: RequestFacts,
    *,
    rank: int,
    now_s: float | None,
) -> Decision:
    """The same with those of `backends` as candidates that may have the request and can take it."""
    rank = max(rank, RANKS.get(decision.route.route.data_class, 0))
    if decision.policy.governance is not None:
        rank = max(rank, decision.policy.governance.rank)
    candidates, skipped = [], []
    for backend in backends:
        why = why_not(backend, rank, now_s) or lacks(backend, facts)
        over = "" if why else overflows(backend, facts)
        cap = decision.route.cap
        dear = "" if cap is None or why or over else too_dear(backend, cap, facts)
        if why or over or dear:
            told = why or over or dear
            skipped.append(Skipped(backend.name, told, bool(over), dear=bool(dear)))
        else:
            candidates.append(backend)
    evidence = decision.evidence
    if evidence:
        evidence += tuple(f"backend {one.backend}: skipped, {one.reason}" for one in skipped)
    return msgspec.structs.replace(
        decision, candidates=tuple(candidates), skipped=tuple(skipped), evidence=evidence
    )


def taking(policy: CompiledPolicy, rule: str) -> CompiledPolicy | None:
    """As much of a policy as this rule of it; None if it has none of this name."""
    for route in policy.routes:
        if route.route.name == rule:
            return replace(policy, routes=(route,), tries=())
    return None
