"""PURE: how far traffic may follow a change of weights, and what replicas it needs there first.

`record` is what is stored of a shift, `weights` what is between two lists of targets, `measuring`
what comes by a rule, `deciding` the rule of each step, `steering` its application to a compiled
table, `telling` what status says of it.
"""

from pointsman.operator.plan.shifting.deciding import (
    DEADLINE_S,
    Advance,
    Capacity,
    Load,
    Move,
    Scene,
    Targets,
    advance,
    is_dead,
    is_overdue,
    needed,
)
from pointsman.operator.plan.shifting.measuring import Ended, ended_between
from pointsman.operator.plan.shifting.record import Shift, dump_shifts, load_shifts
from pointsman.operator.plan.shifting.steering import (
    Before,
    Steered,
    steer,
    targets_of,
    unsure_routes,
)
from pointsman.operator.plan.shifting.telling import Moving, settled
from pointsman.operator.plan.shifting.weights import fractions

__all__ = [
    "DEADLINE_S",
    "Advance",
    "Before",
    "Capacity",
    "Ended",
    "Load",
    "Move",
    "Moving",
    "Scene",
    "Shift",
    "Steered",
    "Targets",
    "advance",
    "dump_shifts",
    "ended_between",
    "fractions",
    "is_dead",
    "is_overdue",
    "load_shifts",
    "needed",
    "settled",
    "steer",
    "targets_of",
    "unsure_routes",
]
