"""The controllers against an API server in memory: what is written when something goes wrong."""

import base64
from typing import Any

import pytest
from msgspec import structs

from pointsman.api import table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.observe import observe_backend, observe_table
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.cluster.tables import (
    blob_name,
    manifest_name,
    read_table,
    write_blob,
    write_manifest,
)
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.errors import Stalled
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.settings import Settings
from tests.operator.fake_api import FakeApi
from tests.operator.learning import idle_learner
from tests.operator.objects import NAMESPACE, backend, policy
from tests.support.conditions import assert_well_formed

SETTINGS = Settings(namespace=NAMESPACE, router_selector="app=router")
MANIFEST = manifest_name(SETTINGS.release)


def ack_of(entry: table.PolicyEntry) -> table.Ack:
    """Of a router that has taken all of it."""
    ack = table.Ack(entry.name, entry.revision, entry.blob)
    trial = entry.candidate
    if trial is None:
        return ack
    return structs.replace(
        ack,
        candidate=trial.blob,
        weight_percent=trial.weight_percent,
        shadow_percent=trial.shadow.percent if trial.shadow else 0,
    )


class Fleet(RouterFleet):
    """One router, which takes every manifest that is not older than its own, as routers do."""

    def __init__(self, api: FakeApi) -> None:
        super().__init__(SETTINGS, lambda: None)
        self.epoch, self._api, self._held = 3, api, table.Manifest(NAMESPACE, 0, 0, ())

    def set_pods(self, pods: object) -> None:
        """There is the one."""

    def views(self) -> list[RouterView]:
        stored = manifest(self._api)
        if stored and (stored.epoch, stored.serial) >= (self._held.epoch, self._held.serial):
            self._held = stored
        acks = {e.name: ack_of(e) for e in self._held.policies}
        return [RouterView(pod="r1", acks=acks, position=(self._held.epoch, self._held.serial))]


def controller_of(api: FakeApi) -> PolicyController:
    """With that router; nothing is scaled here."""
    fleet = Fleet(api)
    shifter = Shifter(fleet, lambda _: None, lambda: None)
    roller = Roller(fleet, lambda: None, shifter.scene)
    return PolicyController(api, SETTINGS, fleet, shifter, learner=idle_learner(), roller=roller)


def manifest(api: FakeApi) -> table.Manifest | None:
    """None if there is none, or none that can be read."""
    try:
        item = api.stored["ConfigMap", MANIFEST]
        return table.decode_manifest(base64.b64decode(item["binaryData"]["manifest"]))
    except (KeyError, table.TableError):
        return None


def desk(api: FakeApi) -> dict[str, Any]:
    """The policy, its status checked against the rules."""
    item = api.stored["RoutingPolicy", "desk"]
    assert_well_formed(item["status"], generation=item["metadata"]["generation"])
    return item


def condition(api: FakeApi, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in desk(api)["status"]["conditions"] if c["type"] == kind)
    return found


async def test_a_deleted_manifest_does_not_count_from_one_again() -> None:
    """Routers refuse what is older than what they run: edits would reach nobody any more."""
    api = FakeApi()
    api.put(backend("a"), policy())
    controller = controller_of(api)
    for number in range(4):
        api.put(policy(model_names=("auto", f"n{number}"), generation=number + 2))
        await controller.reconcile()
    await controller.reconcile()
    assert condition(api, "Ready")["status"] == "True"
    del api.stored["ConfigMap", MANIFEST]
    await controller.reconcile()
    api.put(policy(model_names=("auto", "after"), generation=9))
    await controller.reconcile()
    await controller.reconcile()

    assert condition(api, "Ready")["status"] == "True"
    assert desk(api)["status"]["observedGeneration"] == 9


@pytest.mark.parametrize(
    "data", [b"\xff", b'{"namespace": "\xff"}', b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"]
)
async def test_a_manifest_of_any_bytes_is_written_anew(data: bytes) -> None:
    """One edit by hand must not stop all policies."""
    api = FakeApi()
    api.put(backend("a"), policy())
    controller = controller_of(api)
    await controller.reconcile()
    api.stored["ConfigMap", MANIFEST]["binaryData"]["manifest"] = base64.b64encode(data).decode()
    await controller.reconcile()

    assert manifest(api)


@pytest.mark.parametrize("kind", [kinds.CONTROLLER_REVISION, kinds.CONFIG_MAP])
async def test_status_names_what_is_in_force_while_an_edit_cannot_be_stored(kind: Kind) -> None:
    """The accepted revision is not active, and the message says what is in the way."""
    api = FakeApi()
    api.put(backend("a"), policy())
    controller = controller_of(api)
    await controller.reconcile()
    await controller.reconcile()
    before = desk(api)["status"]["activeRevision"]

    def refuse(what: str, of: Kind) -> None:
        if (what, of) == ("create", kind):
            raise Stalled("403: exceeded quota")

    api.put({**policy(model_names=("auto", "new"), generation=2), "status": desk(api)["status"]})
    api.hook = refuse
    with pytest.raises(ExceptionGroup):
        await controller.reconcile()

    assert desk(api)["status"]["activeRevision"] == before
    assert condition(api, "Ready")["status"] == "False"
    assert "exceeded quota" in condition(api, "Programmed")["message"]


async def test_the_history_of_many_policies_fits_into_an_annotation() -> None:
    """The API server refuses more than 256 KiB, and then no edit would reach anybody."""
    api = FakeApi()
    for number in range(12):
        entries = tuple(
            table.PolicyEntry(
                name=f"p{n}", revision="r", blob=table.digest(f"{number}/{n}".encode()),
                model_names=(f"m{n}",),
            )
            for n in range(2_000)
        )  # fmt: skip
        stored = await read_table(api, SETTINGS.release)
        told = table.Manifest(namespace=NAMESPACE, epoch=1, serial=number, policies=entries)
        await write_manifest(api, SETTINGS.release, stored, told, {})
    about = api.stored["ConfigMap", MANIFEST]["metadata"]
    stored = await read_table(api, SETTINGS.release)

    assert sum(map(len, about["annotations"].values())) < 256 * 1024
    assert {entry.blob[:12] for entry in entries} == set(stored.history[-1])


async def test_a_policy_is_not_seen_without_the_backend_that_came_before_it() -> None:
    """Both are applied while we read: an order of reads that begins with the policies."""
    api = FakeApi()

    def apply_both(what: str, kind: Kind) -> None:
        if (what, kind) == ("list", kinds.MODEL_BACKEND):
            api.hook = lambda _what, _kind: api.put(policy())
        if (what, kind) == ("list", kinds.ROUTING_POLICY):
            api.hook = lambda _what, _kind: api.put(backend("a"), policy())

    api.hook = apply_both
    view = await observe_table(api, SETTINGS)

    assert view.backends or not view.policies


async def test_a_service_is_watched_before_it_is_read() -> None:
    """What changes in between would be seen by nobody until the resync."""
    api, order = FakeApi(), list[str]()
    api.put(backend("a", service={"name": "s", "port": 80}))
    api.hook = lambda what, kind: order.append(f"{what} {kind.name}")
    await observe_backend(api, "a", lambda name, service: order.append(f"{name}: {service}"))

    assert order.index("a: s") < order.index("list EndpointSlice")
    assert "get Service" in order[order.index("a: s") :]


@pytest.mark.parametrize("damage", [{"labels": {}}, {"data": "bm90IGl0"}])
async def test_a_blob_that_routers_cannot_see_is_made_anew(damage: dict[str, Any]) -> None:
    """Its name alone does not say that it is there: labels may be edited, also of immutables."""
    api, data = FakeApi(), b'{"a": 1}'
    digest = table.digest(data)
    name = blob_name(SETTINGS.release, digest)
    await write_blob(api, SETTINGS.release, digest, data)
    good = api.stored["ConfigMap", name]
    await write_blob(api, SETTINGS.release, digest, data)
    assert api.stored["ConfigMap", name] is good
    broken = {**good, "metadata": {**good["metadata"]}, "binaryData": {**good["binaryData"]}}
    broken["metadata"]["labels"] = damage.get("labels", good["metadata"]["labels"])
    broken["binaryData"]["blob"] = damage.get("data", good["binaryData"]["blob"])
    api.stored["ConfigMap", name] = broken
    await write_blob(api, SETTINGS.release, digest, data)

    assert api.stored["ConfigMap", name]["metadata"]["labels"] == good["metadata"]["labels"]
    assert api.stored["ConfigMap", name]["binaryData"] == good["binaryData"]


async def test_no_status_is_stored_over_a_newer_spec() -> None:
    """An edit comes between the reconcile's read and its status, which is about what was before."""
    api = FakeApi()
    api.put(backend("a"), policy())
    controller = controller_of(api)
    for _ in range(2):
        await controller.reconcile()
    api.put({**policy(), "status": {}})  # somebody took the status away

    def edit(what: str, kind: Kind) -> None:
        if (what, kind.name) == ("status", "RoutingPolicy"):
            api.hook = lambda _what, _kind: None
            api.put({**policy(model_names=("auto", "new"), generation=2), "status": {}})

    api.hook = edit
    with pytest.raises(ExceptionGroup):
        await controller.reconcile()
    assert api.stored["RoutingPolicy", "desk"]["status"] == {}
    for _ in range(2):
        await controller.reconcile()

    assert condition(api, "Ready")["status"] == "True"
    assert desk(api)["status"]["observedGeneration"] == 2
