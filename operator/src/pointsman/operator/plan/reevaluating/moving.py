"""Moves: whose requests of a rule go to whom instead, and the spec that follows from them.

The same moves on the same spec give the same spec. Whoever loses all stays among the targets with
weight 0, and becomes the last fallback where there are fallbacks: a rule has as many ways out as
before.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from pointsman.operator.plan.objects import Json

MOST_WEIGHT: Final = 1_000_000
MOST_TARGETS: Final = 16
MOST_CHAIN: Final = 8
"""As the kind has them."""
_GRAIN: Final = 10_000
"""Parts of a rule's requests where exact weights would be too large."""

Ground = Literal["Worse", "Better", "NoDearer"]
"""The donor got worse; the receiver got better; the receiver is better and costs no more."""


class Move(msgspec.Struct, frozen=True):
    """What the spec gives to `donor` goes to `receiver`, as far as the bound allows."""

    donor: str
    receiver: str
    ground: Ground


Moves = Mapping[str, tuple[Move, ...]]
"""By rule; `default` is one. Rules without moves are absent."""
Weights = Mapping[str, int]
"""Of targets by name, in their order."""


def weights_of(route: Json) -> dict[str, int]:
    """The declared ones, of JSON that was accepted."""
    return {str(one["backendRef"]["name"]): int(one.get("weight", 1)) for one in route["targets"]}


def moved(declared: Weights, moves: Sequence[Move], percent: int) -> dict[str, int]:
    """The weights after these moves; at most `percent` of the requests go elsewhere."""
    if not moves:
        return dict(declared)
    exact = _moved(declared, moves, percent)
    if max(exact.values()) <= MOST_WEIGHT:
        return exact
    return _moved(_coarse(declared), moves, percent)


def _moved(declared: Weights, moves: Sequence[Move], percent: int) -> dict[str, int]:
    left = sum(declared.values()) * percent
    found = {name: weight * 100 for name, weight in declared.items()}
    for move in moves:
        amount = min(declared.get(move.donor, 0) * 100, left)
        if amount <= 0:
            continue
        left -= amount
        found[move.donor] -= amount
        found[move.receiver] = found.get(move.receiver, 0) + amount
    whole = math.gcd(*found.values())
    return {name: weight // whole for name, weight in found.items()}


def _coarse(declared: Weights) -> dict[str, int]:
    """In parts of 10,000; the largest takes what rounding leaves."""
    total, most = sum(declared.values()), max(declared, key=lambda name: declared[name])
    found = {name: weight * _GRAIN // total for name, weight in declared.items()}
    found[most] += _GRAIN - sum(found.values())
    return found


def shares(weights: Weights) -> dict[str, float]:
    """Of the requests, by backend; those with none are absent."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def effective(spec: Json, moves: Moves, percent: int) -> dict[str, Any]:
    """The spec with these moves in it; all else, and the order of everything, is as it was."""
    found: dict[str, Any] = copy.deepcopy(dict(spec))
    rules = {str(rule["name"]): rule for rule in found.get("rules") or ()}
    for name, wanted in moves.items():
        route = found["default"] if name == "default" else rules.get(name)
        if route is not None:
            _apply(route, wanted, percent)
    return found


def _apply(route: dict[str, Any], moves: Sequence[Move], percent: int) -> None:
    weights = moved(weights_of(route), moves, percent)
    known = {str(one["backendRef"]["name"]): one for one in route["targets"]}
    route["targets"] = [
        {**one, "weight": weight} if weight != 1 or "weight" in one or name not in known else one
        for name, weight in weights.items()
        for one in [known.get(name, {"backendRef": {"name": name}})]
    ]
    fallback = route.get("fallback")
    if not fallback:
        return
    chain = [str(ref["name"]) for ref in fallback["chain"]]
    for move in moves:
        if not weights[move.donor] and move.donor not in chain and len(chain) < MOST_CHAIN:
            chain.append(move.donor)
            fallback["chain"] = [*fallback["chain"], {"name": move.donor}]
