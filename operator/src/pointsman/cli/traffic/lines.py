"""Lines of files of any size: plain or gzip, or of standard input.

Guarantees that no more than one line of MAX_LINE_BYTES is held, and that a line which is longer, or
a file that is damaged, is told with its place and stops nothing before it.
"""

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from pointsman.api.text import STDIN, standard_input

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Twice what the router takes of a request by default, for an export that has the answer too."""
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """`problem`: why there is no data."""

    number: int
    data: bytes
    problem: str = ""


class Lines:
    """Of one file, `-` for standard input; blank ones are left out."""

    def __init__(self, name: str) -> None:
        """Raises OSError."""
        self.name = STDIN if name == "-" else name
        self._raw: BinaryIO = standard_input() if name == "-" else Path(name).open("rb")  # noqa: SIM115 - closed by `close`
        self._owned = name != "-"
        stream = self._raw if isinstance(self._raw, io.BufferedReader) else None
        packed = (stream.peek(2) if stream else b"")[:2] == _GZIP
        self._stream: BinaryIO = gzip.GzipFile(fileobj=self._raw) if packed else self._raw  # type: ignore[assignment]

    @property
    def at_bytes(self) -> int:
        """How far the file is read; 0 where that cannot be told."""
        try:
            return self._raw.tell() if self._owned else 0
        except OSError:
            return 0

    def close(self) -> None:
        """Give the file back."""
        if self._owned:
            self._raw.close()

    def __iter__(self) -> Iterator[Line]:
        """Each line with its number, from 1 on."""
        number = 0
        while True:
            number += 1
            try:
                data = self._stream.readline(MAX_LINE_BYTES + 1)
                if len(data) > MAX_LINE_BYTES:
                    self._skip()
                    yield Line(number, b"", f"longer than {MAX_LINE_BYTES:,} bytes")
                    continue
            except (OSError, EOFError, zlib.error) as error:
                yield Line(number, b"", f"cannot be read on: {error}")
                return
            if not data:
                return
            if number == 1:
                data = data.removeprefix(_BOM)
            data = data.strip()
            if data:
                yield Line(number, data)

    def _skip(self) -> None:
        """To the end of the line, by the piece."""
        while True:
            piece = self._stream.readline(1 << 20)
            if not piece or piece.endswith(b"\n"):
                return


def line_of(name: str, number: int) -> Line | None:
    """One line of a file; None if it has none of that number. Raises OSError."""
    with contextlib.closing(Lines(name)) as lines:
        for line in lines:
            if line.number >= number:
                return line if line.number == number else None
    return None
