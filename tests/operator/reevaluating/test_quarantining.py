"""Tables without whom a policy has in quarantine."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.operator.plan.reevaluating.quarantining import in_quarantine, quarantined
from pointsman.operator.plan.table import TablePlan
from pointsman.routing import compile_policy
from tests.operator.objects import blob_of, compiled, policy, route, rule, target
from tests.operator.reevaluating.known import facts, known


def without(plan: TablePlan, *out: str) -> tuple[table.PolicyBlob, dict[str, str]]:
    found = quarantined(plan, {"desk": frozenset(out)})
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
