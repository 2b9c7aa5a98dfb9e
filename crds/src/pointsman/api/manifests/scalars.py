"""Plain YAML scalars as kubectl resolves them: YAML 1.1 as in go-yaml v2, then JSON.

Guarantees kubectl's values: `no` is false, `017` is 15, `1e3` is 1000, `2024-01-01` and `1:30` stay
strings. Facts from go.yaml.in/yaml/v2 v2.4.4 (resolve.go), checked against kubectl 1.37.
"""

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_FRACTION = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
"""What begins with a dot is read as Go reads it: an underscore stands between two digits."""
_LARGEST_EXACT = 1e21
"""From here on Go writes a float with an exponent, and it is no integer to the API server."""


def resolve(text: str) -> Scalar:
    """Value of an unquoted scalar; raises ValueError for what JSON cannot hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _NO_JSON.fullmatch(text):
        raise ValueError(f"{text} is not a JSON value")
    digits = text.replace("_", "")
    if not text[:1].isdigit() and text[:1] not in "+-.":
        return text
    if text[:1] != "." and _INTEGER.fullmatch(digits) and len(digits) <= 64:
        number = _integer(digits)
        if -(2**63) <= number < 2**64:
            return number
    if _FRACTION.fullmatch(text) if text[:1] == "." else _FLOAT.fullmatch(digits):
        return whole(float(digits))
    return text


def whole(number: float) -> int | float:
    """An integral float as the integer that it becomes in JSON."""
    if abs(number) == float("inf"):
        raise ValueError("the number is too large for JSON")
    return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number


def _integer(digits: str) -> int:
    sign = -1 if digits.startswith("-") else 1
    body = digits.lstrip("+-").lower()
    if body.startswith("0") and len(body) > 1 and body[1].isdigit():
        return sign * int(body, 8)
    return sign * int(body, 0)


def key_text(key: Scalar) -> str:
    """How a mapping's key reads in JSON; raises ValueError for null."""
    if key is None:
        raise ValueError("a key must not be null")
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
