"""PURE: how deep a JSON value is nested, so that what no model server reads is refused by name.

Guarantees one bound on every interpreter, no recursion, and work linear in the value, whatever its
texts hold: nearly all of it in the interpreter's own loops over bytes.
"""

from itertools import accumulate
from typing import Final

from pointsman.router.errors import BadRequest

MOST_LEVELS: Final = 128
"""Of one member's value: serde_json's default limit, so what servers in Rust read at most."""
MOST_LEVELS_OF_BODY: Final = 512
"""Of what the router hands on unread: Python's json gives up at about 1,000, Go's at 10,000."""
_OTHERS: Final = bytes({*range(256)} - {*b'{}[]"'})
_ONE_KIND: Final = bytes.maketrans(b"[]", b"{}")
_BLOCK: Final = 256


def check_depth(raw: bytes, field: str) -> None:
    """`raw` is JSON; BadRequest if it is nested deeper than MOST_LEVELS."""
    if _is_deeper(raw, MOST_LEVELS):
        raise BadRequest(
            f"The field {field} is nested deeper than {MOST_LEVELS} levels.", param=field
        )


def check_depth_of_body(body: bytes) -> None:
    """BadRequest if `body` is nested deeper than MOST_LEVELS_OF_BODY; before it is decoded."""
    if len(body) > 2 * MOST_LEVELS_OF_BODY and _is_deeper(body, MOST_LEVELS_OF_BODY):
        raise BadRequest(f"The body is nested deeper than {MOST_LEVELS_OF_BODY} levels.")


def _is_deeper(raw: bytes, most: int) -> bool:
    if raw.count(b"{") + raw.count(b"[") <= most:
        return False
    brackets = _outside_texts(raw)
    depth = 0
    for start in range(0, len(brackets), _BLOCK):
        block = brackets[start : start + _BLOCK]
        opened = block.count(b"{")
        if depth + opened > most:
            steps = [124 - one for one in block]  # "{" is 123, "}" is 125
            if max(accumulate(steps, initial=depth)) > most:
                return True
        depth += 2 * opened - len(block)
    return False


def _outside_texts(raw: bytes) -> bytes:
    """Its brackets, all of one kind, without those in texts."""
    # Backslashes stand in texts only, where they are read in pairs from the left.
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes with nothing between them end and begin a text, or the other way round.
    left = raw.translate(_ONE_KIND, _OTHERS).replace(b'""', b"")
    return b"".join(left.split(b'"')[::2])
