"""Specs with other weights: bounds hold, whatever the weights and the moves."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.api.validation import parse
from pointsman.operator.plan.reevaluating.moving import (
    MOST_WEIGHT,
    Move,
    effective,
    moved,
    shares,
    weights_of,
)
from tests.operator.objects import policy, route, rule, target

NAMES = ("a", "b", "c", "d")
WEIGHTS = st.one_of(st.integers(0, 10), st.integers(0, MOST_WEIGHT))


@st.composite
def routes(draw: st.DrawFn) -> dict[str, Any]:
    """Targets with weights, and maybe a chain of others."""
    count = draw(st.integers(1, 3))
    weights = draw(st.lists(WEIGHTS, min_size=count, max_size=count).filter(any))
    found: dict[str, Any] = {
        "targets": [target(name, weight) for name, weight in zip(NAMES, weights, strict=False)]
    }
    if draw(st.booleans()):
        found["fallback"] = {"chain": [{"name": name} for name in NAMES[count:]]}
    return found


@st.composite
def moves(draw: st.DrawFn, found: dict[str, Any]) -> list[Move]:
    """Each donor once, to anybody of the rule."""
    weights = weights_of(found)
    chain = [ref["name"] for ref in found.get("fallback", {}).get("chain", ())]
    pool = [*weights, *chain]
    donors = draw(st.lists(st.sampled_from([n for n in weights if weights[n]]), unique=True))
    return [
        Move(donor, draw(st.sampled_from([name for name in pool if name != donor])), "Worse")
        for donor in donors
        if len(pool) > 1
    ]


@given(data=st.data(), percent=st.integers(1, 100))
def test_the_bounds_hold(data: st.DataObject, percent: int) -> None:
    """Nobody from outside, no more than the part that is allowed, and a spec that is valid."""
    declared = data.draw(routes())
    made = data.draw(moves(declared))
    before = weights_of(declared)
    after = moved(before, made, percent)
    old, new = shares(before), shares(after)
    pool = {*before, *(ref["name"] for ref in declared.get("fallback", {}).get("chain", ()))}

    assert set(after) <= pool
    assert max(after.values()) <= MOST_WEIGHT
    assert sum(new.values()) == pytest.approx(1)
    change = sum(max(0, new.get(n, 0) - old.get(n, 0)) for n in pool)
    assert change <= percent / 100 + 0.002, "weights beyond 1,000,000 are rounded"
    spec = policy(default=declared)["spec"]
    kept = copy.deepcopy(spec)
    found = effective(spec, {"default": tuple(made)} if made else {}, percent)
    parse(RoutingPolicy, {"metadata": {"name": "desk"}, "spec": found})
    assert spec == kept, "what was declared is not touched"
    assert found == effective(spec, {"default": tuple(made)} if made else {}, percent)
    if not made:
        assert found == spec


def test_all_of_it_or_a_part() -> None:
    """Weights stay as they were written, where they can."""
    made = [Move("a", "b", "Worse")]

    assert moved({"a": 3, "c": 1}, made, 100) == {"a": 0, "c": 1, "b": 3}
    assert moved({"a": 3, "c": 1}, made, 25) == {"a": 2, "c": 1, "b": 1}
    assert moved({"a": 1}, made, 30) == {"a": 7, "b": 3}


def test_the_part_is_for_all_moves_of_a_rule_together() -> None:
    """The first ones get it."""
    made = [Move("a", "c", "Worse"), Move("b", "c", "Worse")]

    assert moved({"a": 1, "b": 1, "c": 2}, made, 25) == {"a": 0, "b": 1, "c": 3}
    assert moved({"a": 1, "b": 1, "c": 2}, made, 30) == {"a": 0, "b": 1, "c": 4}


def test_who_loses_all_becomes_the_last_fallback() -> None:
    """Once; who keeps a part does not."""
    declared = policy(default=route("a", chain=("b",)))["spec"]
    made = {"default": (Move("a", "b", "Worse"),)}

    whole = effective(declared, made, 100)["default"]
    assert [one["weight"] for one in whole["targets"]] == [0, 1]
    assert whole["fallback"]["chain"] == [{"name": "b"}, {"name": "a"}]
    assert effective(declared, made, 50)["default"]["fallback"]["chain"] == [{"name": "b"}]


def test_rules_by_name_and_nothing_else() -> None:
    """Rules that are not moved are byte for byte what they were."""
    rules = (
        rule("code", {"task": ["Coding"]}, "a", chain=("b",)),
        rule("chat", {"turns": {"min": 2}}, "a"),
    )
    declared = policy(rules=rules)["spec"]
    found = effective(declared, {"code": (Move("a", "b", "Worse"),)}, 100)

    assert found["rules"][1] == declared["rules"][1]
    assert found["default"] == declared["default"]
    assert found["rules"][0]["match"] == declared["rules"][0]["match"]
    assert weights_of(found["rules"][0]) == {"a": 0, "b": 1}
