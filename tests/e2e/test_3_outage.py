"""Traffic outlives the control plane: API server, etcd and operator gone, a router restarted."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.bench import Bench, Refused
from tests.e2e.external import PROVIDER_KEY, Provider, provider
from tests.e2e.fleet import CALLER_KEY, Fleet
from tests.e2e.traffic import traffic, until
from tests.ledger.test_planted import spellings

pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("own_bench"),  # the provider is in the bench's network
]


@pytest.fixture
def outside(fleet: Fleet, tmp_path: Path) -> Iterator[Provider]:
    """An external provider in force on all routers."""
    with provider(tmp_path) as running:
        fleet.kubectl("apply", "-f", "-", stdin=running.manifests())
        fleet.wait_ready("rp")
        wait_answers(fleet, fleet.routers(), "outside")
        yield running
        fleet.kubectl("delete", "rp/outside", "mb/outside", "secret/provider")


def wait_answers(fleet: Fleet, urls: list[str], model: str) -> None:
    """Every router answers for a model."""

    def answer() -> bool:
        for url in urls:
            with fleet.client(url) as sdk:
                try:
                    sdk.chat.completions.create(
                        model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=2
                    )
                except (openai.APIStatusError, openai.APIConnectionError):
                    return False
        return True

    fleet.cluster.wait_for(answer, 60, f"{model} on {urls}")


def test_the_provider_sees_its_own_key_and_never_the_callers(
    fleet: Fleet, outside: Provider
) -> None:
    """Headers leave by allow-list; the key comes from the Secret, by verified TLS."""
    with fleet.client(fleet.routers()[0]) as sdk:
        sdk.chat.completions.create(
            model="outside",
            messages=[{"role": "user", "content": "hello"}],
            extra_headers={"cookie": "session=caller", "x-pointsman-debug": "true"},
        )
    headers = {
        str(name).lower(): str(value)
        for request in outside.seen()
        for name, value in dict(request["headers"]).items()
    }

    assert headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert "cookie" not in headers
    own = [name for name in headers if name.startswith("x-pointsman-")]
    assert own == ["x-pointsman-hops"]  # a router that is a provider must know a loop
    assert CALLER_KEY not in str(outside.seen())


def test_no_key_is_in_anything_that_the_fleet_says(fleet: Fleet, outside: Provider) -> None:
    """Logs, status, ConfigMaps and revisions are searched for the key and its base64."""
    assert outside.process.poll() is None
    said = [
        fleet.cluster.log(fleet.namespace, pod["metadata"]["name"])
        for component in ("operator", "router")
        for pod in fleet.pods(component)
    ]
    said.append(fleet.kubectl("get", "mb,rp,configmaps,controllerrevisions,events", "-o", "yaml"))

    for key in (PROVIDER_KEY, CALLER_KEY):
        assert [one for one in spellings(key) for text in said if one.decode() in text] == []


async def test_routers_outlive_the_control_plane_and_their_own_restart(
    fleet: Fleet, outside: Provider, own_bench: Bench
) -> None:
    """Zero lost requests; the restarted router serves from disk, also with the provider's key."""
    urls = fleet.routers()
    routers = [pod["metadata"]["name"] for pod in fleet.pods("router")]
    operators = [pod["metadata"]["name"] for pod in fleet.pods("operator")]
    bench = own_bench
    async with traffic(urls[:2]) as seen:
        await until(seen, 40)
        await asyncio.to_thread(bench.stop_api, etcd=True)
        for pod in operators:
            with contextlib.suppress(Refused):  # it may be down already
                bench.kill(fleet.namespace, pod)
        await until(seen, 60)
        bench.kill(fleet.namespace, routers[2])
        await asyncio.to_thread(wait_answers, fleet, urls[2:], "auto")
        await asyncio.to_thread(wait_answers, fleet, urls[2:], "outside")
        await until(seen, 60)
        await asyncio.to_thread(bench.start_api)
        # An edit that nobody watches yet: operator and routers are still reconnecting.
        patch = '{"spec": {"modelNames": ["auto", "missed"]}}'
        await asyncio.to_thread(
            fleet.kubectl, "patch", "rp", "support-desk", "--type=merge", "-p", patch
        )
        await asyncio.to_thread(wait_answers, fleet, urls, "missed")
        await until(seen, 60)

    assert seen.failures == []
    assert outside.process.poll() is None
    back = '{"spec": {"modelNames": ["auto"]}}'
    fleet.kubectl("patch", "rp", "support-desk", "--type=merge", "-p", back)
