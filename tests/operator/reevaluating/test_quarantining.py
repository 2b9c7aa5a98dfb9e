"""Tables without whom a policy has in quarantine."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.operator.plan.reevaluating.quarantining import in_quarantine, quarantined
from pointsman.operator.plan.table import TablePlan
from pointsman.routing import compile_policy
from tests.operator.objects import (
    backend,
    backends,
    blob_of,
    compiled,
    policy,
    route,
    rule,
    target,
)
from tests.operator.reevaluating.known import facts, known
from tests.operator.test_vetting import FROM, UNTIL, approval, asking, seconds, vetted


def without(
    plan: TablePlan, *out: str, now_s: float | None = None
) -> tuple[table.PolicyBlob, dict[str, str]]:
    found = quarantined(plan, {"desk": frozenset(out)}, now_s=now_s)
    blob = blob_of(found.plan)
    entry = found.plan.verdicts["desk"].entry
    assert entry
    compile_policy(blob, entry.blob)  # as routers do
    return blob, dict(found.effects.get("desk", {}))


def test_only_for_the_reasons_that_count() -> None:
    """And of the backends that the policy names."""
    found = known(facts("a", state="Worse"), facts("b", state="Better"), facts("c", state="Worse"))

    assert in_quarantine(("a", "b", "x"), found, ("Worse",)) == {"a"}
    assert in_quarantine(("a",), known(facts("a", state="Suspected")), ("Worse",)) == set()


def test_targets_and_chains_lose_it_and_probes_still_find_it() -> None:
    """Who is left keeps its weight."""
    plan = compiled(
        policy(
            rules=(rule("code", {"task": ["Coding"]}, "a", chain=("b", "c")),),
            default={"targets": [target("a", 2), target("b", 1)]},
        )
    )
    blob, effects = without(plan, "a")

    assert [one.backend for one in blob.routes[0].targets] == ["b"]
    assert blob.routes[0].fallback is not None
    assert blob.routes[0].fallback.chain == ("c",)
    assert [one.backend for one in blob.routes[1].targets] == ["b"]
    assert set(blob.backends) == {"a", "b", "c"}
    assert effects == {"a": "in quarantine"}


def test_a_target_of_weight_0_is_no_way_out() -> None:
    """The fallback answers."""
    default = {"targets": [target("a", 1), target("b", 0)], "fallback": {"chain": [{"name": "c"}]}}
    blob, _ = without(compiled(policy(default=default)), "a")

    assert blob.routes[0].targets == (table.Target(backend="c", weight=1),)
    assert blob.routes[0].fallback is None


def test_the_predictor_does_not_choose_it() -> None:
    """If nobody is left to choose among, it chooses for no route."""
    item = policy(default=route("a", chain=("b",)))
    item["spec"]["predictor"] = {"mode": "Apply", "candidates": [{"name": "a"}, {"name": "b"}]}
    plan = compiled(item)
    blob, _ = without(plan, "a")
    assert blob.predictor is not None
    assert blob.predictor.candidates == ("b",)
    assert blob.predictor.routes == ("default",)
    blob, effects = without(plan, "a", "b")

    assert blob.predictor is not None
    assert blob.predictor.routes == ()
    assert effects["a"] == "stays in default: nobody else is left there"


def trusted(**classes: str) -> dict[str, Any]:
    """Backends by the strictest class that they may take; c may take public data."""
    found = [
        backend(name, governance={"dataHandling": {"maxDataClass": most}})
        for name, most in classes.items()
    ]
    return dict(backends(*found, *(backend(name) for name in "abc" if name not in classes)))


def test_who_alone_may_take_a_class_of_data_stays() -> None:
    """A request of that class would be refused otherwise; where another may take it, it goes."""
    rules = (rule("code", {"task": ["Coding"]}, "a", chain=("b", "c")),)
    item = policy(rules=rules, default=route("a", chain=("c",)))
    plan = compiled(item, known=trusted(a="Confidential", b="Restricted"))
    blob, effects = without(plan, "a")

    assert ways(blob.routes[0]) == {"b", "c"}
    assert ways(blob.routes[1]) == {"a", "c"}
    assert effects == {"a": "stays in default: nobody else there may take Confidential data now"}


def test_of_two_that_drifted_one_is_enough() -> None:
    """The one that may take what the other may, and more."""
    plan = compiled(
        policy(default={"targets": [target("a"), target("b"), target("c")]}),
        known=trusted(a="Internal", b="Restricted"),
    )
    blob, effects = without(plan, "a", "b")

    assert ways(blob.routes[0]) == {"b", "c"}
    assert effects["a"] == "in quarantine"
    assert effects["b"].startswith("stays in default: nobody else there may take Restricted")


def test_who_alone_has_an_approval_that_holds_stays() -> None:
    """While the other's does, it goes; where nobody's does, nothing is lost by it."""
    ended = approval(expiresAt="2026-06-01T00:00:00Z")
    vetted_ones = backends(vetted("a"), vetted("b", approval=ended), backend("c"))
    plan = compiled(asking(policy(default=route("a", chain=("b",)))), known=vetted_ones)
    blob, _ = without(plan, "a", now_s=seconds(FROM))
    assert ways(blob.routes[0]) == {"b"}
    blob, effects = without(plan, "a", now_s=seconds("2026-07-01T00:00:00Z"))
    assert ways(blob.routes[0]) == {"a", "b"}
    assert effects == {"a": "stays in default: nobody else there may take Public data now"}
    blob, _ = without(plan, "a", now_s=seconds(UNTIL))

    assert ways(blob.routes[0]) == {"b"}


def test_the_predictor_keeps_who_alone_may_take_a_class() -> None:
    """Unless the targets may; then they answer."""
    item = policy(default=route("c"))
    item["spec"]["predictor"] = {"mode": "Apply", "candidates": [{"name": "a"}, {"name": "b"}]}
    blob, effects = without(compiled(item, known=trusted(a="Internal")), "a")
    assert blob.predictor is not None
    assert blob.predictor.candidates == ("a", "b")
    assert "stays in the predictor: nobody else there may take Internal" in effects["a"]
    blob, _ = without(compiled(item, known=trusted(a="Internal", c="Internal")), "a")

    assert blob.predictor is not None
    assert blob.predictor.candidates == ("b",)


def test_nothing_to_do_changes_nothing() -> None:
    """The same plan, byte for byte."""
    plan = compiled(policy(default=route("a")))

    assert quarantined(plan, {"desk": frozenset(), "other": frozenset("a")}).plan is plan


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Rules of up to three backends."""

    def routed() -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True))
        weights = [draw(st.integers(0, 2)) for _ in names]
        weights[0] = max(1, weights[0])
        found: dict[str, Any] = {"targets": list(map(target, names, weights))}
        chain = draw(st.lists(st.sampled_from("abc"), unique=True))
        if chain and not (len(names) == 1 and names[0] in chain):
            found["fallback"] = {"chain": [{"name": name} for name in chain]}
        return found

    rules = ({"name": "code", "match": {"task": ["Coding"]}, **routed()},)
    return policy(rules=rules, default=routed())


def ways(route: table.Route) -> set[str]:
    """Who may answer."""
    chain = route.fallback.chain if route.fallback else ()
    return {one.backend for one in route.targets if one.weight} | set(chain)


@pytest.mark.slow
@given(item=specs(), out=st.frozensets(st.sampled_from("abc")))
def test_no_rule_is_ever_empty(item: dict[str, Any], out: frozenset[str]) -> None:
    """Whoever is left is not in quarantine, or everybody is; and nobody new comes."""
    plan = compiled(item)
    before = blob_of(plan)
    blob, effects = without(plan, *out)
    for old, new in zip(before.routes, blob.routes, strict=True):
        was, now = ways(old), ways(new)
        assert any(one.weight for one in new.targets)
        assert now == (was - out or was)
        stuck = {n for n, said in effects.items() if old.name in said}
        assert stuck <= {t.backend for t in old.targets}
        if was - out:
            assert stuck == set()


CLASSES = ("Public", "Internal", "Confidential", "Restricted")


@pytest.mark.slow
@given(
    item=specs(),
    out=st.frozensets(st.sampled_from("abc")),
    most=st.fixed_dictionaries(dict.fromkeys("abc", st.sampled_from(CLASSES))),
)
def test_no_class_of_data_is_refused_for_it(
    item: dict[str, Any], out: frozenset[str], most: dict[str, str]
) -> None:
    """Whatever a rule took it takes; and who stays is the only one for something, or the last."""
    plan = compiled(item, known=trusted(**most))
    before = blob_of(plan)
    blob, _ = without(plan, *out)
    for old, new in zip(before.routes, blob.routes, strict=True):
        was, now = ways(old), ways(new)
        assert max(CLASSES.index(most[name]) for name in was) == max(
            CLASSES.index(most[name]) for name in now
        )
        if was - out:
            rest = max(CLASSES.index(most[name]) for name in was - out)
            assert all(CLASSES.index(most[name]) > rest for name in now & out)
            assert len(now & out) <= 1
