"""`behavior` against cases worked out by hand from autoscaling/v2's documented formula."""

import pytest

from pointsman.operator.plan.scaling import Behavior, Rules, RulesPolicy, SelectPolicy
from pointsman.operator.plan.scaling.behavior import least_down, most_up, stabilize
from pointsman.operator.plan.scaling.bounds import HPA_DOWN, HPA_UP
from pointsman.operator.plan.scaling.memory import recommended

PODS_4 = RulesPolicy("Pods", 4, 60)
PERCENT_10 = RulesPolicy("Percent", 10, 60)
NOW_S = 1000.0
Changes = tuple[tuple[float, int], ...]


def up(*policies: RulesPolicy, select: SelectPolicy = SelectPolicy.MAX) -> Rules:
    return Rules(policies, 0, select)


@pytest.mark.parametrize(
    ("rules", "replicas", "changes", "limit"),
    [
        (up(PODS_4), 10, (), 14),
        (up(PERCENT_10), 10, (), 11),
        (up(PERCENT_10), 11, (), 13),  # 11 * 1.1 = 12.1, rounded up
        (up(PODS_4, PERCENT_10), 80, (), 88),  # Max: 84 or 88
        (up(PODS_4, PERCENT_10, select=SelectPolicy.MIN), 80, (), 84),
        (up(PODS_4, select=SelectPolicy.DISABLED), 10, (), 10),
        (up(PODS_4), 14, ((NOW_S - 30, 4),), 14),  # used up: the period began with 10
        (up(PODS_4), 14, ((NOW_S - 60, 4),), 18),  # exactly a period ago is outside
        (up(PODS_4), 12, ((NOW_S - 30, 4), (NOW_S - 10, -2)), 14),  # began with 12 - 4 + 2 = 10
        (up(PODS_4), 20, ((NOW_S - 30, 10),), 20),  # others added more: never below what is
        (up(PERCENT_10), 0, (), 1),  # from zero one is always allowed
        (HPA_UP, 1, (), 5),  # the default: 4 pods or 100 %
        (HPA_UP, 10, (), 20),
    ],
)
def test_up(rules: Rules, replicas: int, changes: Changes, limit: int) -> None:
    """The highest count that is allowed."""
    assert most_up(rules, replicas=replicas, changes=changes, now_s=NOW_S) == limit


@pytest.mark.parametrize(
    ("rules", "replicas", "changes", "limit"),
    [
        (up(PODS_4), 80, (), 76),
        (up(PERCENT_10), 80, (), 72),
        (up(PERCENT_10), 72, (), 64),  # 72 * 0.9 = 64.8, rounded down
        (up(PERCENT_10), 5, (), 4),  # 4.5
        (up(PODS_4, PERCENT_10), 80, (), 72),  # Max: the larger change
        (up(PODS_4, PERCENT_10, select=SelectPolicy.MIN), 80, (), 76),
        (up(PODS_4, select=SelectPolicy.DISABLED), 80, (), 80),
        (up(PODS_4), 76, ((NOW_S - 30, -4),), 76),
        (up(PODS_4), 76, ((NOW_S - 60, -4),), 72),
        (up(PODS_4), 78, ((NOW_S - 30, -4), (NOW_S - 10, 2)), 76),  # began with 80
        (up(PODS_4), 2, (), 0),
        (HPA_DOWN, 50, (), 0),
    ],
)
def test_down(rules: Rules, replicas: int, changes: Changes, limit: int) -> None:
    """The lowest count that is allowed."""
    assert least_down(rules, replicas=replicas, changes=changes, now_s=NOW_S) == limit


@pytest.mark.parametrize(
    ("replicas", "past", "wanted", "stable"),
    [
        (10, [(100, 7)], 5, 7),  # down to the highest of 300 s
        (10, [(301, 9), (100, 7)], 5, 7),
        (10, [(100, 12)], 5, 10),  # never up because of the past
        (10, [(20, 12)], 15, 12),  # up to the lowest of 30 s
        (10, [(31, 11), (20, 13)], 15, 13),
        (10, [(20, 4)], 15, 10),
        (10, [], 10, 10),
    ],
)
def test_stabilization(
    replicas: int, past: list[tuple[int, int]], wanted: int, stable: int
) -> None:
    """`past`: (seconds ago, recommended)."""
    pods = (RulesPolicy("Pods", 100, 15),)
    behavior = Behavior(Rules(pods, 30), Rules(pods, 300))
    highs: Changes = ()
    lows: Changes = ()
    for ago_s, count in [*past, (0, wanted)]:
        highs = recommended(highs, NOW_S - ago_s, count, 300, high=True)
        lows = recommended(lows, NOW_S - ago_s, count, 300, high=False)
    found = stabilize(
        behavior, replicas=replicas, wanted=wanted, highs=highs, lows=lows, now_s=NOW_S
    )
    assert found == stable


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: RulesPolicy("Pods", 0, 15), "value"),
        (lambda: RulesPolicy("Pods", 1, 0), "periodSeconds"),
        (lambda: RulesPolicy("Pods", 1, 1801), "periodSeconds"),
        (lambda: Rules((), 0), "policy"),
        (lambda: Rules((PODS_4,), 3601), "stabilizationWindowSeconds"),
        (lambda: Rules((PODS_4,), -1), "stabilizationWindowSeconds"),
    ],
)
def test_what_an_hpa_refuses_is_refused(make: object, field: str) -> None:
    """With the field's name."""
    assert callable(make)
    with pytest.raises(ValueError, match=field):
        make()
