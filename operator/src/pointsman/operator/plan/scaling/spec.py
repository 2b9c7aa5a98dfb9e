"""From `spec.scaling` to Bounds; what is left out of `behavior` has autoscaling/v2's value."""

import datetime
from collections.abc import Callable

from pointsman.api.v1alpha1 import Scaling, ScalingRules, ScalingSchedule
from pointsman.api.v1alpha1.scaling import DEFAULT_DELAY_S
from pointsman.api.validation import Invalid, Problem
from pointsman.operator.plan.scaling.bounds import (
    DAYS,
    HPA_DOWN,
    HPA_UP,
    Behavior,
    Bounds,
    Rules,
    RulesPolicy,
    Schedule,
    SelectPolicy,
)

Zone = Callable[[str], datetime.tzinfo]
"""A time zone by its name; raises KeyError, ValueError or OSError if there is none."""


def bounds_of(scaling: Scaling, zone: Zone) -> Bounds:
    """The bounds of a backend with mode QueueDepth; raises Invalid for an unknown time zone."""
    assert scaling.max_replicas is not None, "the kind's rules ask for it"
    assert scaling.target_requests is not None, "the kind's rules ask for it"
    behavior, delay_s = scaling.behavior, scaling.scale_down_delay_seconds
    return Bounds(
        min_replicas=scaling.least,
        max_replicas=scaling.max_replicas,
        target_requests=float(scaling.target_requests),
        scale_down_delay_s=float(DEFAULT_DELAY_S if delay_s is None else delay_s),
        behavior=Behavior(
            scale_up=_rules(behavior.scale_up, HPA_UP) if behavior else None,
            scale_down=_rules(behavior.scale_down, HPA_DOWN) if behavior else None,
        ),
        schedules=tuple(
            _schedule(one, zone, f"spec.scaling.schedules[{number}]")
            for number, one in enumerate(scaling.schedules or ())
        ),
    )


def _rules(given: ScalingRules | None, default: Rules) -> Rules | None:
    if given is None:
        return None
    window_s = given.stabilization_window_seconds
    return Rules(
        policies=default.policies
        if given.policies is None
        else tuple(RulesPolicy(one.type, one.value, one.period_seconds) for one in given.policies),
        stabilization_s=default.stabilization_s if window_s is None else window_s,
        select=SelectPolicy(given.select_policy),
    )


def _schedule(given: ScalingSchedule, zone: Zone, path: str) -> Schedule:
    try:
        found = zone(given.time_zone)
    except (KeyError, ValueError, OSError) as error:
        message = f'"{given.time_zone}" is no time zone that is known here'
        raise Invalid((Problem(f"{path}.timeZone", message),)) from error
    return Schedule(
        start=datetime.time.fromisoformat(given.start),
        end=datetime.time.fromisoformat(given.end),
        days=frozenset(given.days_of_week or DAYS),
        zone=found,
        min_replicas=given.min_replicas,
        max_replicas=given.max_replicas,
        name=given.name,
    )
