"""A data plane with a fixed table in its own process: `python -m tests.perf.plane KIND PORT...`.

Prints its own port, serves the ports given as the endpoints of one backend until SIGTERM, and then
for `--drain` seconds at most what it has. With `--ledger URL` it records: prints the port of its
events' metrics, too, and at its end their counts.
"""

import argparse
import asyncio
import json
import signal
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import CollectorRegistry, start_http_server

from pointsman.analysis.predictor import encode, weights_of
from pointsman.analysis.predictor.weights import to_bytes
from pointsman.api.predicting import Chooser
from pointsman.api.redaction import Known
from pointsman.api.table import (
    Backend,
    Capture,
    Endpoint,
    Fallback,
    HeaderMatch,
    Match,
    PolicyBlob,
    Price,
    Route,
    ServiceAddress,
    Signals,
    Target,
)
from pointsman.events import ship
from pointsman.events.segments import Bounds
from pointsman.router.callers import OPEN
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.outbox import Outbox
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.routing import compile_policy, compile_table


def table(kind: str, ports: list[int]) -> Live:
    """
    Two backends, a fallback chain, a rule on a header.

    Of kind `tasks` two on the text; of kind `spill` the chain answers when the first is full; of
    kind `texts` all texts are kept, redacted; of kind `signals` retries are looked for; of kind
    `predictor` one chooses between the two.
    """
    address = ServiceAddress(namespace="perf", service="m", port=8000)
    backends = {
        name: Backend(
            name=name,
            model="m",
            address=address,
            context_window=1_000_000,
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
    capture = Capture(mode="Full", keep_s=3600, built_in=tuple(Known), patterns=(r"ACME-[0-9]+",))
    blob = PolicyBlob(
        namespace="perf",
        name="perf",
        revision="r1",
        model_names=("auto", "m"),
        routes=routes,
        backends=backends,
        capture=capture if kind == "texts" else None,
        signals=Signals(retry_window_s=300.0, abandoned=True) if kind == "signals" else None,
        predictor=_predictor() if kind == "predictor" else None,
    )
    endpoints = tuple(Endpoint(host="127.0.0.1", port=port) for port in ports)
    return Live(
        callers=OPEN,
        table=compile_table([compile_policy(blob, "perf")]),
        ready=True,
        endpoints={address.key: endpoints},
    )


def _predictor() -> Chooser:
    """20,000 weights, of which some are of the prompts that are asked."""
    models = {"small": ("Qwen", "qwen3-235b"), "large": ("DeepSeek", "deepseek-v3.1")}
    asked = ["tell", "me", "about", "a", "thing", "now", "tell me", "me about", "about a"]
    grams = [*asked, *(f"word{number}" for number in range(10_000 - len(asked)))]
    codes = [
        code for n in range(len(grams)) for code in (9 + n % 9, 37 * n % 200 - 100, n % 200 - 100)
    ]
    weights = msgspec.structs.replace(
        weights_of(models), grams="\n".join(grams), codes=to_bytes(codes), scales=(0.1, 1e-4, 1e-4)
    )
    return Chooser(
        mode="Apply", candidates=("small", "large"), routes=("default",), prefer="Quality",
        switch_margin=0.05, weights=msgspec.Raw(encode(weights)),
    )  # fmt: skip


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--listen", type=int, default=0, help="port; 0 takes a free one")
    parser.add_argument("--drain", type=float, default=1.0)
    parser.add_argument("--ledger", type=lambda url: ship.Target(url=url))
    parser.add_argument("--events-dir", type=Path)
    parser.add_argument("--events-max-mib", type=int, default=256)
    chosen = parser.parse_args()
    plane = DataPlane(table(chosen.kind, chosen.ports), Limits(), Metrics())
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    ports = [await plane.start("127.0.0.1", chosen.listen)]
    outbox = None
    if chosen.ledger is not None:
        registry = CollectorRegistry()
        bounds = Bounds(disk_bytes=chosen.events_max_mib * 1024 * 1024)
        outbox = Outbox(
            registry,
            later=loop.call_later,
            folder=chosen.events_dir,
            bounds=bounds,
            ledger=chosen.ledger,
        )
        plane.record, plane.ledger = outbox.record, outbox
        server, _ = start_http_server(0, "127.0.0.1", registry)
        ports.append(server.server_port)
    print(*ports, flush=True)
    await stop.wait()
    await plane.drain(chosen.drain)
    if outbox is not None:
        await asyncio.to_thread(outbox.close, 5.0)
        spool = outbox.spool
        print(json.dumps({"recorded": spool.recorded, "dropped": spool.dropped}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
