"""JSON schemas of checks: each is one text, strictly JSON."""

import functools
from typing import Any

from pointsman.api.json_schema import BadSchema, JsonSchema
from pointsman.evaluation.suite.strict_json import BadJson, loads


@functools.lru_cache(maxsize=32)
def validator(schema: str) -> JsonSchema:
    """Of draft 2020-12. Raises BadSchema."""
    try:
        return JsonSchema(loads(schema))
    except BadJson as error:
        raise BadSchema(f"no JSON: {error}") from None


def first_problem(schema: str, value: Any) -> str | None:
    """
    What is wrong with a value; None if the schema takes it.

    Raises BadSchema, and TooManyLooks where it would take too long to find out.
    """
    return validator(schema).problem(value) or None
