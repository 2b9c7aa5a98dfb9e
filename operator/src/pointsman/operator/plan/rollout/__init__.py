"""PURE: a new revision of a policy takes over step by step, or is taken back.

One look decides: `advance(rollout, plan, scene, now_s=…)`. What it returns is all that has to be
kept; weights follow from it. Refuses to guess: without traffic it waits, and then asks a person.
"""

from pointsman.operator.plan.rollout.comparing import Moments
from pointsman.operator.plan.rollout.deciding import advance, weight_percent
from pointsman.operator.plan.rollout.guarding import (
    Arm,
    Finding,
    Limits,
    Stretch,
    Verdict,
    judged,
    together,
)
from pointsman.operator.plan.rollout.state import (
    Approval,
    Orders,
    Phase,
    Plan,
    Rollout,
    Scene,
    Step,
    begin,
    queued,
)

__all__ = [
    "Approval",
    "Arm",
    "Finding",
    "Limits",
    "Moments",
    "Orders",
    "Phase",
    "Plan",
    "Rollout",
    "Scene",
    "Step",
    "Stretch",
    "Verdict",
    "advance",
    "begin",
    "judged",
    "queued",
    "together",
    "weight_percent",
]
