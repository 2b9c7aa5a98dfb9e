"""What files and standard input hold as text: UTF-8, and no more than a manifest can be."""

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO, Final

MAX_BYTES: Final = 8 * 1024 * 1024
STDIN: Final = "<stdin>"
"""What standard input is called where it is told of."""


class Unreadable(Exception):
    """Why it is no text; `line` is 0 where it is about all of it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def text_of(where: str | Path) -> str:
    """Of a file, of standard input for `-`. Raises Unreadable."""
    try:
        if str(where) == "-":
            return _text(standard_input())
        with Path(where).open("rb") as stream:
            return _text(stream)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None


def standard_input() -> BinaryIO:
    """Its bytes. Raises OSError if it was closed before we began."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDIN)
    return sys.stdin.buffer


def _text(stream: BinaryIO) -> str:
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
