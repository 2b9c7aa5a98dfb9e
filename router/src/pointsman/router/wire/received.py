"""What a client's bytes came to: requests, or the reason why no more are read."""

from dataclasses import dataclass

import msgspec

from pointsman.router.callers import Verdict
from pointsman.router.wire.headers import Headers


class Request(msgspec.Struct, frozen=True, gc=False):
    """One complete request; `target` is the path with its query."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    keep_alive: bool
    http11: bool
    head_bytes: int = 0
    verdict: Verdict | None = None
    """What `judge` said of its head."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, `name` in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The end of a connection: what is wrong with its bytes."""

    status: int
    message: str
