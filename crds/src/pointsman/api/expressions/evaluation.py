"""Compiling and evaluating, by cel-expr-python: Google's CEL in C++, as Envoy uses it.

`compile_expression` is cached, so an expression that many policies hold is compiled once. Values
that a caller chose are bounded before the library sees them.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api.expressions.limits import (
    MAX_CHARS,
    MAX_PATTERNS_PROGRAM,
    BadExpression,
    read_shape,
)
from pointsman.api.expressions.variables import VARIABLES
from pointsman.api.redaction import BadPattern, program_size

MAX_VALUE_CHARS: Final = 1024
"""Of a header or an entry of metadata; a longer one is not there for an expression."""
MAX_ENTRIES: Final = 64
"""Of metadata, and of headers: the first ones."""
_PLACE: Final = re.compile(r"^[A-Z_]+: (?:ERROR: <input>:-?\d+:(?P<column>-?\d+): )?(?P<text>.*)")
_UNKNOWN: Final = re.compile(r"undeclared reference to '(request\.\w+)'")


class Inputs:
    """One request, ready for all expressions; make it once with `inputs_of`."""

    __slots__ = ("activation",)

    def __init__(self, activation: object) -> None:
        self.activation = activation


@dataclass(frozen=True, slots=True)
class Expression:
    """One that may be used; equal sources are equal."""

    source: str
    reads: frozenset[str] = field(compare=False)
    """Names of VARIABLES."""
    _program: Any = field(compare=False, repr=False)

    def evaluate(self, inputs: Inputs) -> tuple[bool, str]:
        """(whether it holds, why it could not be told); one that could not be told does not."""
        found = self._program.eval(inputs.activation).value()
        if found is True:
            return True, ""
        return False, "" if found is False else str(found)[:200]


@functools.cache
def _environment() -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - most processes see no expression

    text = cel.Type.STRING
    kinds = {
        "string": text,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "bool": cel.Type.BOOL,
        "map": cel.Type.Map(text, text),
    }
    return cel.NewEnv(variables={name: kinds[one.kind] for name, one in VARIABLES.items()})


@functools.lru_cache(maxsize=512)
def compile_expression(source: str) -> Expression:
    """Raises BadExpression, with the column where there is one."""
    if len(source) > MAX_CHARS:
        raise BadExpression(f"it has {len(source):,} characters, {MAX_CHARS:,} are allowed")
    if not _is_unicode(source):
        raise BadExpression("it is not Unicode")
    try:
        program = _environment().compile(source)
    except RuntimeError as error:
        raise BadExpression(_in_words(str(error))) from None
    shape = read_shape(program.serialize())
    _check_keys(shape.keys)
    _check_patterns(shape.patterns)
    if (kind := program.return_type().name()) != "BOOL":
        raise BadExpression(f"it is a {kind.lower()}, and must be true or false")
    if not shape.names:
        raise BadExpression("it looks at nothing of the request (what matches all is spec.default)")
    return Expression(source, frozenset(shape.names), program)


def _in_words(error: str) -> str:
    found = _PLACE.match(error)
    if found is None:
        return error[:200]
    text = found["text"].removesuffix(" [INVALID_ARGUMENT]").removesuffix(" (in container '')")
    if unknown := _UNKNOWN.search(text):
        from pointsman.api.spelling import did_you_mean  # noqa: PLC0415 - only for who mistyped

        text += did_you_mean(unknown[1], list(VARIABLES))
    column = found["column"]
    where = f"column {column}: " if column and int(column) > 0 else ""
    return f"{where}{text[:200]}"


def _check_keys(keys: list[tuple[str, str]]) -> None:
    for name, key in keys:
        if name == "request.headers" and key != key.lower():
            raise BadExpression(f"names of headers are in lower case: {key.lower()!r}, not {key!r}")


def _check_patterns(patterns: list[str]) -> None:
    total = 0
    for pattern in patterns:
        try:
            total += program_size(pattern)
        except BadPattern:
            raise BadExpression(f"{pattern!r} is no pattern of RE2") from None
        if total > MAX_PATTERNS_PROGRAM:
            raise BadExpression(f"its patterns are too large at {pattern!r}")


def _is_unicode(text: str) -> bool:
    """False if it holds half of a surrogate pair, which CEL cannot take."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bounded(texts: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in texts.items():
        if len(found) >= MAX_ENTRIES:
            break
        if max(len(name), len(value)) <= MAX_VALUE_CHARS and _is_unicode(name + value):
            found[name] = value
    return found


def inputs_of(values: Mapping[str, object]) -> Inputs:
    """
    For `Expression.evaluate` of what reads no other than these VARIABLES.

    What is too long or not Unicode is left out of a map, and is empty elsewhere.
    """
    bounded: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            bounded[name] = _bounded(value)
        elif isinstance(value, str) and not (len(value) <= MAX_VALUE_CHARS and _is_unicode(value)):
            bounded[name] = ""
        else:
            bounded[name] = value
    return Inputs(_environment().Activation(bounded))
