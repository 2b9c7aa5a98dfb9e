"""PURE: which candidate answers where rules leave it open.

Guarantees that only backends of the policy are chosen, that none of them lacks what the request
needs, and that the targets answer whenever the predictor is not sure. Refuses to look at states:
who is full, cold or broken is passed over when the request is sent, in the order given here.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from pointsman.analysis.predictor import Prediction
from pointsman.analysis.text import Text
from pointsman.api.predicting import Abstained, Choice, Chooser, Prefer, Rated, Trait, Why
from pointsman.api.table import Backend, Price
from pointsman.routing.cap import too_dear
from pointsman.routing.chooser import CompiledChooser, Pool
from pointsman.routing.deciding import lacks, overflows
from pointsman.routing.decision import Decision, Skipped
from pointsman.routing.facts import RequestFacts

USUAL_OUTPUT_TOKENS: Final = 300
"""Of an answer, until some were seen; set by hand."""
_FREE: Final = Price()


class Asked(NamedTuple):
    """What one request is chosen by."""

    text: Text
    """The reading that the analysis was made of."""
    facts: RequestFacts
    now_s: float
    """Unix time, for prices."""
    dice: float = 1.0
    """In [0, 1); 1: nothing is explored."""
    stays: str = ""
    """The backend that its conversation is with; empty if it is not known."""


class _Parts(NamedTuple):
    """What quality, cost and duration count; the latter two as parts of the candidates' most."""

    quality: float
    cost: float
    duration: float


_PREFERENCES: Final[Mapping[Prefer, _Parts]] = {
    "Quality": _Parts(1.0, 0.01, 0.0),
    "Balanced": _Parts(1.0, 0.15, 0.05),
    "Cost": _Parts(0.01, 1.0, 0.0),
}
"""As the kind's description says it. A cost that counts as much as quality sends everything to the
cheapest, which LiteLLM found with its own (pull request 32947)."""


class _Standing(NamedTuple):
    """Of one candidate that can take the request; the larger, the better."""

    good: bool
    """Not below the floor."""
    score: float
    """Of those below it, the quality."""
    number: int
    """Less what its place in the pool is, so that equals keep their order."""


class _Offer(NamedTuple):
    backend: Backend
    rated: Rated
    standing: _Standing


class _Left(NamedTuple):
    skip: Skipped
    rated: Rated


def choose(compiled: CompiledChooser, decision: Decision, asked: Asked) -> tuple[Decision, Choice]:
    """
    What the predictor says, and with mode Apply the decision with its order of candidates.

    Behind the candidates follow those of the route that are none, as they stood.
    """
    chooser = compiled.chooser
    pool = compiled.pools.get(decision.route.route.name)
    if pool is None:
        return decision, Choice(mode=chooser.mode, abstained="Bypass")
    prediction = compiled.predictor.predict(asked.text, asked.facts.analysis)
    offers, left = _offers(chooser, pool, prediction.quality, asked)
    abstained, why, offers = _settle(chooser, prediction, offers, asked)
    choice = Choice(
        mode=chooser.mode,
        backend="" if abstained else offers[0].backend.name,
        why=why,
        abstained=abstained,
        confidence=round(prediction.confidence, 4),
        candidates=(*[one.rated for one in offers], *[one.rated for one in left]),
        evidence=prediction.evidence,
    )
    if abstained or chooser.mode != "Apply":
        return decision, choice
    applied = _applied(decision, offers, [one.skip for one in left])
    return (applied if decision.route.cap is None else _capped(applied, asked.facts)), choice


def _capped(decision: Decision, facts: RequestFacts) -> Decision:
    """The route's cost cap holds for whoever was chosen."""
    cap = decision.route.cap
    assert cap is not None
    kept: list[Backend] = []
    dear: list[Skipped] = []
    for backend in decision.candidates:
        why = too_dear(backend, cap, facts)
        if why:
            dear.append(Skipped(backend.name, why, ahead=not kept, dear=True))
        else:
            kept.append(backend)
    return msgspec.structs.replace(
        decision, candidates=tuple(kept), skipped=(*decision.skipped, *dear)
    )


def _applied(decision: Decision, offers: Sequence[_Offer], skipped: Sequence[Skipped]) -> Decision:
    first = [offer.backend for offer in offers]
    names = {backend.name for backend in first} | {skip.backend for skip in skipped}
    rest = [backend for backend in decision.candidates if backend.name not in names]
    others = [skip for skip in decision.skipped if skip.backend not in names]
    return msgspec.structs.replace(
        decision, candidates=(*first, *rest), skipped=(*skipped, *others)
    )


def _offers(
    chooser: Chooser, pool: Pool, quality: Mapping[str, float], asked: Asked
) -> tuple[list[_Offer], list[_Left]]:
    """Those that can take the request, best first, and why the others cannot."""
    facts = asked.facts
    able: list[tuple[Backend, Rated, int]] = []
    left: list[_Left] = []
    for backend, trait in zip(pool.backends, pool.traits, strict=True):
        expected = quality.get(backend.name)
        lack, over = lacks(backend, facts), overflows(backend, facts)
        cost = _cost_nano(backend, trait, asked)
        rated = Rated(
            backend=backend.name, quality=round(expected or 0.0, 4), cost_nano=cost,
            currency=backend.currency if cost else "",
        )  # fmt: skip
        if expected is None or lack or over:
            why = lack or over or "nothing is known of it"
            left.append(_left(rated, why, too_long=bool(over) and not lack))
        else:
            able.append((backend, rated, trait.duration_ms))
    most = chooser.max_cost_nano
    if most and len(able) > 1:
        cheapest = min(able, key=lambda one: one[1].cost_nano)
        dear = [one for one in able if one[1].cost_nano > most and one is not cheapest]
        able = [one for one in able if one not in dear]
        left += [_left(one[1], "it is expected to cost more than may be spent") for one in dear]
    return _ranked(chooser, pool, able), left


def _left(rated: Rated, why: str, *, too_long: bool = False) -> _Left:
    out = msgspec.structs.replace(rated, left_out=why)
    return _Left(Skipped(rated.backend, why, too_long), out)


def _ranked(
    chooser: Chooser, pool: Pool, able: Sequence[tuple[Backend, Rated, int]]
) -> list[_Offer]:
    parts = _PREFERENCES[chooser.prefer]
    most_cost = max([rated.cost_nano for _, rated, _ in able], default=0) or 1
    slowest = max([duration for _, _, duration in able], default=0) or 1
    offers = []
    for number, (backend, rated, duration) in enumerate(able):
        cost = rated.cost_nano / most_cost if pool.comparable else 0.0
        score = parts.quality * rated.quality - parts.cost * cost
        score -= parts.duration * duration / slowest
        good = rated.quality >= chooser.quality_floor
        standing = _Standing(good, score if good else rated.quality, -number)
        offers.append(_Offer(backend, rated, standing))
    return sorted(offers, key=lambda offer: offer.standing, reverse=True)


def _settle(
    chooser: Chooser, prediction: Prediction, offers: list[_Offer], asked: Asked
) -> tuple[Abstained, Why, list[_Offer]]:
    """Whether anybody is chosen, why, and the order."""
    unsure: Abstained = ""
    if not offers:
        return "NoCandidate", "", offers
    if not prediction.known:
        unsure = "OutOfDistribution"
    elif prediction.confidence < chooser.min_confidence:
        unsure = "LowConfidence"
    at = next((n for n, one in enumerate(offers) if one.backend.name == asked.stays), None)
    if unsure:
        # "Yes, go on" is unlike everything; what its conversation is with goes on.
        return (unsure, "", offers) if at is None else ("", "Stays", _first(offers, at))
    return ("", *_order(chooser, offers, at, asked))


def _order(
    chooser: Chooser, offers: list[_Offer], at: int | None, asked: Asked
) -> tuple[Why, list[_Offer]]:
    """Who comes first, and why; the others follow as they stand. `at` is whom it is with."""
    best = offers[0].standing
    if at is not None:
        stays = offers[at].standing
        near = stays.good == best.good and best.score - stays.score <= chooser.switch_margin
        return ("Stays", _first(offers, at)) if at and near else ("Best", offers)
    begins = asked.facts.analysis.turns <= 1 and chooser.mode == "Apply"
    if begins and asked.dice < chooser.exploration and len(offers) > 1:
        number = 1 + int(asked.dice / chooser.exploration * (len(offers) - 1))
        return "Explores", _first(offers, number)
    return "Best", offers


def _first(offers: list[_Offer], number: int) -> list[_Offer]:
    return [offers[number], *offers[:number], *offers[number + 1 :]]


def _cost_nano(backend: Backend, trait: Trait, asked: Asked) -> int:
    """As expected, in billionths of the backend's currency."""
    if not backend.prices:
        return 0
    price = _FREE
    for one in backend.prices:
        if one.from_s <= asked.now_s:
            price = one
    answer = trait.output_tokens or USUAL_OUTPUT_TOKENS
    if asked.facts.max_output_tokens:
        answer = min(answer, asked.facts.max_output_tokens)
    pico = asked.facts.analysis.context_tokens * price.input_pico + answer * price.output_pico
    return pico // 1000
