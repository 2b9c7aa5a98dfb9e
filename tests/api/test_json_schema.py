"""A schema is judged in bounded time and memory, whatever it and the value hold."""

import json
from typing import Any

import pytest

from pointsman.api.json_schema import MAX_LOOKS, BadSchema, JsonSchema, TooManyLooks

Json = dict[str, Any]
DEEP = 40
"""2^40 looks take an hour."""


def twice(target: Json, count: int = DEEP) -> Json:
    """Each definition refers to the next one twice."""
    both: Json = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(count)}
    return {"$defs": {**both, f"d{count}": target}, "$ref": "#/$defs/d0"}


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"a": value}
    return value


TREE: Json = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/node",
}


def tree(depth: int) -> Json:
    children = [tree(depth - 1), tree(depth - 1)] if depth else []
    return {"name": "x", "children": children}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (twice({"type": "string"}), "x"),
        # Two looks at each level of the value, by the schema itself.
        ({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}, nested(1, DEEP)),
        ({"additionalProperties": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, nested(1, DEEP)),
        (
            {
                "$defs": {
                    str(i): {"$anchor": f"a{i}", "allOf": [{"$ref": f"#a{i + 1}"}] * 2}
                    for i in range(DEEP)
                }
                | {"end": {"$anchor": f"a{DEEP}"}},
                "$ref": "#a0",
            },
            1,
        ),
        (
            {
                "$defs": {
                    str(i): {"$id": f"x:/{i}", "allOf": [{"$ref": f"x:/{i + 1}"}] * 2}
                    for i in range(DEEP)
                }
                | {"end": {"$id": f"x:/{DEEP}"}},
                "$ref": "x:/0",
            },
            1,
        ),
        ({"$ref": "#"}, 1),
        # A long text that is read at each of a hundred thousand looks.
        (twice({"pattern": "a$"}, 16), "a" * 65536),
    ],
    ids=["references", "depth", "any name", "anchors", "identifiers", "itself", "a long text"],
)
def test_what_takes_too_long_is_not_judged(schema: Json, value: Any) -> None:
    """None of these comes to its end otherwise, or it takes seconds."""
    with pytest.raises(TooManyLooks):
        JsonSchema(schema).problem(value)


@pytest.mark.slow
def test_what_refers_to_itself_in_a_part_of_the_value_is_judged() -> None:
    """A tree of two thousand nodes; the one that is wrong is found."""
    schema, value = JsonSchema(TREE), tree(10)
    assert schema.problem(value) == ""
    value["children"][0]["children"][1]["name"] = 1

    assert schema.problem(value).startswith(".children[0].children[1].name: ")


@pytest.mark.slow
def test_usual_schemas_and_long_answers_are_judged() -> None:
    """Definitions that are used often, alternatives, a list of thousands."""
    kinds = [{"properties": {"kind": {"const": name}, "at": {"$ref": "#/$defs/place"}}}
             for name in "abcde"]  # fmt: skip
    schema = JsonSchema(
        {
            "$defs": {"place": {"type": "array", "items": {"type": "number"}, "maxItems": 2}},
            "type": "array",
            "items": {"anyOf": kinds},
        }
    )
    value = [{"kind": "abcde"[i % 5], "at": [i, i]} for i in range(2000)]

    assert schema.problem(value) == ""
    assert schema.problem([*value, {"kind": "x"}]).startswith("[2000]: ")


def test_patterns_take_little_memory_together() -> None:
    """One such pattern is taken; 500 of them would take half a gigabyte."""
    pattern = r"\pL{20}"
    assert JsonSchema({"pattern": pattern}).problem("a") != ""
    many = {f"{pattern}{i}": True for i in range(500)}
    for schema in (
        {"patternProperties": many},
        {"allOf": [{"pattern": one} for one in many]},
    ):
        with pytest.raises(BadSchema):
            JsonSchema(schema)


def test_usual_patterns_may_be_many() -> None:
    """Forty of dates, of codes, of words."""
    patterns = [r"^\d{4}-\d{2}-\d{2}$", r"^[A-Z]{3}-[0-9]+$", r"^\w+$", "^[a-z ]*$"] * 10
    JsonSchema({"allOf": [{"properties": {"x": {"pattern": one}}} for one in patterns]})


@pytest.mark.parametrize("schema", [1, "x", None, [], {"type": 1}, {"$ref": "https://x.test/y"}])
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    """And what leads out of it: nothing is fetched."""
    with pytest.raises(BadSchema):
        JsonSchema(schema)


def test_the_schema_of_schemas_may_be_referred_to() -> None:
    """jsonschema-rs knows it without fetching."""
    schema = JsonSchema({"$ref": "https://json-schema.org/draft/2020-12/schema"})

    assert schema.problem(TREE) == ""
    assert schema.problem({"type": 1}) != ""


@pytest.mark.slow
def test_what_is_counted_is_more_than_what_is_short() -> None:
    """The bound is no matter of a plain answer: each of its values is looked at a few times."""
    value = json.loads(json.dumps({str(i): i for i in range(MAX_LOOKS // 10)}))

    assert JsonSchema({"additionalProperties": {"type": "number"}}).problem(value) == ""
