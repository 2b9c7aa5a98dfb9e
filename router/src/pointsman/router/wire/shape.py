"""PURE: how deep and of how many parts a JSON body is, before anything decodes it.

Guarantees one bound on every interpreter, so that whatever is done for each part of a body later
is bounded as well; no recursion; and work linear in the bytes, whatever its texts hold, nearly all
of it in the interpreter's own loops.
"""

from itertools import accumulate
from typing import Final

from pointsman.router.errors import BadRequest

MOST_LEVELS: Final = 128
"""Of one member's value: serde_json's default limit, so what servers in Rust read at most."""
MOST_LEVELS_OF_BODY: Final = 512
"""Of what the router hands on unread: Python's json gives up at about 1,000, Go's at 10,000."""
MOST_CONTAINERS: Final = 100_000
"""Arrays and objects of a body. Conversations have one for each message, or for each of its parts;
OpenAI takes at most 2,048 embeddings in one request. A million cost a second and more."""
MOST_TEXTS: Final = 250_000
"""Texts of a body, the names in objects among them."""
FEW_CONTAINERS: Final = MOST_LEVELS_OF_BODY
MANY_BYTES: Final = 2 * MOST_TEXTS
"""A body of so few brackets, and of no more bytes, needs no check."""
_OTHERS: Final = bytes({*range(256)} - {*b'{}[]"'})
_ONE_KIND: Final = bytes.maketrans(b"[]", b"{}")
_BLOCK: Final = 256


def check_depth(raw: bytes, field: str) -> None:
    """`raw` is JSON; BadRequest if it is nested deeper than MOST_LEVELS."""
    if raw.count(b"{") + raw.count(b"[") <= MOST_LEVELS:
        return
    if _is_deeper(_brackets(_marks(raw)), MOST_LEVELS):
        raise BadRequest(
            f"The field {field} is nested deeper than {MOST_LEVELS} levels.", param=field
        )


def check_shape(body: bytes) -> None:
    """BadRequest if `body`, JSON or not, has more of anything than it may have."""
    if body.count(b"{") + body.count(b"[") <= FEW_CONTAINERS and body.count(b'"') <= MANY_BYTES:
        return
    marks = _marks(body)
    if marks.count(b'"') > 2 * MOST_TEXTS:
        raise BadRequest(f"The body has more than {MOST_TEXTS} texts.")
    brackets = _brackets(marks)
    if brackets.count(b"{") > MOST_CONTAINERS:
        raise BadRequest(f"The body has more than {MOST_CONTAINERS} arrays and objects.")
    if _is_deeper(brackets, MOST_LEVELS_OF_BODY):
        raise BadRequest(f"The body is nested deeper than {MOST_LEVELS_OF_BODY} levels.")


def _is_deeper(brackets: bytes, most: int) -> bool:
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


def _marks(raw: bytes) -> bytes:
    """Its quotes and brackets, those in texts among them, but no quote that is part of a text."""
    # Backslashes stand in texts only, where they are read in pairs from the left.
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return raw.translate(_ONE_KIND, _OTHERS)


def _brackets(marks: bytes) -> bytes:
    """Those outside of texts, all of one kind."""
    # Two quotes with nothing between them end and begin a text, or the other way round.
    return b"".join(marks.replace(b'""', b"").split(b'"')[::2])
