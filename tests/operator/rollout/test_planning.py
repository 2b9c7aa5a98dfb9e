"""What the owner of a policy allows, as decisions want it."""

from typing import Any

import pytest

from pointsman.api import table
from pointsman.api.v1alpha1 import Rollout
from pointsman.operator.plan.rollout.planning import plan_of

ADDRESS = table.ServiceAddress(namespace="ai", service="s", port=80)


def blob(*currencies: str) -> table.PolicyBlob:
    """With a priced backend of each currency; of `""` one without prices."""
    backends = {
        f"b{number}": table.Backend(
            name=f"b{number}", model="m", address=ADDRESS, currency=currency or "USD",
            prices=(table.Price(input_pico=1),) if currency else (),
        )
        for number, currency in enumerate(currencies)
    }  # fmt: skip
    return table.PolicyBlob(
        namespace="ai", name="desk", revision="r", model_names=("m",), routes=(), backends=backends
    )


def spec(**fields: Any) -> Rollout:
    return Rollout.model_validate(fields)


def test_what_is_left_out_is_5_25_50() -> None:
    """A hundred requests and a minute each; the limits of the kind."""
    plan = plan_of(spec(), blob("USD"), blob("USD"))

    assert [step.weight_percent for step in plan.steps] == [5, 25, 50]
    assert {(step.min_requests, step.min_s, step.approval) for step in plan.steps} == {
        (100, 60.0, False)
    }
    assert (plan.limits.errors_points, plan.limits.latency_percent) == (2.0, 25.0)
    assert plan.limits.cost_percent == 25.0
    assert plan.limits.quality_points is None, "nothing feeds it"
    assert plan.deadline_s == 3600.0


def test_manual_asks_before_the_promotion_only() -> None:
    """A step may ask for itself."""
    steps = [{"weightPercent": 5, "approval": True}, {"weightPercent": 10}, {"weightPercent": 20}]
    plan = plan_of(spec(steps=steps, approval="Manual"), blob(), blob())

    assert [step.approval for step in plan.steps] == [True, False, True]


@pytest.mark.parametrize(
    ("stable", "candidate", "compared"),
    [
        (["USD"], ["USD"], True),
        (["USD", ""], ["USD"], True),
        ([""], ["USD"], True),
        (["USD"], [""], False),
        (["USD"], ["EUR"], False),
        (["USD", "EUR"], ["USD"], False),
    ],
)
def test_costs_are_compared_where_they_can_be(
    stable: list[str], candidate: list[str], compared: bool
) -> None:
    """What costs nothing cannot cost more; dollars are no euros."""
    plan = plan_of(spec(), blob(*stable), blob(*candidate))

    assert (plan.limits.cost_percent is not None) is compared


def test_all_errors_may_be_allowed() -> None:
    """100 points: not looked at."""
    plan = plan_of(spec(guardrails={"maxErrorPoints": 100}), blob(), blob())

    assert plan.limits.errors_points is None
