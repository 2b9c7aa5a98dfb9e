"""PURE: how many answers one request asks for."""

import msgspec

from pointsman.router.wire.lengths import Choices
from pointsman.router.wire.unreadable import UNREADABLE


class _Asked(msgspec.Struct):
    n: Choices | None = None
    best_of: Choices | None = None
    prompt: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Asked).decode
_texts = msgspec.json.Decoder(list[str | list[int]]).decode


def choices(body: bytes) -> int:
    """Answers that are generated, at least 1: `n` or `best_of`, for each of several prompts."""
    try:
        found = _decode(body)
    except UNREADABLE:  # refused when it was read, where the operation knows `n`
        return 1
    return max(found.n or 1, found.best_of or 1) * _prompts(found.prompt)


def _prompts(raw: msgspec.Raw) -> int:
    try:
        return max(1, len(_texts(raw)))
    except UNREADABLE:  # one text, one list of tokens, or none
        return 1
