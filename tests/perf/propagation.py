"""How long a policy edit takes from the API server's answer to the last ack of 3 routers.

`python -m tests.perf.propagation [--edits 200] [--json PATH]` on the bench, all of it as pods.
The start is when the API server's answer to the edit is here; the end is when the operator got the
last router's ack, as its /debug/programmed tells (one machine, one clock). QUICK=1 does 30 edits.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config

from tests.bench import Bench
from tests.e2e.fleet import ROUTERS, Fleet, install

POLICY = "support-desk"
OPERATOR_PORT = 9902


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds over all edits."""

    edits: int
    routers: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


async def _programmed(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        value: dict[str, Any] = (await answer.json())[POLICY]
        return value


async def edit_once(
    api: Any, session: aiohttp.ClientSession, fleet: Fleet, url: str, number: int
) -> float:
    """One edit: seconds from the API server's answer to the last ack; raises TimeoutError."""
    patch = [
        {
            "op": "replace",
            "path": "/spec/default/timeouts",
            "value": {"request": f"{300 + number}s"},
        }
    ]
    edited = await api.patch_namespaced_custom_object(
        "pointsman.dev", "v1alpha1", fleet.namespace, "routingpolicies", POLICY, patch,
        _content_type="application/json-patch+json",
    )  # fmt: skip
    answered = time.time()
    generation = edited["metadata"]["generation"]
    async with asyncio.timeout(20):
        while True:
            state = await _programmed(session, url)
            if state["generation"] >= generation and len(state["acks"]) == ROUTERS:
                return float(max(state["acks"].values())) - answered
            await asyncio.sleep(0.01)


async def measure(bench: Bench, fleet: Fleet, edits: int) -> list[float]:
    """Seconds of each edit, one after the other."""
    configuration = kube.Configuration()
    await kube_config.load_kube_config(str(bench.kubeconfig), client_configuration=configuration)
    operator = fleet.pods("operator")[0]["status"]["podIP"]
    url = f"http://{operator}:{OPERATOR_PORT}/debug/programmed"
    async with kube.ApiClient(configuration) as connection, aiohttp.ClientSession() as session:
        api = kube.CustomObjectsApi(connection)
        fleet.kubectl(
            "patch", "rp", POLICY, "--type=merge",
            "-p", '{"spec": {"default": {"timeouts": {"request": "299s"}}}}',
        )  # fmt: skip
        for warm_up in range(3):
            await edit_once(api, session, fleet, url, 10_000 + warm_up)
        return [await edit_once(api, session, fleet, url, number) for number in range(edits)]


def summarize(seconds: list[float]) -> Figures:
    """Nearest-rank percentiles."""
    ordered = sorted(1000 * value for value in seconds)

    def rank(share: float) -> float:
        return round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 1)

    return Figures(len(ordered), ROUTERS, rank(0.5), rank(0.9), rank(0.99), round(ordered[-1], 1))


def main() -> int:
    """Start a bench, install the fleet, edit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=30 if os.environ.get("QUICK") else 200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with Bench() as bench:
        fleet = install(bench, "propagation")
        fleet.apply_example("02-support-desk")
        fleet.wait_ready("mb", "rp")
        figures = summarize(asyncio.run(measure(bench, fleet, options.edits)))
    print("edit -> last ack of the routers, milliseconds")
    for name, value in asdict(figures).items():
        print(f"  {name:<8} {value:>8}")
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
