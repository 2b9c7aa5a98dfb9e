"""
The file of a suite's results: one JSON object a line, written and synced call by call.

Its first line says of which suite it is; a file of another one is refused. A line that was cut by
a crash is taken away; any other damage is refused with its line. One process at a time.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from pointsman.evaluation.suite.calls import Call

FORMAT: Final = 1
MAX_LINE: Final = 32 * 1024 * 1024


class Head(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="suite"):
    """The first line; `file` names these results wherever else they are kept."""

    format: int
    suite: str
    content: str
    file: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="target"):
    """Who stands behind a target's name."""

    target: str
    url: str
    model: str


class Result(msgspec.Struct, frozen=True, tag_field="type", tag="call"):
    """One call."""

    call: Call


_BEGIN: Final = b'{"type":"suite",'
"""Of a file of ours: nobody else's is written into."""

_Line = Head | Asked | Result
_decoder: Final = msgspec.json.Decoder(_Line)


def _private(path: str, flags: int) -> int:
    """Answers are nobody else's to read."""
    return os.open(path, flags, 0o600)


class BadResults(Exception):
    """The file cannot be gone on with; the text says why and what to do."""


class ResultFile:
    """An open file: what it held (`calls`), and a place for more; `head` is the first start's."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream
        self.head: Head | None = None
        self.targets: dict[str, Asked] = {}
        self.calls: list[Call] = []

    @classmethod
    def open(cls, path: Path, head: Head) -> Self:
        """Begin a file or go on with one. Raises BadResults, or OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(path, "a+b", opener=_private)  # noqa: SIM115 - close() is ours
        found = cls(path, stream)
        try:
            found._lock()
            found._read()
            found._begin(head)
        except BaseException:
            found.close()
            raise
        return found

    def _lock(self) -> None:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadResults(f"{self._path} is being written by another process") from None

    def _read(self) -> None:
        self._stream.seek(0)
        whole, number = 0, 0
        while line := self._stream.readline(MAX_LINE):
            number += 1
            if not line.endswith(b"\n"):
                if number == 1 and line[: len(_BEGIN)] != _BEGIN[: len(line)]:
                    raise BadResults(f"{self._path} is no file of results")
                break  # cut by a crash: that call is not finished
            self._take(line, number)
            whole += len(line)
        self._stream.truncate(whole)

    def _take(self, line: bytes, number: int) -> None:
        try:
            found = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BadResults(f"{self._path}:{number}: no line of results") from None
        if isinstance(found, Head) != (number == 1):
            raise BadResults(f"{self._path}:{number}: not in its place in a file of results")
        if isinstance(found, Head):
            self.head = found
        elif isinstance(found, Asked):
            self.targets[found.target] = found
        else:
            self.calls.append(found.call)

    def _begin(self, head: Head) -> None:
        if self.head is None:
            self.head = head
            self._write(head)
        elif self.head.format != head.format:
            raise BadResults(f"{self._path} has format {self.head.format}, not {head.format}")
        elif (self.head.suite, self.head.content) != (head.suite, head.content):
            raise BadResults(
                f"{self._path} holds results of suite {self.head.suite} with content "
                f"{self.head.content}; this is {head.suite} with content {head.content}. Results "
                "of different contents cannot be mixed: give another file with --results"
            )

    def name_target(self, asked: Asked) -> None:
        """Note who a target is. Raises BadResults, also if the name was another's."""
        known = self.targets.get(asked.target)
        if known is not None and known != asked:
            raise BadResults(
                f"{self._path}: {asked.target} was model {known.model} at {known.url}, and is now "
                f"{asked.model} at {asked.url}: give another file with --results"
            )
        if known is None:
            self.targets[asked.target] = asked
            self._write(asked)

    def append(self, call: Call) -> None:
        """Keep one call; on the disk when this returns. Raises BadResults."""
        self.calls.append(call)
        self._write(Result(call))

    def _write(self, line: _Line) -> None:
        try:
            self._stream.write(msgspec.json.encode(line) + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise BadResults(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Let others have it."""
        with contextlib.suppress(OSError):  # it was told when it was written
            self._stream.close()
