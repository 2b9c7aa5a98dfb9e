"""How long a table takes from the API server's answer to the last ack of three routers.

`python -m tests.router.control.measure_propagation [rounds]`: real API server, three router
processes with their own ServiceAccount, the operator's admin streams. Prints JSON.
"""

import asyncio
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import aiohttp

from pointsman.router.control.kube_config import from_kubeconfig
from tests.bench import Bench
from tests.router.control.objects import (
    NAMESPACE,
    Json,
    blob_object,
    entry,
    manifest,
    manifest_object,
    policy,
)
from tests.router.control.process import RouterProcess, router_process
from tests.router.control.rights import grant

_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
ROUTERS = 3


class _Writer:
    """Writes as the operator does: the blob, then the manifest."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def write(self, thing: Json) -> float:
        """When the API server had answered."""
        path = f"{self._url}{_MAPS}/{thing['metadata']['name']}"
        options = {"fieldManager": "measure", "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        async with self._session.patch(
            path, params=options, data=json.dumps(thing), headers=headers
        ) as answer:
            await answer.read()
            answer.raise_for_status()
        return time.perf_counter()


async def _rounds(bench: Bench, routers: list[RouterProcess], rounds: int) -> list[float]:
    server = from_kubeconfig(bench.kubeconfig)
    token = await asyncio.to_thread(
        bench.token, NAMESPACE, "pointsman-operator", "pointsman-router"
    )
    found: list[float] = []
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(ssl=server.tls or True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        writer = _Writer(session, server.url)
        streams = [await stack.enter_async_context(router.stream(token)) for router in routers]

        async def acked(number: int, wanted: str) -> float:
            await streams[number].until(lambda event: [a.revision for a in event.acks] == [wanted])
            return time.perf_counter()

        for serial in range(1, rounds + 1):
            revision = f"r{serial}"
            blob = policy(revision=revision)
            await writer.write(blob_object(blob))
            waiting = [asyncio.create_task(acked(n, revision)) for n in range(len(streams))]
            wanted = manifest(serial, entry(blob, revision=revision))
            answered = await writer.write(manifest_object(wanted))
            found.append(max(await asyncio.gather(*waiting)) - answered)
    return sorted(found)


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with Bench() as bench, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        kubeconfig = grant(bench)
        routers = [
            stack.enter_context(
                router_process(Path(folder) / str(number), f"--kubeconfig={kubeconfig}")
            )
            for number in range(ROUTERS)
        ]
        found = asyncio.run(_rounds(bench, routers, rounds))
    figures = {
        "routers": ROUTERS,
        "rounds": rounds,
        "p50Ms": round(found[rounds // 2] * 1000, 1),
        "p99Ms": round(found[min(rounds - 1, rounds * 99 // 100)] * 1000, 1),
        "maxMs": round(found[-1] * 1000, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
