"""Files of users, written whole: whoever reads one has all of the old bytes or all of the new.

Guarantees that a full disk leaves what was there, and that mode, owner and a symbolic link stay.
What is no regular file, such as a pipe, is written as it is.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """On disk once it returns. Raises OSError with the path."""
    with _named(path):
        target = Path(os.path.realpath(path))
        there = target.stat() if target.exists() else None
        if there is not None and not stat.S_ISREG(there.st_mode):
            target.write_bytes(data)
            return
        if there is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        beside = target.with_name(f".{secrets.token_hex(8)}.new")
        try:
            _write(beside, data, there)
            beside.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        _sync_folder(target.parent)


def _write(path: Path, data: bytes, like: os.stat_result | None) -> None:
    mode = stat.S_IMODE(like.st_mode) if like is not None else 0o666
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        if like is not None:
            with contextlib.suppress(PermissionError):  # another's file: only root gives away
                os.fchown(handle, like.st_uid, like.st_gid)
            os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    """The name, too, outlives a power failure, where the file system can promise it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """A failing write names no file, and one beside it is nobody's business."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
