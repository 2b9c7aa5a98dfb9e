"""Small JSON answers. Pure.

Guarantees valid JSON, and for the common part of JSON Schema (type, properties, required, enum,
const, items with minItems, anyOf, $ref into the schema) an instance that satisfies it. Ignores
formats, patterns and ranges.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_MAX_DEPTH = 16
_EMPTY: dict[str, object] = {"string": "", "integer": 0, "number": 0, "boolean": False}


def json_pieces(model: str, schema: Mapping[str, object] | None) -> tuple[str, ...]:
    """The answer of JSON mode as pieces of text, one a token; joined they are one JSON object."""
    if schema is None:
        return ("{", '"model": ', msgspec.json.encode(model).decode(), ', "answer": ', '"ok"', "}")
    text = msgspec.json.encode(instance(schema, schema)).decode()
    return tuple(text[i : i + 4] for i in range(0, len(text), 4))


def instance(schema: object, root: Mapping[str, object], depth: int = 0) -> object:
    """The smallest value that satisfies `schema`; null where it is deeper than 16 levels."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return instance(_resolve(reference, root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    for choices in (schema.get("enum"), schema.get("anyOf"), schema.get("oneOf")):
        if isinstance(choices, list) and choices:
            is_enum = choices is schema.get("enum")
            return choices[0] if is_enum else instance(choices[0], root, depth + 1)
    return _typed(schema, root, depth)


def _typed(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> object:
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return {}
        return {name: instance(part, root, depth + 1) for name, part in properties.items()}
    if kind == "array":
        least = schema.get("minItems", 0)
        times = min(least, 16) if isinstance(least, int) else 0
        return [instance(schema.get("items"), root, depth + 1) for _ in range(times)]
    return _EMPTY.get(kind) if isinstance(kind, str) else None


def _resolve(reference: str, root: Mapping[str, object]) -> object:
    found: object = root
    for step in reference.removeprefix("#").split("/"):
        if step:
            found = found.get(step) if isinstance(found, Mapping) else None
    return found
