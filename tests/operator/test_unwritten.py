"""A spec that does not become a Deployment: what ran before goes on, and status says both."""

from typing import Any

import pytest

from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.controllers.backends import HINDERED_S, BackendController
from pointsman.operator.controllers.queue import leaves
from pointsman.operator.errors import ReconcileError, Stalled, Waiting
from tests.operator.objects import backend
from tests.operator.scaled import SETTINGS, World
from tests.operator.test_status import rolled_out, word

WEBHOOK = 'PATCH Deployment 500: Internal error occurred: failed calling webhook "policies"'
DENIED = 'PATCH Deployment 400: admission webhook "policies" denied the request: no team'


class Refusing(World):
    """A backend with replicas of its own, and an API server that may refuse its Deployment."""

    def __init__(self) -> None:
        self.refusal: ReconcileError | None = None
        super().__init__()
        self.put(replicas=2)
        self.controller = BackendController(
            self.api, SETTINGS, lambda *_: None, lambda _: "", self.scaler,
            orders=self.orders, monotonic=lambda: self.now_s,
        )  # fmt: skip

    def _count(self, what: str, kind: Kind) -> None:
        super()._count(what, kind)
        if what == "apply" and kind.name == "Deployment" and self.refusal is not None:
            raise self.refusal

    def put(self, *, generation: int = 1, **spec: Any) -> None:
        status = self.api.stored.get(("ModelBackend", "a"), {}).get("status")
        kept = {"status": status} if status else {}
        self.api.put({**backend("a", generation=generation, **spec), **kept})

    async def serves(self) -> None:
        """Both replicas answer."""
        await self.reconcile()
        self.deployment["status"] = {"observedGeneration": 1, **rolled_out(2)}
        await self.reconcile()
        assert word(self.status, "Ready")[0] == "True"

    async def fails(self) -> None:
        with pytest.raises((ReconcileError, ExceptionGroup)) as caught:
            await self.reconcile()
        assert leaves(caught.value) == [self.refusal]

    def message(self, kind: str) -> str:
        return str(next(c["message"] for c in self.status["conditions"] if c["type"] == kind))


EDIT: dict[str, Any] = {
    "replicas": 2,
    "deployment": {"engine": "Simulator", "resources": {"requests": {"cpu": "9"}}},
}


async def test_what_an_edit_that_is_refused_would_replace_is_available() -> None:
    """Its replicas answer, and an autoscaler reads their count and selector from status."""
    world = Refusing()
    await world.serves()
    world.refusal = Stalled(DENIED)
    world.put(generation=2, **EDIT)
    await world.fails()

    assert word(world.status, "Ready") == ("False", "Invalid")
    assert DENIED in world.message("Ready")
    assert word(world.status, "Stalled")[0] == "True"
    assert word(world.status, "Available") == ("True", "MinimumReplicasAvailable")
    assert (world.status["replicas"], world.status["readyReplicas"]) == (2, 2)
    assert world.status["selector"] == "pointsman.dev/backend=a"

    world.refusal = None
    await world.reconcile()
    world.deployment["status"] = {"observedGeneration": 2, **rolled_out(2)}
    await world.reconcile()
    assert word(world.status, "Ready")[0] == "True"


async def test_the_same_of_overrides_that_break_the_backend() -> None:
    """They are refused before the API server is asked."""
    world = Refusing()
    await world.serves()
    labels = {"metadata": {"labels": {"pointsman.dev/backend": "b"}}}
    world.put(generation=2, replicas=2, deployment={"engine": "Simulator", "podTemplate": labels})
    await world.reconcile()

    assert word(world.status, "Ready") == ("False", "Invalid")
    assert word(world.status, "Available")[0] == "True"
    assert world.status["readyReplicas"] == 2


async def test_what_was_refused_from_the_beginning_is_not_available() -> None:
    """There is nothing before it."""
    world = Refusing()
    world.refusal = Stalled(DENIED)
    await world.fails()

    assert word(world.status, "Available") == ("False", "Invalid")
    assert "lastFailure" not in world.status


async def test_a_webhook_that_is_away_is_told_when_it_lasts() -> None:
    """Else nobody would hear why nothing happens; what passes within seconds is no news."""
    world = Refusing()
    world.refusal = Waiting(WEBHOOK)
    await world.fails()
    assert world.status == {}

    world.now_s += HINDERED_S
    await world.fails()
    assert word(world.status, "Ready") == ("False", "Progressing")
    assert world.message("Ready") == f"cannot be written yet: {WEBHOOK}"
    assert word(world.status, "Reconciling")[0] == "True"
    writes = len(world.writes)
    await world.fails()
    assert [one for one in world.writes[writes:] if one.startswith("status")] == []

    world.refusal = None
    await world.serves()
    world.refusal = Waiting(WEBHOOK)
    world.put(generation=2, **EDIT)
    await world.fails()
    assert world.status["observedGeneration"] == 1, "it counts from its own first failure"
