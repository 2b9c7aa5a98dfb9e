"""What is wrong with a value, in the API server's words.

`pointsman check` and `kubectl apply` say the same about the same mistake, so that one search finds
both; where it helps, ours goes on with what to write instead. Nothing here decides validity.
"""

import re
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from pointsman.api.quantity import DURATION_PATTERN
from pointsman.api.shape import fields_of, model_at
from pointsman.api.spelling import did_you_mean

_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "int_parsing": "integer",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "bool_type": "boolean",
}


def sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One pydantic error as the API server would put it."""
    code = detail["type"] in ("string_pattern_mismatch", "string_too_long")
    of_language = code and detail["loc"][-2:-1] == ("language",)
    return _said(detail, model) + (_language(detail["input"]) if of_language else "")


def _said(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "Required value"
    if kind == "extra_forbidden":
        return _unknown(detail["loc"], model)
    if kind in _TYPES:
        return _wrong_type(_TYPES[kind], detail["input"])
    if kind in ("enum", "literal_error"):
        return _unsupported(detail["input"], context["expected"])
    if kind == "string_pattern_mismatch":
        shown, pattern = _shown(detail["input"]), context["pattern"]
        seconds = pattern == DURATION_PATTERN and str(detail["input"]).isdecimal()
        hint = f" (did you mean {detail['input']}s?)" if seconds else ""
        return f"Invalid value: {shown}: should match '{pattern}'{hint}"
    return _out_of_bounds(kind, context, detail["input"]) or str(detail["msg"])


def type_name(value: object) -> str:
    """JSON's word for the type of a value."""
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if value is None:
        return "null"
    return names.get(type(value), "array" if isinstance(value, list) else "object")


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _unknown(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    name = str(location[-1])
    holder = model_at(model, location[:-1])
    hint = did_you_mean(name, list(fields_of(holder))) if holder else ""
    if name in ("true", "false"):
        hint = " (YAML reads a bare on, off, yes, no, y or n as a boolean; quote it)"
    return f'unknown field "{name}"{hint}'


def _language(value: str) -> str:
    """Codes with a region, or in capitals, are what other systems take."""
    found = re.fullmatch(r"([A-Za-z]{2,3})([-_]\w+)*", value)
    hint = f"; did you mean {found[1].lower()}?" if found else ""
    return f" (a language is its code in ISO 639-1, such as de or zh{hint})"


def _wrong_type(wanted: str, value: object) -> str:
    message = f'must be of type {wanted}: "{type_name(value)}"'
    if wanted == "string" and isinstance(value, bool):
        return f"{message} (YAML reads on, off, yes, no, y and n as booleans; quote it)"
    if wanted == "string" and isinstance(value, int | float):
        return f'{message} (quote it: "{value}")'
    if wanted == "array" and isinstance(value, str):
        return f"{message} (did you mean [{_shown(value)}]?)"
    return message


def _unsupported(value: object, expected: str) -> str:
    options = expected.replace(" or ", ", ").replace("'", '"')
    hint = did_you_mean(str(value), options.replace('"', "").split(", "))
    return f"Unsupported value: {_shown(value)}: supported values: {options}{hint}"


_BOUNDS = {
    "greater_than_equal": "Invalid value: {shown}: should be greater than or equal to {ge}",
    "less_than_equal": "Invalid value: {shown}: should be less than or equal to {le}",
    "string_too_long": "Too long: may not be more than {max_length} bytes",
    "string_too_short": "Invalid value: {shown}: should be at least {min_length} chars long",
    "too_long": "Too many: {size}: must have at most {max_length} items",
    "too_short": "Invalid value: {size}: should have at least {min_length} items",
}


def _out_of_bounds(kind: str, context: dict[str, Any], value: Any) -> str:
    size = len(value) if isinstance(value, str | list | dict) else 0
    return _BOUNDS.get(kind, "").format(shown=_shown(value), size=size, **context)
