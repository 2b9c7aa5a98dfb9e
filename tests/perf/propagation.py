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
from tests.e2e.traffic import traffic, until

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
            acks = [at for at in state["routers"].values() if at is not None]
            if state["generation"] >= generation and len(acks) == ROUTERS:
                return float(max(acks)) - answered
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Measured:
    """Seconds of each edit, quiet and under load, and what the load's clients saw."""

    quiet_s: list[float]
    loaded_s: list[float]
    requests: int
    failures: list[str]


async def measure(bench: Bench, fleet: Fleet, edits: int) -> Measured:
    """Edits one after the other: first alone, then 20 more under the load of 50 clients."""
    configuration = kube.Configuration()
    await kube_config.load_kube_config(str(bench.kubeconfig), client_configuration=configuration)
    operator = fleet.pods("operator")[0]["status"]["podIP"]
    url = f"http://{operator}:{OPERATOR_PORT}/debug/programmed"
    fleet.kubectl(
        "patch", "rp", POLICY, "--type=merge",
        "-p", '{"spec": {"default": {"timeouts": {"request": "299s"}}}}',
    )  # fmt: skip
    async with kube.ApiClient(configuration) as connection, aiohttp.ClientSession() as session:
        api = kube.CustomObjectsApi(connection)
        for warm_up in range(3):
            await edit_once(api, session, fleet, url, 10_000 + warm_up)
        quiet = [await edit_once(api, session, fleet, url, number) for number in range(edits)]
        async with traffic(fleet.routers(), clients=50, pause_s=0.3) as seen:
            await until(seen, 100)
            loaded = [await edit_once(api, session, fleet, url, 5_000 + n) for n in range(20)]
            await until(seen, 100)
    return Measured(quiet, loaded, seen.total, seen.failures)


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
        measured = asyncio.run(measure(bench, fleet, options.edits))
    report = {
        "quiet": asdict(summarize(measured.quiet_s)),
        "under 50 clients": asdict(summarize(measured.loaded_s)),
        "requests meanwhile": measured.requests,
        "failed requests": len(measured.failures),
    }
    print("edit -> last ack of the routers, milliseconds")
    for name in ("quiet", "under 50 clients"):
        print(f"  {name:<18}" + "".join(f"{k} {v:<8}" for k, v in report[name].items()))  # type: ignore[attr-defined]
    print(f"  {measured.requests} requests meanwhile, {len(measured.failures)} failed")
    for failure in measured.failures[:5]:
        print(f"    {failure}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if measured.failures else 0


if __name__ == "__main__":
    sys.exit(main())
