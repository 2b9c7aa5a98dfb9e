"""Which review a request needs, and what follows: seen later, sent to another backend, or held."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from pointsman.api.table import Backend
from pointsman.router.errors import Problem, Refused
from pointsman.router.serve import governing
from pointsman.router.serve.arrival import none_can, with_cost
from pointsman.router.serve.review import telling
from pointsman.router.serve.review.held import Held
from pointsman.router.serve.review.review import ESCALATED, FLAGGED, Review
from pointsman.router.serve.review.seen import Seen
from pointsman.routing import Decision, RequestFacts
from pointsman.routing.governing import DATA_CLASS, EXPIRED, NOT_BEGUN
from pointsman.routing.review import leading_to, needed

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_LEFT_OUT: Final = frozenset((DATA_CLASS, EXPIRED, NOT_BEGUN))


def review(exchange: "Exchange") -> None:
    """The layer. Raises Suspended for a request that is held, Problem where nobody can answer."""
    compiled, found = exchange.policy.review, exchange.review
    if found is not None and found.goes_on:
        if found.falls_back:
            found.fallback = compiled.fallback if compiled is not None else None
            if found.fallback is None:
                raise telling.timed_out()
        if found.fallback is not None:
            try:
                lead(exchange, (found.fallback,))
            except Problem:  # it may not have it, or cannot take it
                raise telling.no_fallback(found.told) from None
        return
    assert compiled is not None, "the layer has asked"
    confidence, rank = exchange.analysis.confidence, exchange.data_rank
    need = needed(compiled, exchange.taken, confidence=confidence, rank=rank)
    if need is None or not (exchange.candidates or need.mode == "Escalate"):
        return
    decision = exchange.decision_id.decode()
    if need.mode == "Hold":
        Held(exchange, need, decision).hold()
    exchange.review = seen = Review(need, decision)
    seen.told = FLAGGED
    if need.mode == "Escalate":
        seen.told = ESCALATED
        lead(exchange, compiled.escalate_to)
    exchange.arm = Seen(exchange.arm, seen, exchange.plane.desk)


def lead(exchange: "Exchange", backends: tuple[Backend, ...]) -> None:
    """These answer in place of the rule's, as far as they may and can. Raises Problem."""
    asked = exchange.asked
    facts = RequestFacts(
        analysis=exchange.analysis,
        max_output_tokens=asked.max_output_tokens,
        tools=asked.tools,
        images=exchange.images,
    )
    if exchange.policy.capped:
        facts = with_cost(exchange, facts)
    now_s = exchange.plane.wall()
    decision = leading_to(
        Decision(exchange.policy, exchange.taken, ()),
        backends,
        facts,
        rank=exchange.data_rank,
        now_s=now_s,
    )
    exchange.candidates, exchange.skipped = decision.candidates, decision.skipped
    exchange.passed, exchange.index = (), 0
    if not decision.candidates:
        exchange.track = exchange.plane.tracks.of(exchange.policy, exchange.taken, None)
        raise _nobody(exchange, decision)


def _nobody(exchange: "Exchange", decision: Decision) -> Problem:
    """Why none of them answers."""
    out = {one.backend: one.reason for one in decision.skipped if one.reason in _LEFT_OUT}
    able = tuple(one for one in decision.skipped if one.backend not in out)
    if able:
        told = msgspec.structs.replace(decision, skipped=able)
        return none_can(told, exchange.operation.text)
    if out:
        of = msgspec.structs.replace(decision.route.route, left_out=out)
        return governing.none_left(exchange, replace(decision.route, route=of))
    message = "No backend may answer what is escalated."
    return Refused(message, code="no_backend", retry_after_s=5)
