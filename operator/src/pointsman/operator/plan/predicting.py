"""PURE: a policy's predictor as its routers need it: its settings, and what was learned.

Guarantees that a candidate of which nothing was learned yet takes nothing away from the others: it
is known to the routers and left out until the next fit, which knows its family.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from pointsman.analysis.predictor import InvalidWeights, Weights, decode, encode, weights_of
from pointsman.api import table
from pointsman.api.predicting import Chooser, Trait
from pointsman.api.v1alpha1 import RoutingPolicySpec


@dataclass(frozen=True, slots=True)
class Learned:
    """What the ledger's labels of one policy led to."""

    weights: Weights
    traits: Mapping[str, Trait] = field(default_factory=dict)


def candidates_of(spec: RoutingPolicySpec) -> tuple[str, ...]:
    """Among whom the predictor may choose; empty where there is none."""
    predictor = spec.predictor
    if predictor is None or predictor.mode == "None":
        return ()
    if predictor.candidates:
        return tuple(ref.name for ref in predictor.candidates)
    found: dict[str, None] = {}
    for _, _, route in spec.routes():
        found.update((one.backend_ref.name, None) for one in route.targets if one.weight > 0)
        found.update((ref.name, None) for ref in (route.fallback.chain if route.fallback else ()))
    return tuple(found)


def priors(candidates: Mapping[str, table.Backend]) -> Weights:
    """What is known of them before any label."""
    return weights_of({name: (one.family, one.model) for name, one in candidates.items()})


def compile_chooser(
    spec: RoutingPolicySpec, usable: Mapping[str, table.Backend], learned: Learned | None
) -> Chooser | None:
    """None where the policy predicts nothing; `usable` are its backends that there are."""
    predictor = spec.predictor
    names = tuple(name for name in candidates_of(spec) if name in usable)
    if predictor is None or predictor.mode == "None" or not names:
        return None
    objective = predictor.objective
    if learned and not set(names) & set(learned.weights.backends):
        learned = None
    weights = learned.weights if learned else priors({name: usable[name] for name in names})
    chosen = [rule.name for rule in spec.rules_ if rule.predictor == "Choose"]
    if spec.default.predictor == "Choose":
        chosen.append("default")
    return Chooser(
        mode=predictor.mode,
        candidates=names,
        routes=tuple(chosen),
        prefer=objective.prefer,
        quality_floor=(objective.quality_floor_percent or 0) / 100,
        max_cost_nano=int(Decimal(objective.max_cost_per_request or "0") * 10**9),
        min_confidence=predictor.min_confidence_percent / 100,
        switch_margin=predictor.switch_margin_percent / 100,
        exploration=predictor.exploration_percent / 100,
        traits={n: one for n, one in sorted(learned.traits.items()) if n in names}
        if learned
        else {},
        weights=msgspec.Raw(encode(weights)),
    )


def learned_of(blob: table.PolicyBlob) -> Learned | None:
    """What a blob that is in force was compiled with: the store of what was learned."""
    chooser = blob.predictor
    if chooser is None:
        return None
    try:
        weights = decode(bytes(chooser.weights))
    except InvalidWeights:  # of another version: they are fitted anew
        return None
    return Learned(weights, chooser.traits) if weights.labels else None
