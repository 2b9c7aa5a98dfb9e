"""JSON schemas that others wrote, by jsonschema-rs, with bounds on memory and on time.

Guarantees that patterns are searched in time that grows as the text does, that all of them together
take little memory, that nothing is fetched, and that no value is looked at so often that it takes
long: references let a schema of a few lines look 2^60 times. Refuses what passes the bounds.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

MAX_LOOKS: Final = 200_000
"""Of subschemas at parts of one value; jsonschema-rs takes some milliseconds for as many."""
_PATTERN_BYTES: Final = 1024 * 1024
"""Of one compiled pattern."""
_PATTERNS_BYTES: Final = 4 * _PATTERN_BYTES
"""Of all patterns of one schema."""
_ELSEWHERE: Final = 1000
"""Looks of a reference to what is not in the schema, such as the schema of schemas."""
_A_LOOK: Final = 64
"""Characters or members that are read in one look."""

_ONE: Final = ("not", "if", "then", "else")
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_MAPS: Final = ("dependentSchemas", "dependencies")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_OF_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")
_OF_ITEMS: Final = ("items", "contains", "additionalItems", "unevaluatedItems")


class BadSchema(ValueError):
    """No JSON schema, or none that may be used; it says why."""


class TooManyLooks(Exception):
    """Whether the schema takes the value is not worth the time."""


class JsonSchema:
    """A schema of draft 2020-12, as a value that was read from JSON. Raises BadSchema."""

    def __init__(self, schema: Any) -> None:
        import jsonschema_rs  # noqa: PLC0415 - most suites and edits need none

        if not isinstance(schema, dict | bool):
            raise BadSchema("a schema is an object")
        patterns = sum(map(_patterns_of, _objects(schema)))
        bytes_each = min(_PATTERN_BYTES, _PATTERNS_BYTES // max(1, patterns))
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                pattern_options=jsonschema_rs.RegexOptions(
                    size_limit=bytes_each, dfa_size_limit=bytes_each
                ),
                retriever=_refuse,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise BadSchema(_first_line(error)) from None
        self._schema = schema
        self._bases = [schema, *(one for one in _objects(schema) if "$id" in one)]

    def problem(self, value: Any) -> str:
        """What is wrong with a value; empty if the schema takes it. Raises TooManyLooks."""
        try:
            _Counting(self._schema, self._bases).looks(self._schema, value)
        except RecursionError:
            raise TooManyLooks from None
        error = next(iter(self._validator.iter_errors(value)), None)
        if error is None:
            return ""
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}"
                        for step in error.instance_path)  # fmt: skip
        return f"{place or 'the value'}: {_first_line(error)}"


class _Counting:
    """How often a validator that stops nowhere looks at a value and at its parts."""

    def __init__(self, schema: Any, bases: Sequence[Any]) -> None:
        self._bases = bases
        self._anchors: dict[str, list[Any]] = {}
        for one in _objects(schema):
            for name in (one.get(key) for key in _ANCHORS):
                if isinstance(name, str):
                    self._anchors.setdefault(name, []).append(one)
        self._known: dict[tuple[int, int], int | None] = {}

    def looks(self, schema: Any, value: Any) -> int:
        """Raises TooManyLooks, also for a schema that refers to itself at the same place."""
        if not isinstance(schema, Mapping):
            return int(schema is not None)
        key = id(schema), id(value)
        if key in self._known:
            known = self._known[key]
            if known is None:
                raise TooManyLooks
            return known
        self._known[key] = None
        # What is not evaluated is found out by looking again at what could have.
        times = 2 if any(name.startswith("unevaluated") for name in schema) else 1
        size = len(value) if isinstance(value, str | Mapping | list) else 0
        found = 1 + size // _A_LOOK
        found += times * sum(self.looks(one, value) for one in self._here(schema))
        found += sum(self.looks(one, part) for one, part in _below(schema, value))
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                targets = self._targets(schema[name])
                found += times * (sum(self.looks(one, value) for one in targets) or _ELSEWHERE)
        if found > MAX_LOOKS:
            raise TooManyLooks
        self._known[key] = found
        return found

    def _here(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        """Subschemas at the same place."""
        for name in _ONE:
            yield schema.get(name)
        for name in _LISTS:
            yield from _list(schema.get(name))
        for name in _MAPS:
            yield from _map(schema.get(name)).values()

    def _targets(self, reference: str) -> list[Any]:
        """All that it can mean: which `$id` a reference counts from is not looked into."""
        _, _, fragment = reference.partition("#")
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment, [])
        bases = self._bases if reference.startswith("#") else self._bases[1:]
        found = (_at(base, fragment) for base in bases)
        return [one for one in found if one is not None]


def _below(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """Subschemas for the parts of a value, each with its part."""
    if isinstance(value, Mapping):
        by_pattern = _map(schema.get("patternProperties")).values()
        for name, part in value.items():
            yield schema.get("propertyNames"), name
            yield _map(schema.get("properties")).get(name), part
            yield from ((one, part) for one in by_pattern)
            yield from ((schema.get(key), part) for key in _OF_MEMBERS)
    if isinstance(value, list):
        lists = [_list(schema.get("prefixItems")), _list(schema.get("items"))]
        for index, part in enumerate(value):
            yield from ((one[index], part) for one in lists if index < len(one))
            yield from ((schema.get(key), part) for key in _OF_ITEMS)


def _at(base: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None if it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(base, list):
            base = base[int(name)] if name.isdecimal() and int(name) < len(base) else None
        else:
            base = _map(base).get(name)
    return base


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """All objects in a value, itself included."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _patterns_of(schema: Mapping[str, Any]) -> int:
    return len(_map(schema.get("patternProperties"))) + isinstance(schema.get("pattern"), str)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _refuse(uri: str) -> Any:
    raise BadSchema(f"a reference to {uri[:200]} leads out of the schema")


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
