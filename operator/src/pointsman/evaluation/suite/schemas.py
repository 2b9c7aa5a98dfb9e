"""
JSON schemas of checks, by jsonschema-rs.

Patterns in them are searched in time that grows as the text does, and no reference leads out: a
schema is one text, and nothing is fetched.
"""

import functools
from typing import Any, Final

from pointsman.evaluation.suite.strict_json import BadJson, loads

_PATTERN_BYTES: Final = 1024 * 1024
"""Of one compiled pattern of a schema."""


class BadSchema(ValueError):
    """A text that is no JSON schema; it says why."""


def _refuse(uri: str) -> Any:
    raise BadSchema(f"a reference to {uri[:200]} leads out of the schema")


@functools.lru_cache(maxsize=256)
def validator(schema: str) -> Any:
    """A validator of draft 2020-12. Raises BadSchema."""
    import jsonschema_rs  # noqa: PLC0415 - most suites need none

    try:
        value = loads(schema)
        if not isinstance(value, dict | bool):
            raise BadSchema("a schema is an object")
        return jsonschema_rs.Draft202012Validator(
            value,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES),
            retriever=_refuse,
        )
    except BadJson as error:
        raise BadSchema(f"no JSON: {error}") from None
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema(_first_line(error)) from None
    except ValueError as error:
        raise BadSchema(_first_line(error)) from None


def first_problem(schema: str, value: Any) -> str | None:
    """What is wrong with a value; None if the schema takes it. Raises BadSchema."""
    error = next(iter(validator(schema).iter_errors(value)), None)
    if error is None:
        return None
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}"
                    for step in error.instance_path)  # fmt: skip
    return f"{place or 'the value'}: {_first_line(error)}"


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
