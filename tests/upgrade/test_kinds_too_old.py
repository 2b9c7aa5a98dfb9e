"""What the operator says and does where the cluster's kinds are older than it is."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from pointsman.api import names
from pointsman.api.schema.crd import KINDS, definition
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.controllers.crds import SURE_S, Crds
from pointsman.operator.controllers.status import write_status
from pointsman.operator.errors import Waiting
from pointsman.operator.health import Vitals
from pointsman.operator.plan import crds
from tests.operator.fake_api import FakeApi

Json = dict[str, Any]
OWN = crds.own()


def document(*kinds_there: str) -> Json:
    """As an API server tells of the group."""
    schemas: Json = {"dev.pointsman.v1alpha1.List": {"properties": {"items": {}}}}
    for kind in KINDS:
        if kind.name in kinds_there:
            (version,) = definition(kind)["spec"]["versions"]
            about = {"group": names.GROUP, "kind": kind.name, "version": names.VERSION}
            schemas[kind.name] = deepcopy(version["schema"]["openAPIV3Schema"]) | {
                "x-kubernetes-group-version-kind": [about]
            }
    return {"components": {"schemas": schemas}}


EVERY = tuple(kind.name for kind in KINDS)


class Documents(FakeApi):
    """Has these documents; None: it cannot be read."""

    def __init__(self, there: Json | None) -> None:
        super().__init__()
        self.there = there
        self.version = 0
        self.read = 0

    async def document(self, path: str) -> Json:
        if self.there is None:
            raise Waiting("503")
        if path == "/openapi/v3":
            url = f"/openapi/v3/{crds.DOCUMENT}?hash={self.version}"
            return {"paths": {crds.DOCUMENT: {"serverRelativeURL": url}} if self.there else {}}
        self.read += 1
        return self.there


class Looked:
    """A `Crds` that looks when it is told to, at a time that it is told."""

    def __init__(self, there: Json | None) -> None:
        self.api, self.now_s = Documents(there), 0.0
        self.vitals = Vitals(max_age_s=60, max_resync_age_s=60, ready=True)
        self.renewed = 0
        self.crds = Crds(self.api, self.vitals)
        self.crds._wanted = OWN
        self.crds.on_kinds = self._renew

    def _renew(self) -> None:
        self.renewed += 1

    async def look(self, there: Json | None = None, *, later_s: float = 1.0) -> bool:
        if there is not None:
            self.api.there, self.api.version = there, self.api.version + 1
        self.now_s += later_s
        await self.crds._read()
        return self.crds._judge(self.now_s)


def without(field: str, kind: str = names.ROUTING_POLICY) -> Json:
    """All kinds, one of them without a field of its spec and one of its status."""
    made = document(*EVERY)
    properties = made["components"]["schemas"][kind]["properties"]
    del properties["spec"]["properties"][field]
    del properties["status"]["properties"]["routers"]
    return made


async def test_kinds_of_this_version_are_no_news() -> None:
    """Ready; and the large document is read once as long as its hash is the same."""
    one = Looked(document(*EVERY))
    assert not await one.look()
    assert not await one.look()

    assert (one.vitals.unready, one.api.absent, dict(one.api.older)) == ("", frozenset(), {})
    assert one.api.read == 1
    assert one.renewed == 0


async def test_a_kind_that_lacks_fields_is_named_with_what_to_run() -> None:
    """Not ready, so that a rollout keeps the older operator; well again by itself."""
    one = Looked(without("humanReview"))
    assert await one.look()
    assert "routingpolicies.pointsman.dev lacks spec.humanReview, status.routers" in (
        one.vitals.unready
    )
    assert one.vitals.unready.startswith("CrdTooOld: ")
    assert "helm upgrade --install pointsman-crds" in one.vitals.unready

    assert not await one.look(document(*EVERY))
    assert one.vitals.unready == ""
    assert dict(one.api.older) == {}


async def test_who_was_ready_stays_so() -> None:
    """Kinds that go back under a running operator are told, and take nothing away."""
    one = Looked(document(*EVERY))
    await one.look()
    assert await one.look(without("humanReview"))
    assert one.vitals.unready == ""
    assert set(one.api.older) == {names.ROUTING_POLICY}


async def test_the_status_leaves_out_what_would_be_refused() -> None:
    """The rest of it is stored, and written once."""
    one = Looked(without("humanReview"))
    await one.look()
    item = {"kind": names.ROUTING_POLICY, "metadata": {"name": "desk"}}
    one.api.put(item)
    stored = await one.api.get(kinds.ROUTING_POLICY, "desk")
    assert stored is not None
    status = {"activeRevision": "desk-1", "routers": {"summary": "1/1"}}
    await write_status(one.api, kinds.ROUTING_POLICY, stored, status)

    now = await one.api.get(kinds.ROUTING_POLICY, "desk")
    assert now is not None
    assert now["status"] == {"activeRevision": "desk-1"}
    one.api.hook = _no_write
    await write_status(one.api, kinds.ROUTING_POLICY, now, status)


def _no_write(what: str, kind: Kind) -> None:
    assert what in ("get", "list"), f"{what} {kind}"


async def test_suites_can_be_done_without_after_a_while() -> None:
    """Not at once: an API server on its way up knows them a little later."""
    one = Looked(document(names.MODEL_BACKEND, names.ROUTING_POLICY))
    assert await one.look()
    assert not one.crds._known()
    assert await one.look(later_s=SURE_S)
    assert one.crds._known()
    assert (one.api.absent, one.renewed) == (frozenset({names.EVALUATION_SUITE}), 1)
    assert await one.api.get(kinds.EVALUATION_SUITE, "x") is None

    assert not await one.look(document(*EVERY))
    assert (one.api.absent, one.renewed) == (frozenset(), 2)


@pytest.mark.parametrize("there", [{}, document(names.MODEL_BACKEND), document()])
async def test_without_backends_or_policies_nothing_begins(there: Json) -> None:
    """Nor is any list of them empty: the table that routers have is not emptied."""
    one = Looked(there)
    await one.look()
    await one.look(later_s=10 * SURE_S)
    assert not one.crds._known()
    assert one.api.absent.isdisjoint(crds.NEEDED)
    assert "is not there" in one.vitals.unready


async def test_an_api_server_that_cannot_say_is_no_reason_to_wait() -> None:
    """The lists of the kinds decide then, as they do where documents are forbidden."""
    one = Looked(None)
    with pytest.raises(Waiting):
        await one.look()
    assert one.vitals.unready == ""
    assert await one.crds._listed()


def test_many_fields_are_counted() -> None:
    """A line that nobody reads to its end helps nobody."""
    found = crds.Found(lacking={names.MODEL_BACKEND: tuple(f"spec.f{n}" for n in range(9))})
    assert "spec.f0, spec.f1, spec.f2, spec.f3 and 5 more" in crds.said(found, version="1")
    assert crds.said(crds.Found(), version="1") == ""


def test_what_is_known_of_a_kind_is_small() -> None:
    """It is held for the life of the process: no texts, no bounds."""
    words: set[str] = set()

    def walk(node: Mapping[str, Any]) -> None:
        words.update(node)
        for inner in (node.get("properties") or {}).values():
            walk(inner)
        for key in ("items", "additionalProperties"):
            if key in node:
                walk(node[key])

    for schema in OWN.values():
        walk(schema)
    shape = "x-kubernetes-preserve-unknown-fields"
    assert words <= {"properties", "items", "additionalProperties", shape}
