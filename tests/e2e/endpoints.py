"""Where new connections to the routers' Service go, as kube-proxy would send them.

The bench has no kube-proxy: a resolver takes its place. Each new connection gets one of the
endpoints that are ready as of late; connections that are open stay where they are.
"""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from tests.e2e.fleet import RELEASE, Fleet

URL = "http://routers:8080/v1"
LATE_S = 1.0
"""Endpoints are looked at so seldom: kube-proxy's own default is to write at most once a second."""


class ReadyEndpoints(AbstractResolver):
    """Resolves every name to a ready router."""

    def __init__(self, fleet: Fleet) -> None:
        self.addresses: list[str] = []
        self.seen: set[str] = set()
        """All that were ever ready."""
        self._fleet = fleet
        self._dice = random.Random(5)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """One address, at random."""
        address = self._dice.choice(self.addresses)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""

    async def look(self) -> None:
        """Read the EndpointSlices once."""
        service = f"kubernetes.io/service-name={RELEASE}-router"
        said = await asyncio.to_thread(
            self._fleet.kubectl, "get", "endpointslices", "-l", service, "-o", "json"
        )
        self.addresses = sorted(ready(json.loads(said)["items"]))
        self.seen.update(self.addresses)


def ready(slices: list[dict[str, Any]]) -> set[str]:
    """Addresses of the endpoints that are ready."""
    return {
        address
        for item in slices
        for endpoint in item["endpoints"] or ()
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


@asynccontextmanager
async def ready_endpoints(fleet: Fleet) -> AsyncIterator[ReadyEndpoints]:
    """Kept up to date, a little late, for as long as the block lasts."""
    found = ReadyEndpoints(fleet)
    await found.look()

    async def follow() -> None:
        while True:
            await asyncio.sleep(LATE_S)
            await found.look()

    task = asyncio.create_task(follow())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.wait({task})
