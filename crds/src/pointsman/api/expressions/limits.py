"""What an expression may be made of, judged on the tree that CEL's own compiler made.

The tree comes as a serialized `cel.expr.CheckedExpr` (cel-spec, checked.proto and syntax.proto);
the few fields that matter are read here, since a protobuf library would be a large dependency for
it. Everything that is not on a list is refused: macros (they are loops), texts that are put
together, conversions, and patterns that are not written out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_CHARS: Final = 1024
MAX_NODES: Final = 128
MAX_DEPTH: Final = 24
MAX_PATTERNS_PROGRAM: Final = 500
"""Instructions of RE2 in all patterns together; a usual one has 20 to 60."""

_TESTED: Final = ("int64", "uint64", "double", "string", "bool")
_NUMBERS: Final = ("int64", "double")
ALLOWED: Final = frozenset(
    (
        "logical_and",
        "logical_or",
        "logical_not",
        "conditional",
        "equals",
        "not_equals",
        "in_list",
        "in_map",
        "index_list",
        "index_map",
        *(f"{name}_{kind}" for name in ("less", "less_equals") for kind in _TESTED),
        *(f"{name}_{kind}" for name in ("greater", "greater_equals") for kind in _TESTED),
        *(f"{name}_{kind}" for name in ("add", "subtract", "multiply") for kind in _NUMBERS),
        *(f"{name}_{kind}" for name in ("divide", "negate") for kind in _NUMBERS),
        "modulo_int64",
        "int64_to_double",
        "size_string",
        "string_size",
        "size_list",
        "list_size",
        "size_map",
        "map_size",
        "starts_with_string",
        "ends_with_string",
        "contains_string",
        "matches",
        "matches_string",
    )
)
"""Overloads of CEL's standard definitions; each takes time in proportion to its operands."""


class BadExpression(ValueError):
    """Not an expression that may be used; the text says why."""


@dataclass(slots=True)
class Shape:
    """What was found in a tree."""

    nodes: int = 0
    names: set[str] = field(default_factory=set)
    """Variables that are read."""
    patterns: list[str] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    """(map, key) where an entry is asked for by a key that is written out."""


_Value = int | bytes
_ANY_VALUE, _REFERENCES, _EXPR = 2, 2, 4
_KEY, _VALUE, _NAME, _OVERLOAD = 1, 2, 1, 3
_CONST, _IDENT, _SELECT, _CALL, _LIST = 3, 4, 5, 6, 7
_NO_MACROS: Final = "the macros all, exists, exists_one, map and filter are not allowed"
_REFUSED: Final = {8: "maps and messages cannot be written out", 9: _NO_MACROS}
_STRING, _BYTES = 6, 7
_TARGET, _FUNCTION, _ARGS = 1, 2, 3


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, _Value]]:
    """Every field of a protobuf message as (number, value)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = 8 if wire == 1 else 4
        yield number, data[at : at + size]
        at += size


def _parts(data: bytes, number: int) -> list[bytes]:
    return [value for n, value in _fields(data) if n == number and isinstance(value, bytes)]


def _part(data: bytes, number: int) -> bytes:
    return next(iter(_parts(data, number)), b"")


def read_shape(serialized: bytes) -> Shape:
    """The shape of a checked expression; raises BadExpression for what is not allowed in it."""
    checked = _part(serialized, _ANY_VALUE)
    shape = Shape()
    _walk(_part(checked, _EXPR), shape, 1)
    for entry in _parts(checked, _REFERENCES):
        reference = _part(entry, _VALUE)
        for overload in _parts(reference, _OVERLOAD):
            name = overload.decode()
            if name not in ALLOWED:
                raise BadExpression(_why_not(_part(reference, _NAME).decode(), name))
    return shape


_WRITTEN: Final = {"_+_": "+", "_-_": "-", "_%_": "%", "_==_": "==", "@in": "in"}


def _why_not(function: str, overload: str) -> str:
    if overload in ("add_string", "add_bytes", "add_list"):
        return "+ is allowed with numbers only"
    return f"{_WRITTEN.get(function, function)} ({overload}) is not allowed"


def _walk(expr: bytes, shape: Shape, depth: int) -> None:
    shape.nodes += 1
    if shape.nodes > MAX_NODES:
        raise BadExpression(f"it has more than {MAX_NODES} parts")
    if depth > MAX_DEPTH:
        raise BadExpression(f"it is nested deeper than {MAX_DEPTH}")
    for number, value in _fields(expr):
        if not isinstance(value, bytes):
            continue
        if number == _IDENT:
            shape.names.add(_part(value, 1).decode())
        elif number == _SELECT:
            _select(value, shape, depth)
        elif number == _CALL:
            _call(value, shape, depth)
        elif number == _LIST:
            for element in _parts(value, 1):
                _walk(element, shape, depth + 1)
        elif number in _REFUSED or (number == _CONST and _parts(value, _BYTES)):
            raise BadExpression(_REFUSED.get(number, "bytes are not allowed"))


def _select(select: bytes, shape: Shape, depth: int) -> None:
    operand = _part(select, 1)
    if name := _ident(operand):
        shape.keys.append((name, _part(select, 2).decode()))
    _walk(operand, shape, depth + 1)


def _call(call: bytes, shape: Shape, depth: int) -> None:
    function = _part(call, _FUNCTION).decode()
    operands = [*_parts(call, _TARGET), *_parts(call, _ARGS)]
    if function == "matches":
        pattern = _text(operands[-1])
        if pattern is None:
            raise BadExpression("the pattern of matches() must be written out")
        shape.patterns.append(pattern)
    elif function in ("_[_]", "@in"):
        holder, key = operands if function == "_[_]" else reversed(operands)
        if (name := _ident(holder)) and (text := _text(key)) is not None:
            shape.keys.append((name, text))
    for operand in operands:
        _walk(operand, shape, depth + 1)


def _ident(expr: bytes) -> str:
    return _part(_part(expr, _IDENT), 1).decode()


def _text(expr: bytes) -> str | None:
    found = _parts(_part(expr, _CONST), _STRING)
    return found[0].decode() if found else None
