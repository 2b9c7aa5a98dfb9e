"""What status says of scaling, and when that is worth a write."""

import json
from typing import Any

import pytest

from pointsman.api.conditions import Condition, ConditionType, Reason
from pointsman.operator.plan import scaling
from pointsman.operator.plan.objects import Json
from pointsman.operator.plan.scaling import Bounds, Clamp, Decision, Memory, resumed
from pointsman.operator.plan.scaling_status import (
    ANNOTATION_SCALED,
    Told,
    is_news,
    record_on,
    rounded,
    scaled_record,
    scaling_status,
    told_in,
    told_of,
    with_scale,
)
from tests.operator.objects import NOW

BOUNDS = Bounds(1, 4, 8.0)
MEMORY = resumed(None, replicas=2, now_s=1000.0)
FOLLOWS = Condition(
    type=ConditionType.SCALING_ACTIVE, status=True, reason=Reason.FOLLOWS_LOAD, message="m"
)
BEFORE = Told(queue_depth=5, memory=MEMORY, active=FOLLOWS)
CHILD: dict[str, Any] = {
    "metadata": {"name": "a-model", "annotations": {"hash": "x"}},
    "spec": {"replicas": 1, "template": {}},
}


def decided(
    desired: int = 2,
    *,
    wanted: int | None = None,
    observed: int | None = 7,
    clamp: Clamp | None = None,
) -> Decision:
    reason = scaling.Reason.LOAD_ROSE
    return Decision(desired, wanted or desired, observed, reason, clamp, "why.")


def told(decision: Decision, *, silent_s: float = 0.0, silent: tuple[str, ...] = ()) -> Told:
    return told_of(
        decision, MEMORY, BOUNDS, before=BEFORE, silent_s=silent_s, silent=silent
    )  # fmt: skip


def shown(
    now: Told, *, stored: Json, deployment: Json | None, cold_start_s: float | None = None
) -> dict[str, Any]:
    """The fields of status."""
    return scaling_status(
        now, stored=stored, deployment=deployment, cold_start_s=cold_start_s, least=1, pods_since=1
    ).fields


@pytest.mark.parametrize(
    ("load", "steps"),
    [(0, 0), (1, 1), (2, 2), (4, 2), (5, 5), (9, 5), (10, 10), (19, 10), (20, 20), (499, 200)],
)
def test_the_queue_is_shown_in_steps(load: int, steps: int) -> None:
    """0, 1, 2, 5, 10, 20, 50, ...: a steady load is the same number each time."""
    assert rounded(load) == steps


def test_replicas_and_their_reason_are_one_write() -> None:
    """An operator that dies right after it leaves no unexplained count behind."""
    record = scaled_record(decided(3, clamp=Clamp.MAX), previous=1, now=NOW)
    deployment = with_scale(CHILD, 3, record)

    assert deployment["spec"] == {"replicas": 3, "template": {}}
    assert deployment["metadata"]["annotations"].keys() == {"hash", ANNOTATION_SCALED}
    assert record_on(deployment) == record == {
        "time": NOW,
        "reason": "LoadRose",
        "observed": 7,
        "previous": 1,
        "desired": 3,
        "clampedBy": "Max",
        "message": "why.",
    }  # fmt: skip
    assert CHILD["spec"]["replicas"] == 1, "the child is left alone"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '"x"',
        '{"desired": -1}',
        '{"desired": "3"}',
        '{"time": 3}',
        '{"desired": 99999999999}',
        "[" * 50_000,
    ],
)
def test_an_annotation_that_was_edited_is_no_record(text: str) -> None:
    """It would be refused as status, and with it the whole status."""
    edited = {"metadata": {"annotations": {ANNOTATION_SCALED: text}}}

    assert record_on(edited) in (None, {})
    assert shown(Told(), stored={}, deployment=edited) == {}


def test_the_history_has_five_and_the_newest_first() -> None:
    """Each change once, however often it is reconciled."""
    stored: dict[str, Any] = {}
    for desired in range(1, 9):
        record = scaled_record(decided(desired), previous=desired - 1, now=NOW)
        deployment = with_scale(CHILD, desired, record)
        for _ in range(2):
            stored = shown(BEFORE, stored=stored, deployment=deployment, cold_start_s=41.6)

    assert [one["desired"] for one in stored["scalingHistory"]] == [8, 7, 6, 5, 4]
    assert stored["lastScale"] == stored["scalingHistory"][0]
    assert (stored["queueDepth"], stored["coldStartSeconds"]) == (5, 42)


def test_status_is_read_as_it_was_written() -> None:
    """What an operator told is what the next one finds."""
    written = shown(BEFORE, stored={}, deployment=None)
    active = {"type": "ScalingActive", "status": "True", "reason": "FollowsLoad", "message": "m"}
    stored = json.loads(json.dumps({**written, "conditions": [active]}))

    assert told_in(stored) == BEFORE
    assert told_in({"queueDepth": "5", "scalingMemory": 3, "conditions": [{}]}) == Told()


def test_silence_is_told_after_a_while() -> None:
    """An operator that has just begun has asked nobody yet; status stays until it is really so."""
    quiet = decided(observed=None)

    assert told(quiet, silent_s=14.9) == BEFORE
    late = told(quiet, silent_s=15.0, silent=("router-1", "a-model-x"))
    assert late.queue_depth is None
    assert late.active
    assert (late.active.status, late.active.reason) == (False, Reason.NO_DATA)
    assert "router-1, a-model-x" in late.active.message
    nobody = told(quiet, silent_s=15.0).active
    assert nobody
    assert "no router is there" in nobody.message


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        (decided(), Reason.FOLLOWS_LOAD),
        (decided(2, wanted=1, clamp=Clamp.DELAY), Reason.FOLLOWS_LOAD),
        (decided(4, wanted=9, clamp=Clamp.MAX), Reason.MAXIMUM_REACHED),
        (decided(3, wanted=9, clamp=Clamp.SCHEDULE), Reason.MAXIMUM_REACHED),
        (decided(3, wanted=2, clamp=Clamp.SCHEDULE), Reason.FOLLOWS_LOAD),
    ],
)
def test_a_maximum_that_holds_is_a_reason(decision: Decision, reason: Reason) -> None:
    """Who looks for the cause of a queue finds it."""
    active = told(decision).active

    assert active
    assert active.status
    assert active.reason == reason


def busy(at_s: float) -> Memory:
    """A memory with load at this time, and no other change."""
    import msgspec

    return msgspec.structs.replace(MEMORY, at_s=at_s, busy_s=at_s)


@pytest.mark.parametrize(
    ("now", "since_s", "worth"),
    [
        (Told(queue_depth=10, memory=MEMORY, active=FOLLOWS), 15.0, True),
        (Told(queue_depth=10, memory=MEMORY, active=FOLLOWS), 14.9, False),
        (Told(queue_depth=5, memory=MEMORY, active=None), 15.0, True),
        (BEFORE, 1e6, False),
        (Told(queue_depth=5, memory=busy(1059.0), active=FOLLOWS), 1e6, False),
        (Told(queue_depth=5, memory=busy(1060.0), active=FOLLOWS), 1e6, True),
    ],
)
def test_news_are_seldom(now: Told, since_s: float, worth: bool) -> None:
    """15 s between two writes for load, a minute for the memory alone, and never without load."""
    assert is_news(now, BEFORE, since_s=since_s) is worth


def test_a_first_memory_is_kept() -> None:
    """Also of a backend that nobody used yet: its replicas are remembered."""
    assert is_news(BEFORE, Told(queue_depth=5, active=FOLLOWS), since_s=15.0)
