"""Where new connections to the routers' Service go, as kube-proxy would send them.

The bench has no kube-proxy: a resolver takes its place. Each new connection gets one of the
endpoints that were ready LATE_S ago; connections that are open stay where they are.
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
LATE_S = 2.0
"""An endpoint that is gone is used for so long: kube-proxy writes once a second at most, and a
router without a delay would have refused many by then."""


class ReadyEndpoints(AbstractResolver):
    """Resolves every name to a ready router."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.seen: set[str] = set()
        """All that were ever ready."""
        self._slices: dict[str, set[str]] = {}
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

    def hear(self, event: dict[str, Any]) -> None:
        """An event of the watch: what is new is used at once, what is gone is left late."""
        item = event["object"]
        self._slices[item["metadata"]["name"]] = (
            set() if event["type"] == "DELETED" else ready(item)
        )
        now = set().union(*self._slices.values())
        self.seen |= now
        self.addresses = sorted(now | set(self.addresses))
        asyncio.get_running_loop().call_later(LATE_S, self._leave, now)

    def _leave(self, then: set[str]) -> None:
        self.addresses = sorted(then | (set().union(*self._slices.values())))


def ready(item: dict[str, Any]) -> set[str]:
    """Addresses of a slice's endpoints that are ready."""
    return {
        address
        for endpoint in item["endpoints"] or ()
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


@asynccontextmanager
async def ready_endpoints(fleet: Fleet) -> AsyncIterator[ReadyEndpoints]:
    """Watched for as long as the block lasts."""
    found = ReadyEndpoints()
    watch = await asyncio.create_subprocess_exec(
        *("kubectl", "-n", fleet.namespace, "get", "endpointslices", "-o", "json"),
        *("--watch", "--output-watch-events"),
        *("-l", f"kubernetes.io/service-name={RELEASE}-router"),
        stdout=asyncio.subprocess.PIPE,
        env=fleet.cluster.environment(),
    )
    assert watch.stdout is not None
    following = asyncio.create_task(follow(watch.stdout, found))
    try:
        async with asyncio.timeout(60):
            while not found.addresses:  # noqa: ASYNC110 - until the first event
                await asyncio.sleep(0.05)
        yield found
        assert not following.done(), "the watch ended"
    finally:
        following.cancel()
        await asyncio.wait({following})
        watch.kill()
        await watch.wait()


async def follow(stream: asyncio.StreamReader, found: ReadyEndpoints) -> None:
    """Hear every event that kubectl prints, one JSON object after the other."""
    decoder, text = json.JSONDecoder(), ""
    while chunk := await stream.read(65_536):
        text = (text + chunk.decode()).lstrip()
        while text:
            try:
                event, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                break  # not whole yet
            text = text[end:].lstrip()
            found.hear(event)
