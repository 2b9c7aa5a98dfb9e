"""One document on disk that survives crashes: two slots, checksums, atomic replacement.

Guarantees that after a crash at any point `load` gives the newest whole document. Refuses, with a
reason, files that are torn, truncated, changed, empty, of another document or identity, too large,
or (where `private`) readable by others.
"""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

_MAGIC = "pointsman-state/1"
MAX_BYTES = 256 * 1024 * 1024
"""Far over any table (100 policies of 1 MiB), far under what would take the router's memory."""


class UnusableError(ValueError):
    """A stored file cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The newest whole document, or None; `refused` says what was wrong with the others."""

    body: bytes | None = field(repr=False)
    refused: tuple[str, ...] = ()


def seal(identity: str, generation: int, body: bytes) -> bytes:
    """Header line with checksum, then the body."""
    head = f"{_MAGIC} {identity} {generation}"
    checksum = hashlib.sha256(head.encode() + b"\n" + body).hexdigest()
    return f"{head} {checksum}\n".encode() + body


def unseal(identity: str, data: bytes) -> tuple[int, bytes]:
    """Undo `seal`; UnusableError if it is not whole or not ours."""
    if not data:
        raise UnusableError("it is empty")
    line, line_end, body = data.partition(b"\n")
    if not line_end:
        raise UnusableError("its header has no end")
    parts = line.decode("utf-8", "replace").split(" ")
    if len(parts) != 4 or parts[0] != _MAGIC or not parts[2].isdecimal():
        raise UnusableError("it is no state file of this version")
    checksum = hashlib.sha256(line.rpartition(b" ")[0] + b"\n" + body).hexdigest()
    if checksum != parts[3]:
        raise UnusableError("its checksum does not match")
    if parts[1] != identity:
        raise UnusableError(f"it belongs to {parts[1]}")
    return int(parts[2]), body


class Slots:
    """`identity` has no spaces: what the document is and for whom."""

    def __init__(self, directory: Path, name: str, identity: str, *, private: bool = False) -> None:
        self._paths = (directory / f"{name}.0", directory / f"{name}.1")
        self._temporary = directory / f".{name}.{os.getpid()}.tmp"
        self._directory = directory
        self._identity = identity
        self._private = private
        self._generation = 0
        self._newest = 1

    def load(self) -> Loaded:
        """The newest whole document; never raises."""
        best: bytes | None = None
        refused: list[str] = []
        for number, path in enumerate(self._paths):
            try:
                generation, body = unseal(self._identity, self._read(path))
            except FileNotFoundError:
                continue
            except (OSError, UnusableError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                refused.append(f"{path.name}: {why}")
                continue
            if generation > self._generation or best is None:
                best, self._generation, self._newest = body, generation, number
        return Loaded(best, tuple(refused))

    def save(self, body: bytes) -> None:
        """Replace the older slot; on OSError the newest document is still there."""
        data = seal(self._identity, self._generation + 1, body)
        number = 1 - self._newest
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._temporary, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._temporary.replace(self._paths[number])
        except OSError:
            self._forget_temporary()
            raise
        self._generation += 1
        self._newest = number
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _forget_temporary(self) -> None:
        try:
            self._temporary.unlink(missing_ok=True)
        except OSError:
            return  # a read-only disk: there is nothing to remove either

    def _read(self, path: Path) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(path, flags), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise UnusableError("it is no regular file")
            if self._private and (facts.st_mode & 0o077 or facts.st_uid != os.geteuid()):
                raise UnusableError("others than the router may read it")
            if facts.st_size > MAX_BYTES:
                raise UnusableError(f"it has more than {MAX_BYTES:,} bytes")
            return file.read(MAX_BYTES)
