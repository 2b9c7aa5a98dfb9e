"""PURE: decides a request of which a ledger kept a part only.

| a match                                        | holds                             |
|------------------------------------------------|-----------------------------------|
| what is known of the request contradicts it    | no                                |
| a recorded rule says that it did, or did not   | so                                |
| it looks at what is not known                  | perhaps                           |
| otherwise                                      | as a router would decide it       |

Guarantees that a backend is named only where every route that may be taken leads to it. Refuses to
guess what a predictor would choose, for it reads the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from pointsman.api.table import Backend
from pointsman.routing.chooser import may_be_chosen
from pointsman.routing.compiled import CompiledMatch, CompiledPolicy, CompiledRoute
from pointsman.routing.deciding import decide
from pointsman.routing.facts import RequestFacts

UNKNOWN: Final = frozenset(
    {
        "request.headers",
        "request.metadata",
        "request.turns",
        "request.jsonMode",
        "request.maxOutputTokens",
    }
)
"""Variables that no ledger keeps."""


class Told(NamedTuple):
    """What a recorded rule says of a request."""

    rule: str
    held: bytes
    """Its matches, one of which held; empty of the default."""
    failed: frozenset[bytes]
    """Matches of the rules before it, which did not."""


class Outcome(NamedTuple):
    """Where a request goes first; `unknown` says why that cannot be told."""

    rule: str
    """Empty if several may be taken."""
    backend: Backend | None
    """None: nobody can take it."""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class _Way:
    key: bytes
    probe: CompiledPolicy
    """Takes the route if what is known of the match holds."""
    looks_at: str
    """What of it is not known; empty: nothing."""


@dataclass(frozen=True, slots=True)
class _Route:
    route: CompiledRoute
    alone: CompiledPolicy
    """Takes no other one."""
    key: bytes
    ways: tuple[_Way, ...]


class PartialPolicy:
    """A policy that decides by what a ledger kept."""

    def __init__(self, policy: CompiledPolicy) -> None:
        self._policy = policy
        self._routes = [_compiled(policy, route) for route in policy.routes]
        self._by_name = {one.route.route.name: number for number, one in enumerate(self._routes)}

    def told(self, rule: str) -> Told | None:
        """What it says of a request that this policy sent by this rule; None: it has none such."""
        number = self._by_name.get(rule)
        if number is None:
            return None
        before = (way.key for one in self._routes[:number] for way in one.ways)
        return Told(rule, self._routes[number].key, frozenset(before))

    def decide(self, facts: RequestFacts, dice: float, told: Told | None = None) -> Outcome:
        """`told`: of the policy that had the request, or of one before it."""
        possible, looks_at = self._possible(facts, told)
        return self._first(possible, facts, dice, looks_at)

    def again(self, facts: RequestFacts, dice: float, told: Told) -> Outcome:
        """By the rule that it was sent by, which has to be this policy's own."""
        return self._first([self._routes[self._by_name[told.rule]]], facts, dice, "")

    def _possible(self, facts: RequestFacts, told: Told | None) -> tuple[list[_Route], str]:
        found: list[_Route] = []
        looks_at = ""
        for one in self._routes[:-1]:
            if told is not None and told.held and one.key == told.held:
                return [*found, one], looks_at
            held = [
                way
                for way in one.ways
                if not (told is not None and way.key in told.failed)
                and decide(way.probe, facts, dice=0.0).route is one.route
            ]
            if not held:
                continue
            found.append(one)
            if not all(way.looks_at for way in held):
                return found, looks_at
            looks_at = looks_at or held[0].looks_at
        return [*found, self._routes[-1]], looks_at

    def _first(
        self, possible: Sequence[_Route], facts: RequestFacts, dice: float, looks_at: str
    ) -> Outcome:
        names = [one.route.route.name for one in possible]
        if any(may_be_chosen(self._policy.chooser, name) for name in names):
            return Outcome(names[0] if len(names) == 1 else "", None, "the predictor reads texts")
        if any(one.route.cap is not None for one in possible):
            return Outcome(names[0] if len(names) == 1 else "", None, "maxCost reads maxTokens")
        firsts = [next(iter(decide(one.alone, facts, dice=dice).candidates), None)
                  for one in possible]  # fmt: skip
        if len({one.name if one else "" for one in firsts}) > 1:
            return Outcome("", None, looks_at)
        return Outcome(names[0] if len(names) == 1 else "", firsts[0])


def _compiled(policy: CompiledPolicy, route: CompiledRoute) -> _Route:
    keys = [msgspec.json.encode(way, order="deterministic") for way in route.route.ways]
    return _Route(
        route=route,
        alone=replace(policy, routes=(route,), tries=()),
        key=b"\n".join(keys),
        ways=tuple(
            _way(policy, route, match, key) for match, key in zip(route.ways, keys, strict=True)
        ),
    )


def _way(policy: CompiledPolicy, route: CompiledRoute, match: CompiledMatch, key: bytes) -> _Way:
    known, looks_at = _known_part(match)
    probe = replace(policy, routes=(route, policy.routes[-1]), tries=((route, known),))
    return _Way(key, probe, looks_at)


def _known_part(match: CompiledMatch) -> tuple[CompiledMatch, str]:
    """Its conditions that can be told, and in words what of the others is looked at."""
    further, expression = match.further, match.expression
    missing: list[str] = []
    if match.headers:
        missing.append("headers")
    if match.metadata:
        missing.append("metadata")
    if further is not None and (further.min_turns or further.max_turns is not None):
        missing.append("turns")
    if further is not None and further.json_mode is not None:
        missing.append("JSON mode")
    if further is not None:
        further = replace(further, min_turns=0, max_turns=None, json_mode=None)
    if expression is not None and expression.reads & UNKNOWN:
        missing.append("an expression on " + ", ".join(sorted(expression.reads & UNKNOWN)))
        expression = None
    known = replace(match, headers=(), metadata=(), further=further, expression=expression)
    return known, ", ".join(missing)
