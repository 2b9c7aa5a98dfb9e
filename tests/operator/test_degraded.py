"""A backend whose servers are ready and answer nothing: routers say so, and its status does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pointsman.api import table
from pointsman.operator.cluster.heard import HeardRouter
from pointsman.operator.cluster.observe import RouterPod
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.controllers.backends import BackendController
from pointsman.operator.plan.degraded import degraded_by
from pointsman.operator.settings import Settings
from tests.operator.objects import NAMESPACE
from tests.operator.scaled import SETTINGS, World
from tests.operator.test_routers import FakeRouter, following
from tests.operator.test_status import word


class Told(World):
    """`word` is what routers say; None: they were not all heard."""

    def __init__(self) -> None:
        self.word: str | None = ""
        super().__init__()
        self.controller = BackendController(
            self.api, SETTINGS, lambda *_: None, lambda _: "", self.scaler,
            orders=self.orders, failing=self.failing,
        )  # fmt: skip

    def failing(self, backend: str, *, known: bool) -> str | None:
        assert backend == "a"
        return self.word if known or self.word else ""

    def put(self, *, generation: int = 1, **spec: Any) -> None:
        spec.pop("scaling", None)
        spec.pop("activation", None)
        external = {"url": "https://api.example.com/v1"}
        super().put(generation=generation, external=external, **spec)

    def degraded(self) -> tuple[str, str] | None:
        there = any(one["type"] == "Degraded" for one in self.status["conditions"])
        return word(self.status, "Degraded") if there else None


async def test_a_backend_that_answers_nothing_says_so_beside_ready() -> None:
    """Until it answers; a write when it begins, one when it ends, and none in between."""
    world = Told()
    await world.reconcile()
    assert world.degraded() is None

    world.word = "Http401"
    await world.reconcile()
    assert world.degraded() == ("True", "RequestsFail")
    assert word(world.status, "Ready")[0] == "True"
    said = next(c["message"] for c in world.status["conditions"] if c["type"] == "Degraded")
    assert "Http401: its key is refused, see spec.external.credentialsSecretRef" in said

    writes = len(world.writes)
    for heard in ("Http401", None):  # None: a new operator has yet to hear the routers
        world.word = heard
        await world.reconcile()
    assert world.writes[writes:] == []

    world.word = ""
    await world.reconcile()
    assert world.degraded() is None


def test_what_nobody_has_words_for_is_told_all_the_same() -> None:
    """A status, or a word of a newer router."""
    assert degraded_by("") is None
    told = degraded_by("Http503")
    assert told is not None
    assert told.message == "one router or more get no answer from it, Http503: see its log"


def fleet_of(*failing: dict[str, str] | None) -> RouterFleet:
    """Routers that say this; None: it was dialed just now."""
    fleet = RouterFleet(Settings(namespace=NAMESPACE), lambda: None)
    fleet._known = True
    for number, said in enumerate(failing):
        router = HeardRouter(RouterPod(f"r{number}", f"u{number}", "10.0.0.1"))
        router.spoke, router.failing = said is not None, said or {}
        fleet._routers[f"u{number}"] = router
    return fleet


@pytest.mark.parametrize(
    ("said", "known", "word"),
    [
        ((), True, ""),
        (({}, {"a": "Http500"}), False, "Http500"),
        (({"a": "Reset"}, {"a": "Http500"}, {"a": "Http500"}), True, "Http500"),
        (({"a": "Reset"}, {"a": "Http500"}), True, "Http500"),
        (({"b": "Reset"}, {}), True, ""),
        (({}, None), True, None),
        (({}, None), False, ""),
    ],
)
def test_the_word_of_most_routers_counts(said: Any, known: bool, word: str | None) -> None:
    """A new leader takes nothing back before it has heard all of them."""
    assert fleet_of(*said).failing("a", known=known) == word


@pytest.mark.local
async def test_a_backend_is_looked_at_when_what_routers_say_of_it_changes(tmp_path: Path) -> None:
    """Once for each change: not with each line of a stream, and also when the router is gone."""
    router, told = FakeRouter(), asyncio.Queue[str]()

    def say(kind: str, failing: dict[str, str] | None) -> None:
        event = table.AdminEvent(type=kind, failing=failing)  # type: ignore[arg-type]
        router.lines.put_nowait(table.encode(event) + b"\n")

    async with following(router, tmp_path, on_reach=told.put_nowait) as (fleet, _):
        say("Hello", {})
        say("Heartbeat", {"a": "Reset"})
        assert await told.get() == "a"
        assert fleet.failing("a", known=False) == "Reset"
        say("Heartbeat", {"a": "Reset"})
        say("Load", None)
        say("Heartbeat", {"a": "Reset", "b": "Http500"})
        assert await told.get() == "b"
        say("Heartbeat", {"a": "Reset"})
        assert await told.get() == "b"
        fleet.set_pods([])
        assert told.get_nowait() == "a"
        assert fleet.failing("a", known=True) == ""
