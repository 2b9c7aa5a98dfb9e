"""A data plane with a fixed table in its own process: `python -m tests.perf.plane KIND PORT...`.

Prints its own port, serves the ports given as the endpoints of one backend until SIGTERM.
"""

import asyncio
import signal
import sys

import uvloop

from pointsman.api.table import (
    Backend,
    Endpoint,
    Fallback,
    HeaderMatch,
    Match,
    PolicyBlob,
    Price,
    Route,
    ServiceAddress,
    Target,
)
from pointsman.router.callers import OPEN
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.routing import compile_policy, compile_table


def table(kind: str, ports: list[int]) -> Live:
    """
    Two backends, a fallback chain, a rule on a header.

    Of kind `tasks` two on the text; of kind `spill` the chain answers when the first is full.
    """
    address = ServiceAddress(namespace="perf", service="m", port=8000)
    backends = {
        name: Backend(
            name=name,
            model="m",
            address=address,
            context_window=32_768,
            prices=(Price(input_pico=200_000, output_pico=800_000),),
            max_concurrent=64 if kind == "spill" else None,
        )
        for name in ("small", "large")
    }
    fallback = Fallback(chain=("large",))
    if kind == "spill":
        fallback = Fallback(chain=("large",), on=("Error", "Saturated"))
    routes: tuple[Route, ...] = (
        Route(
            name="gold",
            match=Match(headers=(HeaderMatch(name="x-tier", value="gold"),)),
            targets=(Target(backend="large"),),
        ),
    )
    texts = (
        Route(
            name="code",
            match=Match(tasks=("Coding", "Reasoning")),
            targets=(Target(backend="large"),),
        ),
        Route(
            name="long",
            match=Match(min_tokens=8000),
            targets=(Target(backend="large"),),
        ),
    )
    if kind == "tasks":
        routes += texts
    routes += (Route(name="default", targets=(Target(backend="small"),), fallback=fallback),)
    blob = PolicyBlob(
        namespace="perf",
        name="perf",
        revision="r1",
        model_names=("auto", "m"),
        routes=routes,
        backends=backends,
    )
    endpoints = tuple(Endpoint(host="127.0.0.1", port=port) for port in ports)
    return Live(
        callers=OPEN,
        table=compile_table([compile_policy(blob, "perf")]),
        ready=True,
        endpoints={address.key: endpoints},
    )


async def main() -> None:
    """Serve until SIGTERM."""
    plane = DataPlane(table(sys.argv[1], [int(port) for port in sys.argv[2:]]), Limits(), Metrics())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(await plane.start("127.0.0.1", 0), flush=True)
    await stop.wait()
    await plane.drain(1.0)


if __name__ == "__main__":
    uvloop.run(main())
