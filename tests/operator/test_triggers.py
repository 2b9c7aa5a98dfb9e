"""Which keys an event concerns, and the pins of kopf."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import kopf
import pytest

from pointsman.operator.controllers.keys import Keys
from pointsman.operator.controllers.triggers import (
    BURIAL_S,
    WATCHER,
    Triggers,
    bury,
    pinned_settings,
)
from pointsman.operator.settings import Settings

KEYS = {"s": frozenset({"a", "b"})}


def event(
    kind: str | None,
    name: str = "x",
    *,
    generation: int = 1,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    about = {"name": name, "uid": f"uid-{name}", "generation": generation, "labels": labels or {}}
    return {"type": kind, "object": {"metadata": about}}


def test_the_echo_of_a_status_is_no_news() -> None:
    """A new generation is; so is what was listed, added or deleted."""
    keys = Keys("pointsman", KEYS)

    assert keys.backend(event(None)) == ["backend/x", "table"]
    assert keys.backend(event("MODIFIED")) == []
    assert keys.backend(event("MODIFIED", generation=2)) == ["backend/x", "table"]
    assert keys.backend(event("DELETED", generation=2)) == ["backend/x", "table"]
    assert keys.policy(event("ADDED", "p")) == ["table"]
    assert keys.policy(event("MODIFIED", "p")) == []


def test_an_order_to_a_rollout_is_news() -> None:
    """It is an annotation, and makes no new generation; other annotations are nothing to us."""
    keys = Keys("pointsman", KEYS)
    asked = event("MODIFIED", "p")
    asked["object"]["metadata"]["annotations"] = {"pointsman.dev/rollout-abort": "p-1"}
    other = event("MODIFIED", "p")
    other["object"]["metadata"]["annotations"] = {"example.com/touched": "now"}

    assert keys.policy(event("ADDED", "p")) == ["table"]
    assert keys.policy(other) == []
    assert keys.policy(asked) == ["table"]
    assert keys.policy(asked) == []
    assert keys.policy(event("MODIFIED", "p")) == ["table"], "it was taken away"


def test_a_status_that_somebody_else_wrote_is_news() -> None:
    """Until the operator wrote over it in a later second; fields that he keeps are none."""
    keys = Keys("pointsman", {})

    def written(ours: str, his: str | None, subresource: str = "status") -> list[str]:
        found = event("MODIFIED", "p")
        managers = {"pointsman-operator": ours, "kubectl-edit": his}
        found["object"]["metadata"]["managedFields"] = [
            {"manager": manager, "subresource": subresource, "time": f"2026-01-01T00:00:{time}Z"}
            for manager, time in managers.items()
            if time
        ]
        return keys.policy(found)

    keys.policy(event("ADDED", "p"))
    assert written("05", None) == []
    assert written("05", "06") == ["table"]
    assert written("06", "06") == ["table"], "nobody knows who was the last"
    assert written("07", "06") == []
    assert written("07", "08") == written("07", "08") == ["table"], "and again"
    assert written("07", "08", "scale") == []


def test_a_model_that_drifted_is_news() -> None:
    """Policies may have to act on it; another figure in the status is none."""
    keys = Keys("pointsman", {})

    def drifted(reason: str, **status: Any) -> dict[str, Any]:
        found = event("MODIFIED", "a")
        condition = {"type": "Drifted", "status": "True", "reason": reason}
        found["object"]["status"] = {"conditions": [condition], **status}
        return found

    keys.backend(event("ADDED", "a"))
    assert keys.backend(drifted("Worse")) == ["backend/a", "table"]
    assert keys.backend(drifted("Worse", queueDepth=5)) == []
    tasks = [{"task": "Coding", "direction": "Worse", "points": "-3"}]
    assert keys.backend(drifted("Worse", drift=tasks)) == ["backend/a", "table"]
    assert keys.backend(event("MODIFIED", "a")) == ["backend/a", "table"]


def test_each_run_of_a_model_that_drifted_is_news() -> None:
    """Weights are learned from its qualities, which may come after it; a steady one's can wait."""
    keys = Keys("pointsman", {})

    def ran(status: str, time: str) -> list[str]:
        found = event("MODIFIED", "a")
        condition = {"type": "Drifted", "status": status, "reason": "Any"}
        quality = [{"task": task, "score": "0.5", "time": time} for task in ("Coding", "all")]
        found["object"]["status"] = {"conditions": [condition], "quality": quality}
        return keys.backend(found)

    assert ran("True", "1") == ["backend/a", "table"]
    assert ran("True", "1") == []
    assert ran("True", "2") == ["backend/a", "table"]
    assert ran("False", "2") == ["backend/a", "table"]
    assert ran("False", "3") == []


def test_pods_belong_to_a_backend_or_are_routers() -> None:
    """By label."""
    keys = Keys("pointsman", KEYS)

    assert keys.pod(event("MODIFIED", labels={"pointsman.dev/backend": "a"})) == ["backend/a"]
    assert keys.pod(event("ADDED")) == ["table"]


def test_slices_concern_the_backends_of_their_service() -> None:
    """Nobody else's."""
    keys = Keys("pointsman", KEYS)

    found = keys.slice(event("MODIFIED", labels={"kubernetes.io/service-name": "s"}))
    assert sorted(found) == ["backend/a", "backend/b"]
    assert keys.slice(event("MODIFIED", labels={"kubernetes.io/service-name": "other"})) == []


def test_a_deleted_part_of_the_table_comes_back() -> None:
    """Our own new blobs are no news."""
    keys = Keys("pointsman", KEYS)

    assert keys.config_map(event("DELETED", "pointsman-table-1")) == ["table"]
    assert keys.config_map(event("ADDED", "pointsman-table-1")) == []
    assert keys.config_map(event("MODIFIED", "pointsman-routing-table")) == ["table"]


def test_kopf_never_runs_out_of_patience() -> None:
    """Endless, new at each iteration, and bounded."""
    backoffs = pinned_settings(Settings(namespace="ai")).networking.error_backoffs
    assert not isinstance(backoffs, float)
    for _ in range(2):
        waits = list(itertools.islice(iter(backoffs), 500))
        assert len(waits) == 500
        assert 0 < min(waits) <= max(waits) <= 30


def test_what_kopf_waits_for_at_its_end_fits_into_its_burial() -> None:
    """A watcher that is cut while it begins a worker waits for that worker until this is over."""
    assert pinned_settings(Settings(namespace="ai")).queueing.exit_timeout < BURIAL_S / 2


def test_deployments_concern_whose_name_they_have() -> None:
    """A foreign one that goes gives the name free: its backend must not wait for the resync."""
    keys = Keys("pointsman", KEYS)

    own = event("MODIFIED", "x-model", labels={"pointsman.dev/backend": "x"})
    assert keys.deployment(own) == ["backend/x"]
    assert keys.deployment(event("DELETED", "x-model")) == ["backend/x"]
    assert keys.deployment(event("MODIFIED", "pointsman-router")) == []


def test_services_concern_whoever_has_or_wants_them() -> None:
    """A backend's own that was deleted, one of a predecessor, one in the way, one referred to."""
    keys = Keys("pointsman", KEYS)

    own = event("DELETED", "x-model", labels={"pointsman.dev/backend": "x"})
    assert keys.service(own) == ["backend/x"]
    assert keys.service(event("DELETED", "x-model")) == ["backend/x"]
    assert keys.service(event("MODIFIED", "s")) == ["backend/a", "backend/b"]
    assert keys.service(event("MODIFIED", "other")) == []


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(1)])
@pytest.mark.slow
@pytest.mark.litters
async def test_however_kopf_ends_it_is_heard(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """An error has it begun anew; after anything else the process would live without a watch."""
    lives = iter([RuntimeError("x"), error])

    async def ends(**_: object) -> None:
        raise next(lives)

    monkeypatch.setattr(kopf, "operator", ends)
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    triggers = Triggers(
        Settings(namespace="ai"), add=lambda _: None, services={}, on_end=ended.set_result
    )
    triggers.start()

    assert await asyncio.wait_for(ended, 10) == type(error).__name__


@pytest.mark.slow
@pytest.mark.litters
async def test_watches_that_kopf_cancels_when_one_fails_do_not_hide_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All are over at the same moment, and it is begun anew."""
    lives: list[int] = []
    again = asyncio.Event()
    here = asyncio.get_running_loop()

    async def fails(now: asyncio.Event) -> None:
        await now.wait()
        raise RuntimeError("x")

    async def ends(**_: object) -> None:
        lives.append(1)
        if len(lives) == 2:
            here.call_soon_threadsafe(again.set)
        now = asyncio.Event()
        watches = [
            asyncio.create_task(work, name=f"{WATCHER}{number}")
            for number, work in enumerate([fails(now), *(asyncio.sleep(60) for _ in range(30))])
        ]
        await asyncio.sleep(0.2)  # until they are known
        now.set()
        for watch in watches[1:]:
            watch.cancel()
        await asyncio.sleep(60)

    monkeypatch.setattr(kopf, "operator", ends)
    ended: list[str] = []
    settings = Settings(namespace="ai", watch_backoff_max_s=0.01)
    triggers = Triggers(settings, add=lambda _: None, services={}, on_end=ended.append)
    triggers.start()

    await asyncio.wait_for(again.wait(), 20)
    await asyncio.to_thread(triggers.stop, 10)
    assert ended == []


@pytest.mark.litters
def test_a_life_that_does_not_want_to_end_is_buried_all_the_same() -> None:
    """kopf cancels whatever begins after it, also what closes its loop: the thread goes on."""
    loop = asyncio.new_event_loop()

    async def jealous() -> None:
        while True:
            try:
                for other in asyncio.all_tasks() - {asyncio.current_task()}:
                    other.cancel()
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                continue

    task = loop.create_task(jealous())
    bury(loop, [], wait_s=0.05)

    assert loop.is_closed()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is the point of this test
