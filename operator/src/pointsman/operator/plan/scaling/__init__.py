"""PURE: how many replicas a backend should have, and why; time is an argument.

One call decides: `decide(bounds, memory, signal=…, fleet=…, holding=…, now_s=…)`. What it
promises is in `deciding`, what the load is in `signal`, how it is foreseen in `demand`.
"""

from pointsman.operator.plan.scaling.bounds import (
    Behavior,
    Bounds,
    Rules,
    RulesPolicy,
    Schedule,
    SelectPolicy,
)
from pointsman.operator.plan.scaling.deciding import decide
from pointsman.operator.plan.scaling.decision import Clamp, Decision, Reason
from pointsman.operator.plan.scaling.memory import Memory, dump_memory, load_memory, resumed
from pointsman.operator.plan.scaling.signal import (
    EngineReport,
    Fleet,
    RouterReport,
    Signal,
    at_rest,
    join,
)

__all__ = [
    "Behavior",
    "Bounds",
    "Clamp",
    "Decision",
    "EngineReport",
    "Fleet",
    "Memory",
    "Reason",
    "RouterReport",
    "Rules",
    "RulesPolicy",
    "Schedule",
    "SelectPolicy",
    "Signal",
    "at_rest",
    "decide",
    "dump_memory",
    "join",
    "load_memory",
    "resumed",
]
