"""JSON schema of a pydantic model -> structural OpenAPI v3 schema, as the API server demands it.

Inlines every $ref, gives every node a type, and drops what Kubernetes has no word for (`title`,
`const`, `anyOf` with null, `additionalProperties: false`). Refuses unions and recursive models.
"""

from typing import Any, TypeAlias

from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]

_DROPPED = {"title", "$defs", "discriminator"}
_ORDER = ("description", "type", "format", "default", "enum", "required", "properties", "items")


def structural(model: type[BaseModel]) -> Schema:
    """Structural schema of a model; raises ValueError for what cannot be expressed."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}), ())


def _convert(node: Schema, defs: dict[str, Schema], inside: tuple[str, ...]) -> Schema:
    node = _without_null(node)
    reference = node.get("$ref")
    if reference is not None:
        name = reference.removeprefix("#/$defs/")
        if name in inside:
            raise ValueError(f"{name} contains itself; a structural schema cannot")
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return _convert(defs[name] | siblings, defs, (*inside, name))
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("additionalProperties") is False:
        del result["additionalProperties"]
    if "properties" in result:
        result["properties"] = {
            name: _convert(child, defs, inside) for name, child in result["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if key in result:
            result[key] = _convert(result[key], defs, inside)
            # `kubectl explain` would print it after the field's own, which says it all.
            result[key].pop("description", None)
    return _ordered(_typed(result))


def _without_null(node: Schema) -> Schema:
    """`X | None` is `X`: an absent field, never a null one."""
    options = node.get("anyOf")
    if options is None or node.get("x-kubernetes-int-or-string"):
        return node
    kept = [option for option in options if option.get("type") != "null"]
    if len(kept) != 1:
        raise ValueError(f"a union has no structural schema: {options}")
    only: Schema = kept[0]
    return only | {key: value for key, value in node.items() if key != "anyOf"}


def _typed(node: Schema) -> Schema:
    if node.get("x-kubernetes-int-or-string"):
        node.pop("type", None)
    elif "type" not in node:
        raise ValueError(f"a structural schema needs a type everywhere: {node}")
    return node


def _ordered(node: Schema) -> Schema:
    known = {key: node[key] for key in _ORDER if key in node}
    return known | dict(sorted((k, v) for k, v in node.items() if k not in known))
