"""A candidate that refuses what the stable revision takes: no error of a server, and no answer."""

import pytest
from msgspec.structs import replace

from pointsman.operator.plan.rollout import Arm, Limits, Phase, Stretch, Verdict, judged
from tests.operator.rollout.test_deciding import (
    BOUNDS_S,
    PLAN,
    arm,
    golden,
    looked,
    scene,
    second_step,
)


def refusing(requests: int, refused: int) -> Arm:
    return replace(arm(requests), refused=refused)


def test_a_candidate_that_refuses_everything_is_not_promoted() -> None:
    """Such as a model that does not know a parameter; a person has to say, also golden prompts."""
    seen = scene(refusing(2000, 2000), arm(2000))
    rollout = looked(second_step(), seen, now_s=20.0)
    rollout = looked(rollout, seen, now_s=40.0)
    assert (rollout.phase, rollout.step) == (Phase.PROGRESSING, 1)
    assert rollout.message.startswith("Refusals: +99.9 points ")
    for probed in (None, golden("Pass")):
        late = looked(rollout, replace(seen, probed=probed), now_s=1000.0)
        assert (late.phase, late.reason) == (Phase.PAUSED, "Inconclusive")


def test_it_goes_no_further_than_its_step() -> None:
    """More callers would be refused by the next one."""
    rollout = looked(second_step(), scene(), now_s=20.0)
    first = replace(rollout, step=0, earlier=())
    seen = scene(refusing(400, 400), arm(4000))
    assert looked(first, seen, now_s=40.0).step == 0
    assert looked(first, scene(arm(400), arm(4000)), now_s=40.0).step == 1


@pytest.mark.parametrize(("candidate", "control"), [(0, 0), (200, 200), (0, 200), (210, 200)])
def test_callers_mistakes_are_those_of_both(candidate: int, control: int) -> None:
    """As many in both arms say nothing, whoever makes them."""
    stretch = Stretch(refusing(2000, candidate), refusing(2000, control))
    found = judged([stretch], PLAN.limits, bounds_s=BOUNDS_S)
    assert [one.guardrail for one in found] == ["Errors", "Latency", "Cost"]


def test_who_lets_everything_fail_lets_it_be_refused() -> None:
    """`maxErrorPoints: 100`."""
    limits = Limits(errors_points=None)
    found = judged([Stretch(refusing(99, 99), arm(99))], limits, bounds_s=BOUNDS_S)
    assert "Refusals" not in {one.guardrail for one in found}
    assert Verdict.FAIL not in {one.verdict for one in found}
