"""A disk that is full, for this process alone."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file may become longer than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
