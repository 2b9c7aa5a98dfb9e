"""From the object that a user wrote to the bounds of a decision."""

from datetime import UTC, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pointsman.api.v1alpha1 import Scaling
from pointsman.api.validation import Invalid, parse
from pointsman.operator.plan.scaling import Behavior, Bounds, Rules, RulesPolicy, SelectPolicy
from pointsman.operator.plan.scaling.bounds import HPA_DOWN, HPA_UP
from pointsman.operator.plan.scaling.spec import bounds_of


def bounds(zone: Any = ZoneInfo, **fields: Any) -> Bounds:
    return bounds_of(parse(Scaling, {"maxReplicas": 4, "targetRequests": 8, **fields}), zone)


def test_what_is_left_out_has_its_default() -> None:
    """One replica at least, a minute's delay, no limit besides the algorithm's own."""
    assert bounds() == Bounds(1, 4, 8.0, 60.0, Behavior(None, None))


def test_zero_seconds_are_no_default() -> None:
    """0 is something else than nothing."""
    assert bounds(scaleDownDelaySeconds=0).scale_down_delay_s == 0


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"scaleUp": {}}, Behavior(HPA_UP, None)),
        ({"scaleDown": {}}, Behavior(None, HPA_DOWN)),
        (
            {"scaleDown": {"stabilizationWindowSeconds": 0}},
            Behavior(None, Rules(HPA_DOWN.policies, 0)),
        ),
        (
            {"scaleUp": {"selectPolicy": "Disabled"}},
            Behavior(Rules(HPA_UP.policies, 0, SelectPolicy.DISABLED), None),
        ),
        (
            {"scaleDown": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 90}]}},
            Behavior(None, Rules((RulesPolicy("Pods", 2, 90),), 300)),
        ),
    ],
)
def test_a_given_direction_is_filled_up_as_in_an_hpa(
    given: dict[str, Any], meant: Behavior
) -> None:
    """Each field on its own; a direction that is not given stays without limits."""
    assert bounds(behavior=given).behavior == meant


def test_a_schedule_is_local_time() -> None:
    """Half past six in Berlin is half past five in winter's UTC."""
    given = {"name": "day", "start": "06:30", "end": "18:00", "timeZone": "Europe/Berlin"}
    (schedule,) = bounds(schedules=[{**given, "daysOfWeek": ["Fri"], "minReplicas": 2}]).schedules
    friday_s = 1_800_000_000.0  # 15 January 2027, 08:00 UTC

    assert (schedule.start, schedule.end, schedule.min_replicas) == (time(6, 30), time(18), 2)
    assert not schedule.active(friday_s - 2.6 * 3600)
    assert schedule.active(friday_s - 2.4 * 3600)
    assert not schedule.active(friday_s + 24 * 3600)


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), IsADirectoryError("x")])
def test_a_zone_that_is_none_is_the_users_mistake(error: Exception) -> None:
    """With the field that holds it; an image without zones must not end the operator."""

    def zone(name: str) -> tzinfo:
        if name == "UTC":
            return UTC
        raise error

    fine = {"name": "a", "start": "00:00", "end": "00:00", "minReplicas": 2}
    with pytest.raises(Invalid, match=r"spec.scaling.schedules\[1\].timeZone: \"Mars/Base\""):
        bounds(zone, schedules=[fine, {**fine, "name": "b", "timeZone": "Mars/Base"}])


@pytest.mark.parametrize("name", ["Mars/Base", "Europe", "A//etc", "Europe/"])
def test_the_real_zones_refuse_in_these_ways_only(name: str) -> None:
    """What `ZoneInfo` raises for a name that the kind's pattern lets through."""
    with pytest.raises(Invalid):
        bounds(
            schedules=[
                {"name": "a", "start": "00:00", "end": "00:00", "minReplicas": 2, "timeZone": name}
            ]
        )
