"""Backends of files that come and go while they are evaluated."""

from typing import Any, cast

from pointsman.api.manifests import load_text
from pointsman.local.desired import Desired, desire
from pointsman.local.watching import LocalWatch
from pointsman.operator.plan.evaluating.record import NANO, loaded
from pointsman.operator.plan.evaluating.scheduling import left_nano, wish_of
from pointsman.router.serve.app import DataPlane

NOON_MS = 1_800_014_400_000
TODAY = "2027-01-15"
BACKEND = """
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: NAME}
spec:
  model: m
  cost: {inputPerMillion: "1", outputPerMillion: "2"}
  deployment: {engine: Simulator}
  evaluation: {suiteRef: {name: golden}, maxCostPerDay: "0.50"}
---
"""


def _files(*names: str) -> Desired:
    text = "".join(BACKEND.replace("NAME", name) for name in names)
    return desire(load_text(text), accepted={}, previous=None, time_scale=1)


def _watch() -> LocalWatch:
    return LocalWatch(cast("DataPlane", None), lambda: None, lambda _subject, _said: None)


def _item(watch: LocalWatch, name: str) -> dict[str, Any]:
    return cast(
        "dict[str, Any]", next(one for one in watch.items if one["metadata"]["name"] == name)
    )


async def _put_back(status: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Before and after; with another one that stays."""
    watch = _watch()
    watch.follow(_files("a", "b"))
    before = _item(watch, "a")
    before["status"] = status
    watch.follow(_files("b"))
    watch.follow(_files("a", "b"))
    return before, _item(watch, "a")


async def test_a_backend_that_is_put_back_is_another_one() -> None:
    """Runs of it are not of the one before, so its drift is heard; nothing else is known of it."""
    status = {"quality": [{"task": "all"}], "drift": [{"task": "all"}], "conditions": [{}]}
    before, after = await _put_back(status)

    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert after["status"] == {}


async def test_another_session_is_another_fleet() -> None:
    """Runs count from 1 again, and a ledger that outlives a session keeps an answer once."""
    one, other = _watch(), _watch()
    for watch in (one, other):
        watch.follow(_files("a"))

    assert _item(one, "a")["metadata"]["uid"] != _item(other, "a")["metadata"]["uid"]


async def test_what_was_spent_today_is_spent_for_the_next_one_of_its_name() -> None:
    """Who takes it out and puts it in again has no more money, not even during a run."""
    spent = {"run": 7, "spent": "0.2", "spentOn": TODAY, "ended": "Complete", "suite": "golden"}
    _, after = await _put_back({"evaluation": spent})
    assert after["status"] == {"evaluation": {"run": 7, "spent": "0.2", "spentOn": TODAY}}
    wish = wish_of(_files("a").backends["a"], {})
    assert wish is not None
    assert left_nano(wish, loaded(after["status"]), NOON_MS) == int(0.3 * NANO)
    going = {"run": 8, "startTime": f"{TODAY}T12:00:00Z", "reserved": "0.25"}
    _, after = await _put_back({"evaluation": going})

    assert after["status"]["evaluation"]["spent"] == "0.25"
    assert "startTime" not in after["status"]["evaluation"]


async def test_one_that_stays_stays_what_it_was() -> None:
    """Its status and its uid, whatever else comes and goes."""
    watch = _watch()
    watch.follow(_files("a", "b"))
    item = _item(watch, "b")
    item["status"] = {"quality": []}
    watch.follow(_files("b"))

    assert _item(watch, "b") is item
