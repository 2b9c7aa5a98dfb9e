"""What is full or cannot start goes to the next model, on a real control plane."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.bench import Bench
from tests.e2e.fleet import CALLER_KEY, ROUTERS, Fleet, install
from tests.operator.objects import backend, policy
from tests.operator.test_scaling_on_bench import apply

NAMESPACE = "spill-bench"
AT_ONCE = 2 * ROUTERS
pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]


def chain(first: str, when: str) -> dict[str, Any]:
    """A route whose fallback is `large`."""
    targets = [{"backendRef": {"name": first}}]
    return {"targets": targets, "fallback": {"when": [when], "chain": [{"name": "large"}]}}


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """Three routers; `small` takes two for each of them, no server of `broken` can start."""
    fleet = install(bench, NAMESPACE)
    slow = {"engine": "Simulator", "args": ["--ttft=700ms", f"--max-concurrency={AT_ONCE}"]}
    broken = {"engine": "Custom", "image": "vendor/none:1", "command": ["serve"]}
    apply(
        fleet,
        backend("small", deployment=slow, maxConcurrentRequests=AT_ONCE),
        backend("large"),
        backend("broken", deployment=broken),
        policy(default=chain("small", "Saturated")),
        policy("stuck", model_names=("stuck",), default=chain("broken", "Unschedulable")),
    )
    fleet.kubectl(
        "wait", "--for=condition=Ready", "rp/desk", "mb/small", "mb/large", "--timeout=120s"
    )
    yield fleet
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


async def ask(session: aiohttp.ClientSession, url: str, model: str) -> tuple[int, str, str]:
    """One request: status, who answered, and who was left for it."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    async with session.post(f"{url}/chat/completions", json=body) as answer:
        await answer.read()
        told = answer.headers
        names = ("x-pointsman-backend", "x-pointsman-fallback")
        return answer.status, *(told.get(name, "") for name in names)  # type: ignore[return-value]


def caller() -> aiohttp.ClientSession:
    """Asks with a key."""
    headers = {"authorization": f"Bearer {CALLER_KEY}"}
    return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60))


async def test_three_routers_share_what_a_backend_takes(fleet: Fleet) -> None:
    """Each knows how many they are: of six at each, two are for `small`; then all come back."""
    async with caller() as session:
        urls = fleet.routers() * 6
        told = await asyncio.gather(*(ask(session, url, "auto") for url in urls))
        assert Counter(told) == {
            (200, "small", ""): AT_ONCE,
            (200, "large", "small;reason=Saturated"): len(urls) - AT_ONCE,
        }
        for url in fleet.routers():
            assert await ask(session, url, "auto") == (200, "small", "")


async def test_a_backend_that_cannot_start_is_passed_over(fleet: Fleet) -> None:
    """As soon as the operator has seen why; it has no activation, so nobody waits for it."""
    began_s = time.monotonic()
    async with caller() as session:
        for url in fleet.routers():
            while (told := await ask(session, url, "stuck"))[0] == 503:
                assert time.monotonic() - began_s < 60, told
                await asyncio.sleep(0.2)
            assert told == (200, "large", "broken;reason=CannotStart")
