"""A table that remembers is the table that would be made anew, byte for byte."""

import asyncio
import contextlib
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.plan.kept import Kept
from pointsman.operator.plan.objects import observed_policy
from pointsman.operator.plan.table import Verdict, compile_table
from tests.operator.fake_api import FakeApi
from tests.operator.objects import (
    NAMESPACE,
    accepted,
    backend,
    backends,
    policy,
    route,
    rule,
)
from tests.operator.test_controllers import controller_of

NAMES = ("a", "b", "c")
GOVERNED = {"require": ["Approved"]}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["backend", "invalid", "gone", "policy", "names", "governed", "broken", "dropped"]
        ),
        st.sampled_from(NAMES),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


class Fleet:
    """Three backends and three policies, which somebody edits."""

    def __init__(self) -> None:
        self.backends: dict[str, Any] = {name: backend(name) for name in NAMES}
        self.policies: dict[str, Any] = {
            name: policy(
                name, model_names=(name,), default=route(name),
                rules=(rule("code", {"task": ["Coding"]}, "b"),),
            )
            for name in NAMES
        }  # fmt: skip

    def edit(self, what: str, name: str, number: int) -> None:
        spec = self.policies[name]["spec"]
        match what:
            case "backend":
                self.backends[name] = backend(name, contextWindow=1000 + number)
            case "invalid":
                self.backends[name] = backend(name, nonsense={"deployment": 1}, cost=number)
            case "gone":
                self.backends.pop(name, None)
            case "policy":
                spec = {**spec, "default": route(NAMES[number])}
            case "names":
                spec = {**spec, "modelNames": [NAMES[number]]}
            case "governed":
                spec = {**spec, "governance": GOVERNED}
            case "broken":
                spec = {**spec, "modelNames": [], "number": number}
            case "dropped":
                spec = {key: value for key, value in spec.items() if key != "rules"}
        self.policies[name] = {**self.policies[name], "spec": spec}


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_remembering_changes_nothing(steps: list[tuple[str, str, int]]) -> None:
    """Whatever is edited, broken, mended or taken away in whatever order."""
    fleet, kept = Fleet(), Kept[Verdict]()
    last = accepted(*fleet.policies.values())
    for step in steps:
        fleet.edit(*step)
        arguments: dict[str, Any] = {
            "namespace": NAMESPACE,
            "backends": backends(*fleet.backends.values()),
            "policies": [observed_policy(one) for one in fleet.policies.values()],
            "accepted": last,
            "now_s": 1_800_000_000.0,
        }
        remembered, anew = compile_table(**arguments, kept=kept), compile_table(**arguments)

        assert remembered == anew
        good = [name for name, one in anew.verdicts.items() if one.accepted.status]
        last |= accepted(*(fleet.policies[name] for name in good))


def test_only_what_was_edited_is_made_anew() -> None:
    """The other verdicts are the very same objects."""
    fleet, kept = Fleet(), Kept[Verdict]()
    observed = Kept[Any]()
    known = backends(*fleet.backends.values())

    def look() -> dict[str, Verdict]:
        policies = [
            observed.of(name, item, lambda one: (one["spec"],), observed_policy)
            for name, item in fleet.policies.items()
        ]
        return dict(
            compile_table(
                namespace=NAMESPACE, backends=known, policies=policies,
                accepted={}, kept=kept,
            ).verdicts
        )  # fmt: skip

    before = look()
    assert all(one.accepted.status for one in before.values())
    fleet.edit("policy", "b", 2)
    after = look()

    assert after["a"] is before["a"]
    assert after["b"] is not before["b"]


def test_a_value_is_made_anew_only_for_another_source() -> None:
    made: list[str] = []
    kept = Kept[str]()

    def make() -> str:
        made.append("x")
        return f"value {len(made)}"

    assert [kept.get("a", (1,), make), kept.get("a", (1,), make)] == ["value 1", "value 1"]
    assert kept.get("a", (2,), make) == "value 2"
    kept.forget("a")
    assert kept.get("a", (2,), make) == "value 3"
    kept.only(())
    assert kept.get("a", (2,), make) == "value 4"


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_a_long_life_writes_what_a_new_one_would(steps: list[tuple[str, str, int]]) -> None:
    """After any edits, whoever begins anew finds nothing to write: no status, no table."""
    fleet, api = Fleet(), FakeApi()
    old = controller_of(api)
    generations = dict.fromkeys(NAMES, 1)
    for step in steps:
        fleet.edit(*step)
        generations[step[1]] += 1
        for name in NAMES:
            for kind, items in (
                ("ModelBackend", fleet.backends),
                ("RoutingPolicy", fleet.policies),
            ):
                stored = api.stored.get((kind, name))
                if name not in items:
                    api.stored.pop((kind, name), None)
                elif stored is None or stored["spec"] != items[name]["spec"]:
                    item = copy.deepcopy(items[name])
                    item["metadata"]["generation"] = generations[name]
                    status = {"status": stored["status"]} if stored and "status" in stored else {}
                    api.put({**item, **status})
        for _ in range(4):  # the table, its acks, what waits for a place or a name
            asyncio.run(_once(old))
    writes: list[str] = []
    api.hook = lambda what, kind: writes.append(f"{what} {kind.name}")
    asyncio.run(_once(controller_of(api)))

    assert [one for one in writes if one.split()[0] not in {"get", "list"}] == []


async def _once(controller: PolicyController) -> None:
    with contextlib.suppress(ExceptionGroup):
        await controller.reconcile()
