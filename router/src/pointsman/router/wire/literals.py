"""PURE: all that a JSON body says in words and numbers, decoded, as a model may get it.

Guarantees that nothing is left out for its place or because a name stands twice: tools, arguments
of calls, what nobody here knows. Escapes within a text, as arguments have them, are read as well.
Says None of what it cannot read: more than it is let, other bytes than UTF-8, files in URLs.
"""

import re
from typing import Final

import msgspec

from pointsman.router.wire.unreadable import UNREADABLE

MOST_BYTES: Final = 1_048_576
"""Of a body with its images."""
_LITERAL: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*', re.DOTALL)
_FRAME: Final = frozenset({'"type"', '"text"', '"role"', '"content"'})
"""Between the parts of a message, which a model reads as one text."""
_IMAGE: Final = re.compile(r'"data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]*"')
_FILE: Final = re.compile(r"\s*data:[^,\s]*;base64,", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SPACES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_text = msgspec.json.Decoder(str).decode


def literals(body: bytes, most_chars: int) -> list[str] | None:
    """
    In their order, without images and the names of a message's members; `body` is JSON.

    None if that is not all that is said, or they are more than `most_chars` and one for each.
    """
    if len(body) > MOST_BYTES:
        return None
    found: list[str] = []
    left = most_chars
    try:
        for match in _LITERAL.finditer(body.decode()):
            written = match[0]
            left -= 1
            if written in _FRAME or _IMAGE.fullmatch(written):
                continue
            texts = _read(written)
            left -= sum(map(len, texts))
            if left < 0 or any(map(_FILE.match, texts)):
                return None
            found += texts
    except UNREADABLE:
        return None
    return found


def _read(written: str) -> list[str]:
    if written[0] != '"':
        return [written]
    if "\\" not in written:
        return [written[1:-1]]
    text = _text(written)
    return [text, _ESCAPE.sub(_unescaped, text)] if "\\" in text else [text]


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _SPACES.get(escape[2], escape[2])
