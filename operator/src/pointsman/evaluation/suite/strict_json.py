"""
JSON in texts that others wrote: no duplicate keys, no NaN, no bottomless nesting.

`json_answer` also takes what models put around it: space and one code block.
"""

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
"""A string, closed or not, or a bracket."""


class BadJson(ValueError):
    """The text says why, and holds little of it."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise BadJson(f"the key {twice[:40]!a} is there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is no JSON")


def _too_deep(text: str) -> bool:
    """Whether brackets outside of strings nest deeper than MAX_DEPTH."""
    depth = 0
    for match in _TOKEN.finditer(text):
        mark = match[0]
        depth += (mark in {"[", "{"}) - (mark in {"]", "}"})
        if depth > MAX_DEPTH:
            return True
    return False


def loads(text: str) -> Any:
    """The one value of a text. Raises BadJson."""
    if _too_deep(text):
        raise BadJson(f"nested deeper than {MAX_DEPTH}")
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits
        raise BadJson(str(error)[:200]) from None


def loads_object(text: str) -> dict[str, Any]:
    """The same, of an object."""
    value = loads(text)
    if not isinstance(value, dict):
        raise BadJson("it is no object")
    return value


def _blocks(text: str) -> list[str]:
    """What stands between lines of three backticks; a block that is not closed is none."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in text.split("\n"):
        bare = line.strip()
        if inside is None:
            if bare.startswith("```") and "`" not in bare[3:]:
                inside = []
        elif bare == "```":
            found.append("\n".join(inside))
            inside = None
        else:
            inside.append(line)
    return found


def json_answer(text: str) -> Any:
    """The value that an answer is, or that its only code block holds. Raises BadJson."""
    whole = text.strip().removeprefix("\ufeff")
    blocks = _blocks(whole)
    return loads(blocks[0] if len(blocks) == 1 else whole)
