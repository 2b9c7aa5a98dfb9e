"""PURE: a whole answer that came in one read and is as plain as nearly all are, without a parser.

Guarantees that what it reads, ResponseReader would have read in the same way. Leaves to that one
all else: other statuses than 200, other media than JSON, other framing than one length, a header
twice, and every byte that is not as RFC 9112 spells it.
"""

import re
from collections.abc import Mapping
from typing import Final

from pointsman.router.wire.response import KEPT, NOTHING_TOLD, TOLD

_BEGINNING: Final = b"HTTP/1.1 200 "
_HEAD_END: Final = b"\r\n\r\n"
_PLAIN: Final = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})
"""What may stand between line ends."""
_TAKEN: Final = KEPT | TOLD | {b"content-length"}
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_OTHERS: Final = frozenset(
    {
        *(b"transfer-encoding", b"content-encoding", b"upgrade", b"trailer"),
        *(b"connection", b"proxy-connection"),  # llhttp obeys both
    }
)
"""Headers that say how to go on."""
_NAMES: Final[dict[bytes, bytes]] = {}
"""As spelled -> in lower case; empty for what is left to ResponseReader."""
_MOST_NAMES: Final = 512


_LINES: Final[dict[bytes, tuple[bytes, bytes]]] = {}
"""A line -> its name and value; the name is empty where it is not taken."""
_MOST_LINES: Final = 128
_STEADY: Final = frozenset({b"server", b"content-type", b"vary", b"via", b"x-powered-by"})
"""Headers of which a server says the same in each answer."""
_LINE_BYTES: Final = 128


class WholeAnswer:
    """Status 200 and JSON."""

    __slots__ = ("body", "headers", "told")

    def __init__(
        self,
        headers: dict[bytes, bytes],
        body: bytes,
        told: Mapping[bytes, bytes] = NOTHING_TOLD,
    ) -> None:
        self.headers = headers
        """Those of KEPT."""
        self.body = body
        self.told = told
        """Those of TOLD."""


def read_whole(data: bytes, max_head_bytes: int) -> WholeAnswer | None:
    """The answer that `data` is from its first byte to its last, if it is a plain one."""
    end = data.find(_HEAD_END)
    if not data.startswith(_BEGINNING) or end < 0 or end + 4 > max_head_bytes:
        return None
    head = data[:end]
    lines = head.split(b"\r\n")
    if len(head.translate(None, _PLAIN)) != 2 * len(lines) - 2:
        return None
    del lines[0]
    headers = _read(lines)
    if headers is None or headers.pop(b"content-length", b"") != b"%d" % (len(data) - end - 4):
        return None
    media = headers.get(b"content-type", b"")
    if media != b"application/json" and not _is_json(media):
        return None
    told = NOTHING_TOLD
    if not headers.keys() <= KEPT:
        told = {name: headers.pop(name) for name in [*headers] if name in TOLD}
    return WholeAnswer(headers, data[end + 4 :], told)


def _read(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """The headers of _TAKEN; None if one says how to go on, or stands twice, or is odd."""
    headers: dict[bytes, bytes] = {}
    for line in lines:
        known = _LINES.get(line)
        if known is None:
            known = _line(line)
            if known is None:
                return None
        name, value = known
        if name:
            if name in headers:
                return None
            headers[name] = value
    return headers


def _line(line: bytes) -> tuple[bytes, bytes] | None:
    """A header's name and value; the name is empty for one that is not taken."""
    spelled, colon, value = line.partition(b":")
    name = _NAMES.get(spelled)
    if name is None:
        name = _lower(spelled)
    if not (name and colon):
        return None
    found = (b"", b"")
    if name in _TAKEN:
        value = value.lstrip(b" \t")
        if not value or value.endswith((b" ", b"\t")):
            return None
        found = (name, value)
    if name in _STEADY and len(line) <= _LINE_BYTES:
        if len(_LINES) >= _MOST_LINES:  # some server's are not steady
            _LINES.clear()
        _LINES[line] = found
    return found


def _lower(spelled: bytes) -> bytes:
    name = spelled.lower()
    found = name if _NAME.fullmatch(name) and name not in _OTHERS else b""
    if len(spelled) <= _LINE_BYTES:
        if len(_NAMES) >= _MOST_NAMES:  # some server makes them up
            _NAMES.clear()
        _NAMES[spelled] = found
    return found


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower().endswith(b"json")
