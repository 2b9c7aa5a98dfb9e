"""PURE: compiled rules and request facts in, a decision with its evidence out."""

from pointsman.routing.compiled import (
    Canary,
    CompiledPolicy,
    CompiledTable,
    compile_policy,
    compile_table,
)
from pointsman.routing.deciding import decide, first_choices
from pointsman.routing.decision import Decision, Skipped
from pointsman.routing.facts import RequestFacts

__all__ = [
    "Canary",
    "CompiledPolicy",
    "CompiledTable",
    "Decision",
    "RequestFacts",
    "Skipped",
    "compile_policy",
    "compile_table",
    "decide",
    "first_choices",
]
