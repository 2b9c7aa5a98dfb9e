"""Conditions in CEL over one analyzed request: compiled once, evaluated in microseconds.

Guarantees that what compiles is of type bool, names only variables that there are, and takes a
bounded time whatever a caller sends: no loops, no text that grows, patterns by RE2 and of limited
size. An evaluation never raises. The library is loaded with the first expression, not before.
"""

from pointsman.api.expressions.evaluation import (
    MAX_ENTRIES,
    MAX_VALUE_CHARS,
    Expression,
    Inputs,
    compile_expression,
    inputs_of,
)
from pointsman.api.expressions.limits import (
    MAX_CHARS,
    MAX_DEPTH,
    MAX_NODES,
    MAX_PATTERNS_PROGRAM,
    BadExpression,
)
from pointsman.api.expressions.variables import NEEDS_TEXT, VARIABLES

__all__ = [
    "MAX_CHARS",
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "MAX_NODES",
    "MAX_PATTERNS_PROGRAM",
    "MAX_VALUE_CHARS",
    "NEEDS_TEXT",
    "VARIABLES",
    "BadExpression",
    "Expression",
    "Inputs",
    "compile_expression",
    "inputs_of",
]
