"""What nests deep: readers of JSON take a thousand levels, some writers ten thousand.

Guarantees time that grows as the text does, and no recursion beyond DEEPEST.
"""

import re
from typing import Any, Final

import msgspec

DEEPEST: Final = 100
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{\]}]', re.DOTALL)


def flat(text: bytes) -> bytes:
    """JSON with null for what is deeper; in time that grows as the text does, without recursion."""
    parts, depth, kept = list[bytes](), 0, 0
    for match in _TOKEN.finditer(text):
        mark = match[0]
        if mark in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                parts += [text[kept : match.start()], b"null"]
        elif mark in b"]}":
            if depth == DEEPEST + 1:
                kept = match.end()
            depth -= 1
    return b"".join([*parts, text[kept:]])


def object_of(text: bytes) -> dict[str, Any]:
    """A JSON object, however deep it nests. Raises msgspec's errors for what is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except RecursionError:
        return msgspec.json.decode(flat(text), type=dict[str, Any])


def cut(value: Any, levels: int = DEEPEST) -> Any:
    """The same of a value."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return None
    if isinstance(value, list):
        return [cut(one, levels - 1) for one in value]
    return {key: cut(one, levels - 1) for key, one in value.items()}
