"""A proxy that kills who writes through it after its k-th write.

Guarantees exactness: writes go to the API server one by one; when the k-th is done there, the
writer dies before it hears of it, and nothing of that life goes on to the API server any more.
The Lease's writes do not count: they are by the clock.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.faults.proxy import FaultProxy, Upstream

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class KillingProxy(FaultProxy):
    """`kill` has to end the writer before it returns."""

    def __init__(
        self,
        upstream: Upstream,
        kill: Callable[[], None],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(upstream, host=host, tls=tls)
        self._kill = kill
        self._one_by_one = asyncio.Lock()
        self._at: int | None = None
        self._writes: list[str] = []

    def arm(self, at: int | None) -> None:
        """Count from now on; None: and kill nobody."""

        def begin() -> None:
            self._at, self._writes = at, []

        self._in_loop(begin)

    def writes(self) -> list[str]:
        """What was written since, as `PATCH modelbackends/a/status`."""
        return self._in_loop(lambda: list(self._writes))

    @asynccontextmanager
    async def passage(self, life: int, method: str, target: str, /) -> AsyncIterator[None]:
        """One write at a time, of the present life only."""
        if not _counts(method, target):
            yield
            return
        async with self._one_by_one:
            if life != self.life:
                raise ConnectionAbortedError("its client is dead")
            yield

    def answered(self, life: int, method: str, target: str, status: int, /) -> None:
        """What was refused is no write."""
        if status >= 300 or not _counts(method, target) or life != self.life:
            return
        self._writes.append(_told(method, target))
        if self._at is not None and len(self._writes) == self._at:
            self.life += 1
            self._kill()


def _counts(method: str, target: str) -> bool:
    return method in WRITES and "/leases" not in target


def _told(method: str, target: str) -> str:
    path = target.partition("?")[0]
    return f"{method} {path.rpartition('/namespaces/')[2].partition('/')[2]}"
