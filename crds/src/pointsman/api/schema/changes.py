"""PURE: what a newer CustomResourceDefinition takes away from who relies on an older one.

Guarantees that whatever the older one let through and kept, passes and is kept where nothing is
reported. What is only added, or made wider, is no change here. A part that is new may be as strict
as it likes. docs/upgrade.md says what becomes of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Json = Mapping[str, Any]


class Break(StrEnum):
    """How a newer schema refuses, drops or tells otherwise what an older one did not."""

    VERSION_REMOVED = "VersionRemoved"
    NAME_CHANGED = "NameChanged"
    SUBRESOURCE_CHANGED = "SubresourceChanged"
    COLUMN_CHANGED = "ColumnChanged"
    FIELD_REMOVED = "FieldRemoved"
    TYPE_CHANGED = "TypeChanged"
    REQUIRED_ADDED = "RequiredAdded"
    ENUM_VALUE_REMOVED = "EnumValueRemoved"
    BOUND_TIGHTENED = "BoundTightened"
    RULE_ADDED = "RuleAdded"
    DEFAULT_CHANGED = "DefaultChanged"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One break; `path` is that of `kubectl explain`, with [] for items and {} for values."""

    path: str
    kind: Break
    said: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}: {self.said}"


_LOWER: Final = ("minimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = (
    "pattern",
    "multipleOf",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
)
_TYPE: Final = (
    "type",
    "format",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
)
_NAMES: Final = ("kind", "listKind", "plural", "singular", "shortNames", "categories")


def changes(older: Json, newer: Json) -> tuple[Change, ...]:
    """What `newer` breaks for users of `older`; both are whole CustomResourceDefinitions."""
    return tuple(sorted(set(_of_definition(older["spec"], newer["spec"]))))


def _of_definition(older: Json, newer: Json) -> Iterator[Change]:
    for key in ("group", "scope"):
        if older[key] != newer[key]:
            yield _change(key, Break.NAME_CHANGED, older[key], newer[key])
    for key in _NAMES:
        before, after = older["names"].get(key), newer["names"].get(key)
        lost = before != after
        if isinstance(before, list):
            lost = not set(before) <= set(after or ())
        if lost and before is not None:
            yield _change(f"names.{key}", Break.NAME_CHANGED, before, after)
    served = {one["name"]: one for one in newer["versions"] if one["served"]}
    (stored,) = (one for one in newer["versions"] if one["storage"])
    for version in older["versions"]:
        if not version["served"]:
            continue
        name = version["name"]
        if name not in served:
            yield Change(name, Break.VERSION_REMOVED, "it is no longer served")
            continue
        yield from _of_version(version, served[name])
        # What is written in one version lies, and is read again, as the one that is stored.
        yield from _of_schemas(version, stored)


def _of_version(older: Json, newer: Json) -> Iterator[Change]:
    there, now = (one.get("subresources") or {} for one in (older, newer))
    for name in there.keys() | ({"status"} & now.keys()):  # a status of its own takes writers' away
        if there.get(name) != now.get(name):
            kind = Break.SUBRESOURCE_CHANGED
            yield _change(f"subresources.{name}", kind, there.get(name), now.get(name))
    columns = {one["name"]: one for one in newer.get("additionalPrinterColumns") or ()}
    for column in older.get("additionalPrinterColumns") or ():
        name, after = column["name"], columns.get(column["name"])
        for key in ("type", "jsonPath", "priority"):
            if (after or {}).get(key) != column.get(key):
                yield _change(f"column {name}", Break.COLUMN_CHANGED, column, after)
                break
    yield from _of_schemas(older, newer)


def _of_schemas(older: Json, newer: Json) -> Iterator[Change]:
    yield from _of_schema(
        "", older["schema"]["openAPIV3Schema"], newer["schema"]["openAPIV3Schema"]
    )


def _of_schema(path: str, older: Json, newer: Json) -> Iterator[Change]:
    here = path or "."
    for key in _TYPE:
        if older.get(key) != newer.get(key):
            yield _change(f"{here}", Break.TYPE_CHANGED, _said(older, key), _said(newer, key))
    if older.get("nullable") and not newer.get("nullable"):
        yield Change(here, Break.TYPE_CHANGED, "null is no longer a value")
    yield from _of_bounds(here, older, newer)
    if "default" in older or "default" in newer:
        before, after = older.get("default", "none"), newer.get("default", "none")
        if before != after:
            yield _change(here, Break.DEFAULT_CHANGED, before, after)
    known = _rules(older)
    for rule in sorted(_rules(newer) - known):
        yield Change(here, Break.RULE_ADDED, rule)
    yield from _of_fields(path, older, newer)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        inner, after = older.get(key), newer.get(key)
        if isinstance(inner, Mapping) and isinstance(after, Mapping):
            yield from _of_schema(f"{path}{mark}", inner, after)
        elif inner not in (None, False) and after is not True:
            yield Change(f"{path}{mark}", Break.FIELD_REMOVED, "what it holds is no longer kept")


def _of_bounds(path: str, older: Json, newer: Json) -> Iterator[Change]:
    for keys, tighter in ((_LOWER, _above), (_UPPER, _below)):
        for key in keys:
            if key in newer and tighter(newer[key], older.get(key)):
                yield _change(path, Break.BOUND_TIGHTENED, _said(older, key), _said(newer, key))
    for key in _EXACT:
        if newer.get(key) and newer.get(key) != older.get(key):
            yield _change(path, Break.BOUND_TIGHTENED, _said(older, key), _said(newer, key))
    if "enum" in newer:
        if "enum" not in older:
            yield Change(path, Break.ENUM_VALUE_REMOVED, f"only {newer['enum']} may be said now")
        else:
            for value in older["enum"]:
                if value not in newer["enum"]:
                    yield Change(path, Break.ENUM_VALUE_REMOVED, str(value))


def _of_fields(path: str, older: Json, newer: Json) -> Iterator[Change]:
    before, after = older.get("properties") or {}, newer.get("properties") or {}
    for name, schema in before.items():
        inner = f"{path}.{name}" if path else name
        if name in after:
            yield from _of_schema(inner, schema, after[name])
        elif not newer.get("x-kubernetes-preserve-unknown-fields"):
            yield Change(inner, Break.FIELD_REMOVED, "it is no longer kept")
    asked = set(older.get("required") or ())
    for name in newer.get("required") or ():
        # A default fills it in before anybody asks for it.
        if name not in asked and "default" not in (after.get(name) or {}):
            inner = f"{path}.{name}" if path else name
            yield Change(inner, Break.REQUIRED_ADDED, "objects without it are refused now")


def _rules(schema: Json) -> set[str]:
    return {one["rule"] for one in schema.get("x-kubernetes-validations") or ()}


def _above(after: float, before: float | None) -> bool:
    return before is None or after > before


def _below(after: float, before: float | None) -> bool:
    return before is None or after < before


def _said(schema: Json, key: str) -> str:
    return f"{key} {schema[key]}" if key in schema else f"no {key}"


def _change(path: str, kind: Break, before: object, after: object) -> Change:
    return Change(path, kind, f"{_short(before)} became {_short(after)}")


def _short(value: object) -> str:
    return "nothing" if value is None else str(value)


def lacking(wanted: Json, served: Json, path: str = "") -> tuple[str, ...]:
    """
    The fields of one schema that another one does not have, topmost only, in order.

    Both are openAPIV3Schemas; what keeps unknown fields has them all.
    """
    if served.get("x-kubernetes-preserve-unknown-fields"):
        return ()
    found: list[str] = []
    there: Json = served.get("properties") or {}
    for name, schema in sorted((wanted.get("properties") or {}).items()):
        inner = f"{path}.{name}" if path else name
        found += lacking(schema, there[name], inner) if name in there else (inner,)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        inside, there_too = wanted.get(key), served.get(key)
        if isinstance(inside, Mapping) and isinstance(there_too, Mapping):
            found += lacking(inside, there_too, f"{path}{mark}")
    return tuple(found)


def kept(value: Any, schema: Json) -> Any:
    """What the API server would keep of a value: fields that a schema lacks are left out."""
    if isinstance(value, Mapping):
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return dict(value)
        fields: Json = schema.get("properties") or {}
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            return {name: kept(inner, more) for name, inner in value.items()}
        return {n: kept(inner, fields[n]) for n, inner in value.items() if n in fields}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items: Json = schema.get("items") or {}
        return [kept(inner, items) for inner in value]
    return value
