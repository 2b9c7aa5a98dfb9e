"""What a model server prints: a bounded file for people, and its last words for a condition.

Read from a pipe a hundred times a second and 64 KiB at a time, so that a server that floods its
output is slowed down (as by a container runtime) and neither the disk nor the router is.
"""

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Of the file and of the one before it, `<name>.1`."""
TAIL_BYTES: Final = 8 * 1024
CHUNK_BYTES: Final = 64 * 1024
PAUSE_S: Final = 0.01
LAST_LINES: Final = 3
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Output:
    """The output of one key's processes, one after the other; the tail is the present one's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail = bytearray()

    def begin(self) -> None:
        """A new process starts: what the last one said is no word of its own."""
        self._tail.clear()

    def write(self, data: bytes) -> None:
        """Keep it; the file is turned over before it grows beyond its bound."""
        self._tail += data
        del self._tail[:-TAIL_BYTES]
        # A full disk costs lines: a server that nobody reads would stand still.
        with contextlib.suppress(OSError):
            if self.path.exists() and self.path.stat().st_size + len(data) > MAX_FILE_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            with self.path.open("ab") as file:
                file.write(data)

    def last_words(self) -> str:
        """The last lines as one printable line; empty when nothing was said."""
        text = _ESCAPES.sub("", self._tail.decode(errors="replace"))
        lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines()]
        return " | ".join([line[:300] for line in lines if line][-LAST_LINES:])

    async def follow(self, readable: int) -> None:
        """Everything from a pipe's end until nobody can write to it; closes it."""
        pipe = os.fdopen(readable, "rb", buffering=0)
        stream = asyncio.StreamReader(limit=CHUNK_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        try:
            while data := await stream.read(CHUNK_BYTES):
                self.write(data)
                await asyncio.sleep(PAUSE_S)
        finally:
            transport.close()
