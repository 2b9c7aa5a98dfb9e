"""How long a first request takes until the Deployment that had no replica is given one.

`python -m tests.perf.wake [--cycles 100] [--json PATH]` on the bench: three routers and the
operator as pods, a backend without replicas for each cycle. It begins when the request is sent and
ends when a watch of this process shows `spec.replicas`, so the watch's own way counts, too. What is
woken stays Pending: nothing but the wake is measured. QUICK=1 does 30 cycles.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config
from kubernetes.aio import watch as kube_watch

from pointsman.api import names
from tests.bench import Bench
from tests.e2e.fleet import CALLER_KEY, Fleet, install
from tests.e2e.traffic import traffic, until
from tests.operator.objects import backend, policy, route
from tests.perf.propagation import summarize

SCALING = {"minReplicas": 0, "maxReplicas": 2, "targetRequests": 4}
PENDING = {
    "engine": "Custom",
    "image": "x:1",
    "command": ["sleep", "inf"],
    "podTemplate": {"spec": {"schedulerName": "nobody"}},
}
CLIENTS = 8
"""Of the load beside: on another backend, which runs."""


@dataclass(slots=True)
class Raised:
    """Deployment -> monotonic time at which it was seen with a replica first."""

    at_s: dict[str, float] = field(default_factory=dict)
    seen: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, api: Any, namespace: str) -> None:
        """For ever; a watch that ends begins anew."""
        while True:
            async with kube_watch.Watch() as watch:
                stream = watch.stream(
                    api.list_namespaced_deployment, namespace, label_selector=names.LABEL_BACKEND
                )
                async for event in stream:
                    now_s, one = time.monotonic(), event["object"]
                    if one.spec.replicas:
                        async with self.seen:
                            self.at_s.setdefault(one.metadata.name, now_s)
                            self.seen.notify_all()

    async def wait(self, name: str) -> float:
        """When it was; raises TimeoutError after 20 s."""
        async with asyncio.timeout(20), self.seen:
            await self.seen.wait_for(lambda: name in self.at_s)
        return self.at_s[name]


def objects(cycles: int) -> str:
    """A backend and a policy for each cycle, and `warm`, which runs."""
    items = [backend("warm"), policy("warm", model_names=("warm",), default=route("warm"))]
    for number in range(cycles):
        name = f"cold{number:03}"
        items.append(backend(name, deployment=PENDING, scaling=SCALING, activation={}))
        items.append(policy(name, model_names=(name,), default=route(name)))
    for item in items:
        item["metadata"] = {"name": item["metadata"]["name"]}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


async def wake(session: aiohttp.ClientSession, url: str, name: str, raised: Raised) -> float:
    """One request for a backend without replicas: seconds until it is given one."""
    own = names.service_name(name)
    assert own not in raised.at_s, f"{own} has a replica before anybody asked"
    body = {"model": name, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    began_s = time.monotonic()
    asked = asyncio.create_task(session.post(f"{url}/chat/completions", json=body).__aenter__())
    try:
        return await raised.wait(own) - began_s
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def measure(bench: Bench, fleet: Fleet, cycles: int) -> tuple[list[float], list[float]]:
    """Seconds of each cycle: half of them alone, half beside a load on another backend."""
    configuration = kube.Configuration()
    await kube_config.load_kube_config(str(bench.kubeconfig), client_configuration=configuration)
    routers, raised = fleet.routers(), Raised()
    key = {"authorization": f"Bearer {CALLER_KEY}"}

    async def some(session: aiohttp.ClientSession, numbers: range) -> list[float]:
        found = []
        for number in numbers:
            await asyncio.sleep(
                random.uniform(0.05, 0.6)
            )  # at any moment of the operator's own 2 s
            url = routers[number % len(routers)]
            found.append(await wake(session, url, f"cold{number:03}", raised))
        return found

    async with (
        kube.ApiClient(configuration) as connection,
        aiohttp.ClientSession(headers=key) as session,
    ):
        api = kube.AppsV1Api(connection)
        following = asyncio.create_task(raised.follow(api, fleet.namespace))
        try:
            await raised.wait(names.service_name("warm"))
            alone = await some(session, range(cycles // 2))
            async with traffic(routers, clients=CLIENTS, pause_s=0.05, model="warm") as seen:
                await until(seen, 50)
                beside = await some(session, range(cycles // 2, cycles))
            assert not seen.failures, seen.failures[:3]
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    return alone, beside


def _named(seconds: list[float]) -> dict[str, float]:
    """Nearest-rank percentiles, by name."""
    found = asdict(summarize(seconds))
    return {"wakes": found.pop("edits"), **found}


def main() -> int:
    """Start a bench, install the fleet, wake, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=30 if os.environ.get("QUICK") else 100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not 2 <= options.cycles <= 200:
        parser.error("--cycles is 2 to 200")
    with Bench() as bench:
        fleet = install(bench, "wake")
        fleet.kubectl("apply", "--server-side", "-f", "-", stdin=objects(options.cycles))
        fleet.wait_ready("routingpolicies", "modelbackends", seconds=180)
        alone, beside = asyncio.run(measure(bench, fleet, options.cycles))
    figures = {
        "alone": _named(alone),
        f"beside {CLIENTS} clients": _named(beside),
        "all": _named(alone + beside),
    }
    busy = f"{os.cpu_count()} cores, load average of the last minute {os.getloadavg()[0]:.1f}"
    print(f"first request -> spec.replicas of its Deployment, milliseconds ({busy})")
    for name, one in figures.items():
        print(f"  {name:<18}" + "".join(f"{k} {v:<8}" for k, v in one.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
