"""What local mode says of rollouts: it has none, for there is nobody to count for days."""

from collections.abc import Mapping

from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.local.desired import Desired


def at_once(desired: Desired) -> Mapping[str, str]:
    """By policy with a `rollout`."""
    return {
        name: "new revisions take over at once in local mode, whatever rollout says"
        for name, verdict in desired.table.verdicts.items()
        if isinstance(policy := verdict.policy.parsed, RoutingPolicy) and policy.spec.rollout
    }
