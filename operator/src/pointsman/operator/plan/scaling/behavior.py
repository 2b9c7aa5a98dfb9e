"""`behavior` with the meaning of autoscaling/v2, from its documented formula.

Stabilization: up to the lowest, down to the highest recommendation of the window. Then limits: a
policy allows so many pods, or percent, of what there was when its period began, which is the
replicas now less those added and plus those taken away in the period; up is rounded up, down is
rounded down. Max takes the policy that allows most, Min the one that allows least, Disabled none.

Source: kubernetes.io, "Horizontal Pod Autoscaling", configurable scaling behavior; KEP-853.
"""

import math

from pointsman.operator.plan.scaling.bounds import Behavior, Rules, SelectPolicy
from pointsman.operator.plan.scaling.memory import best_since


def stabilize(
    behavior: Behavior,
    *,
    replicas: int,
    wanted: int,
    highs: tuple[tuple[float, int], ...],
    lows: tuple[tuple[float, int], ...],
    now_s: float,
) -> int:
    """Return `replicas` moved no further than the recommendations of both windows allow."""
    up, down = behavior.scale_up, behavior.scale_down
    lowest = wanted
    if up is not None:
        lowest = best_since(lows, now_s - up.stabilization_s, wanted, high=False)
    highest = wanted
    if down is not None:
        highest = best_since(highs, now_s - down.stabilization_s, wanted, high=True)
    return min(max(replicas, lowest), highest)


def _changes(changes: tuple[tuple[float, int], ...], after_s: float) -> int:
    return sum(by for at_s, by in changes if at_s > after_s)


def most_up(
    rules: Rules, *, replicas: int, changes: tuple[tuple[float, int], ...], now_s: float
) -> int:
    """Return the highest count that the policies allow now; from zero at least 1, if not Disabled.

    A percentage of nothing is nothing: without that exception a fleet at zero could never wake.
    """
    if rules.select is SelectPolicy.DISABLED:
        return replicas
    proposed = []
    for policy in rules.policies:
        began = replicas - _changes(changes, now_s - policy.period_s)
        if policy.type == "Pods":
            proposed.append(began + policy.value)
        else:
            proposed.append(math.ceil(began * (100 + policy.value) / 100))
    limit = min(proposed) if rules.select is SelectPolicy.MIN else max(proposed)
    return max(limit, replicas, 1)


def least_down(
    rules: Rules, *, replicas: int, changes: tuple[tuple[float, int], ...], now_s: float
) -> int:
    """Return the lowest count that the policies allow now."""
    if rules.select is SelectPolicy.DISABLED:
        return replicas
    proposed = []
    for policy in rules.policies:
        began = replicas - _changes(changes, now_s - policy.period_s)
        if policy.type == "Pods":
            proposed.append(began - policy.value)
        else:
            proposed.append(math.trunc(began * (100 - policy.value) / 100))
    limit = max(proposed) if rules.select is SelectPolicy.MIN else min(proposed)
    return max(0, min(limit, replicas))
