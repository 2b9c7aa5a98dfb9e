"""Rows about names and certificates: a fleet that finds the API server and a provider by name."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from tests.bench import Bench
from tests.bench.netns import HOST_IP
from tests.e2e.external import Provider, provider
from tests.e2e.traffic import Seen, traffic, until
from tests.faults.fleet import FaultyFleet, faulty_fleet
from tests.faults.table.load import comes, edits_come_into_force, load
from tests.faults.table.names import Mood, NameServer

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]
API: Final = "kubernetes.default"
PROVIDER: Final = "models.provider.test"
MOODS: Final[tuple[Mood, ...]] = ("NXDOMAIN", "SERVFAIL", "silent")


@pytest.fixture(scope="module")
def names(bench: Bench) -> Iterator[NameServer]:
    """The only one that pods know."""
    assert bench.api_url
    with NameServer({API: HOST_IP, PROVIDER: HOST_IP}) as running:
        yield running


@pytest.fixture(scope="module")
def world(bench: Bench, names: NameServer) -> Iterator[FaultyFleet]:
    """Its pods dial the API server's name."""
    with faulty_fleet(bench, "names", api_host=API) as running:
        assert names.asked
        yield running


async def asked_again(names: NameServer) -> None:
    """Operators and routers want to know the name: the fault has met them."""
    before = names.asked
    await comes(lambda: names.asked > before + 5, "questions")


async def test_the_api_servers_name_is_not_resolved(world: FaultyFleet, names: NameServer) -> None:
    """In each way in which a name server fails; every connection that there was is cut."""
    for mood in MOODS:
        async with load(world) as seen:
            names.mood = mood
            try:
                world.proxy.drop()
                await asked_again(names)
                await until(seen, 60)
            finally:
                names.mood = "well"
            outcome = await edits_come_into_force(world)
        print(f"{mood}: converged {outcome.converged_s:.1f} s after it; {seen.total} requests")


def outside(world: FaultyFleet, running: Provider, *, bundle: str = "") -> None:
    """The provider and a policy whose next choice is `a`; in force on all routers."""
    items = json.loads(running.manifests())["items"]
    for item in items:
        if item["kind"] == "ModelBackend" and bundle:
            item["spec"]["external"]["caBundle"] = bundle
        if item["kind"] == "RoutingPolicy":
            item["spec"]["default"]["fallback"] = {"chain": [{"name": "a"}]}
    listed: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": items}
    world.fleet.kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed)
    )
    world.fleet.kubectl(
        "wait", "--for=condition=Ready", "rp/outside", "mb/outside", "--timeout=90s"
    )


async def answered_by(seen: Seen, name: str) -> None:
    """This backend answers, and no other one."""

    def so() -> bool:
        return seen.answered[name] >= goal

    goal = seen.answered[name] + 20
    await comes(so, f"answers of {name}: {seen.answered}")


async def test_a_providers_name_is_not_resolved(
    world: FaultyFleet, names: NameServer, tmp_path: Path
) -> None:
    """Its old connections end with its restart; new ones need the name."""
    authority = trustme.CA()
    with ExitStack() as stack:
        running = stack.enter_context(provider(tmp_path, host=PROVIDER, authority=authority))
        await asyncio.to_thread(outside, world, running)
        async with traffic(world.urls, clients=6, pause_s=0.1, model="outside") as seen:
            await answered_by(seen, "outside")
            for mood in MOODS:
                names.mood = mood
                try:
                    await asyncio.to_thread(stack.close)
                    await asyncio.to_thread(
                        stack.enter_context,
                        provider(tmp_path, host=PROVIDER, authority=authority),
                    )
                    await answered_by(seen, "a")
                finally:
                    names.mood = "well"
                await answered_by(seen, "outside")

    assert seen.failures == []


async def test_a_providers_authority_is_rotated(
    world: FaultyFleet, names: NameServer, tmp_path: Path
) -> None:
    """caBundle has both, then the provider has the new certificate, then caBundle only that."""
    assert names.mood == "well"
    old, new = trustme.CA(), trustme.CA()
    both = (old.cert_pem.bytes() + new.cert_pem.bytes()).decode()
    with ExitStack() as stack:
        first = stack.enter_context(provider(tmp_path, host=PROVIDER, authority=old))
        await asyncio.to_thread(outside, world, first)
        async with traffic(world.urls, clients=6, pause_s=0.1, model="outside") as seen:
            await answered_by(seen, "outside")
            await asyncio.to_thread(outside, world, first, bundle=both)
            await asyncio.to_thread(stack.close)
            second = await asyncio.to_thread(
                stack.enter_context, provider(tmp_path, host=PROVIDER, authority=new)
            )
            await answered_by(seen, "outside")
            await asyncio.to_thread(outside, world, second)
            await answered_by(seen, "outside")

    assert seen.failures == []
