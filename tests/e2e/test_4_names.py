"""Names that collide: who has one keeps it, and the other is told so by its condition."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.e2e.conftest import Killer
from tests.e2e.fleet import RELEASE, Fleet
from tests.e2e.objects import apply, backend, policy, server, service
from tests.e2e.test_4_broken import answered_by, wait_condition
from tests.e2e.traffic import traffic, until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def tidy(fleet: Fleet, killer: Killer) -> Iterator[None]:
    """Nothing of these tests stays; no kill either, for they are about other things."""
    with killer.paused():
        yield from tidied(fleet)


def tidied(fleet: Fleet) -> Iterator[None]:
    kinds = ("mb", "rp")
    before = {kind: set(fleet.kubectl("get", kind, "-o", "name").split()) for kind in kinds}
    yield
    for kind in kinds:
        if more := set(fleet.kubectl("get", kind, "-o", "name").split()) - before[kind]:
            fleet.kubectl("delete", *sorted(more))


def test_the_older_policy_has_the_model_name_until_it_goes(fleet: Fleet) -> None:
    """The younger one, though first in the alphabet, says whose it is, and takes over by itself."""
    apply(fleet, policy("b-older", "shared", "qwen-light"))
    wait_condition(fleet, "rp", "b-older", "Ready", status="True")
    created = fleet.get("rp", "b-older")["metadata"]["creationTimestamp"]
    then = datetime.fromisoformat(created).timestamp()
    fleet.cluster.wait_for(lambda: time.time() > then + 1, 20, "another second of creation")
    apply(fleet, policy("a-younger", "shared", "kimi-long"))
    said = wait_condition(
        fleet, "rp", "a-younger", "Accepted", status="False", reason="ModelNameConflict"
    )
    assert said == 'spec.modelNames[0]: "shared" belongs to the older RoutingPolicy "b-older"'
    assert fleet.condition("rp", "a-younger", "Stalled")["status"] == "True"
    assert answered_by(fleet, "shared") == "qwen-light"

    fleet.kubectl("delete", "rp/b-older")
    wait_condition(fleet, "rp", "a-younger", "Ready", status="True")
    assert answered_by(fleet, "shared") == "kimi-long"


def test_what_has_a_derived_name_already_is_not_touched(fleet: Fleet) -> None:
    """Neither adopted nor overwritten; when it goes, the backend takes its place by itself."""
    port = {"name": "x", "port": 1, "targetPort": 1}
    apply(
        fleet, server(fleet, "taken-model", 9100), service("taken-model", port, selector={"a": "b"})
    )
    before = foreign(fleet)
    apply(fleet, backend("taken"), policy("taken", "taken", "taken", chain=("qwen-light",)))
    said = wait_condition(fleet, "mb", "taken", "Ready", status="False", reason="NameConflict")
    assert said == 'Deployment "taken-model" belongs to someone else'
    wait_condition(fleet, "rp", "taken", "Ready", status="True")
    assert answered_by(fleet, "taken") == "qwen-light"
    assert foreign(fleet) == before

    fleet.kubectl("delete", "deployment/taken-model")
    said = wait_condition(fleet, "mb", "taken", "Ready", status="False", reason="NameConflict")
    assert fleet.kubectl("get", "deployment/taken-model", "--ignore-not-found") == ""
    fleet.kubectl("delete", "service/taken-model")
    wait_condition(fleet, "mb", "taken", "Ready", status="True")
    assert answered_by(fleet, "taken") == "taken"


def foreign(fleet: Fleet) -> list[object]:
    """What somebody said of the two objects, and who manages which of their fields."""
    found: list[object] = []
    for kind in ("deployment", "service"):
        said = fleet.kubectl("get", kind, "taken-model", "-o", "json", "--show-managed-fields")
        item = json.loads(said)
        managers = sorted({field["manager"] for field in item["metadata"]["managedFields"]})
        about = {k: item["metadata"].get(k) for k in ("labels", "ownerReferences", "generation")}
        found.append((managers, about, item["spec"]))
    return found


def test_names_of_the_release_and_the_longest_ones_do_not_mix(fleet: Fleet) -> None:
    """Policy, backend and the release's own objects may share a name; nothing is shortened."""
    longest = [f"{'n' * 56}{end}" for end in "ab"]
    collide = (RELEASE, f"{RELEASE}-router")
    own = {name: uids(fleet, name) for name in collide}
    apply(
        fleet,
        *(backend(name) for name in (*longest, *collide)),
        *(policy(name, name, name) for name in collide),
        *(policy(f"{'p' * 51}{name[-1]}", name, name) for name in longest),
    )
    for name in (*longest, *collide):
        wait_condition(fleet, "mb", name, "Ready", status="True")
    for name in (*(f"{'p' * 51}{end}" for end in "ab"), *collide):
        wait_condition(fleet, "rp", name, "Ready", status="True")
    for name in (*longest, *collide):
        assert answered_by(fleet, name) == name
    assert {name: uids(fleet, name) for name in collide} == own


def uids(fleet: Fleet, name: str) -> list[str]:
    """The release's objects of this name."""
    kinds = "deployments,services,configmaps,leases,serviceaccounts,roles"
    items = fleet.every(kinds)
    found = [item["metadata"] for item in items if item["metadata"]["name"] == name]
    return sorted(about["uid"] for about in found)


async def test_a_backend_deleted_in_use_costs_no_request(fleet: Fleet) -> None:
    """ResolvedRefs says which reference is gone, the fallback answers; made anew, it is back."""
    apply(fleet, backend("spare"), policy("spare", "spare", "spare", chain=("qwen-light",)))
    wait_condition(fleet, "rp", "spare", "Ready", status="True")
    wait_condition(fleet, "mb", "spare", "Ready", status="True")
    async with traffic(fleet.routers(), model="spare") as seen:
        await until(seen, 30)
        await asyncio.to_thread(delete_and_make_anew, fleet)
        await until(seen, 30)

    assert seen.failures == []
    assert set(seen.answered) == {"spare", "qwen-light"}
    assert answered_by(fleet, "spare") == "spare"


def delete_and_make_anew(fleet: Fleet) -> None:
    fleet.kubectl("delete", "mb/spare")
    said = wait_condition(
        fleet, "rp", "spare", "ResolvedRefs", status="False", reason="BackendNotFound"
    )
    assert said == 'spec.default.targets[0].backendRef.name: ModelBackend "spare" not found'
    assert fleet.condition("rp", "spare", "Accepted")["status"] == "True"
    assert answered_by(fleet, "spare") == "qwen-light"
    apply(fleet, backend("spare"))
    wait_condition(fleet, "mb", "spare", "Ready", status="True")
    wait_condition(fleet, "rp", "spare", "ResolvedRefs", status="True")
    wait_condition(fleet, "rp", "spare", "Ready", status="True")
