"""Model servers that are already there, in every shape that a Service has; nothing is deployed."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Killer
from tests.e2e.fleet import Fleet
from tests.e2e.objects import apply, backend, policy, server, service
from tests.e2e.test_4_broken import answered_by, wait_condition
from tests.e2e.traffic import traffic, until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
WEB = {"name": "web", "port": 80, "targetPort": "api"}
OTHER = {"name": "other", "port": 9100, "targetPort": 9999}
"""A Service port of the number that the container listens on, and nobody behind it."""
SELECTOR = {"app": "legacy"}


@pytest.fixture(autouse=True)
def no_kill(killer: Killer) -> Iterator[None]:
    """These tests are about other things."""
    with killer.paused():
        yield


@pytest.fixture
def legacy(fleet: Fleet) -> Iterator[str]:
    """A server with other labels, a named port and another number than its Service's."""
    apply(fleet, server(fleet, "legacy", 9100), service("legacy", OTHER, WEB, selector=SELECTOR))
    target = backend("legacy", service={"name": "legacy", "port": 80})
    apply(fleet, target, policy("legacy", "legacy", "legacy", chain=("qwen-light",)))
    wait_condition(fleet, "rp", "legacy", "Ready", status="True")
    wait_condition(fleet, "mb", "legacy", "Ready", status="True")
    yield "legacy"
    fleet.kubectl("delete", "rp/legacy", "mb/legacy", "deployment/legacy", "service/legacy")


async def test_a_server_that_comes_and_goes_is_followed(fleet: Fleet, legacy: str) -> None:
    """To zero and back, its Service deleted and made anew: the fallback answers meanwhile."""
    assert await asyncio.to_thread(answered_by, fleet, legacy) == legacy
    async with traffic(fleet.routers(), model=legacy) as seen:
        await until(seen, 30)
        await asyncio.to_thread(come_and_go, fleet)
        await until(seen, 30)

    assert seen.failures == []
    assert {legacy, "qwen-light"} == set(seen.answered)
    assert answered_by(fleet, legacy) == legacy
    found = fleet.get("deployment", legacy)
    assert "ownerReferences" not in found["metadata"]
    assert found["metadata"]["labels"] == {"owner": "somebody"}


def come_and_go(fleet: Fleet) -> None:
    """Each step is waited for by the condition that it must show."""
    fleet.kubectl("scale", "deployment/legacy", "--replicas=0")
    said = wait_condition(fleet, "mb", "legacy", "Ready", status="False", reason="NoEndpoints")
    assert said == 'Service "legacy" has no ready endpoint on port 80'
    wait_condition(fleet, "rp", "legacy", "Ready", status="True")  # its references resolve
    fleet.kubectl("scale", "deployment/legacy", "--replicas=1")
    wait_condition(fleet, "mb", "legacy", "Ready", status="True", reason="EndpointsAvailable")
    fleet.kubectl("delete", "service", "legacy")
    wait_condition(fleet, "mb", "legacy", "Ready", status="False", reason="ServiceNotFound")
    apply(fleet, service("legacy", OTHER, selector=SELECTOR))
    said = wait_condition(fleet, "mb", "legacy", "Ready", status="False", reason="NoEndpoints")
    assert said == 'spec.service.port: Service "legacy" has no port 80'
    apply(fleet, service("legacy", OTHER, WEB, selector=SELECTOR))
    wait_condition(fleet, "mb", "legacy", "Ready", status="True", reason="EndpointsAvailable")


@pytest.fixture
def shapes(fleet: Fleet, legacy: str) -> Iterator[None]:
    """One server behind three Services more: headless, without a selector, ExternalName."""
    pod = fleet.kubectl(
        "get", "pods", "-l", "app=legacy", "-o", "jsonpath={.items[0].status.podIP}"
    )
    port = {"name": "api", "port": 7000, "targetPort": 9100}
    slice_of_hand = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "byhand-1", "labels": {"kubernetes.io/service-name": "byhand"}},
        "addressType": "IPv4",
        "ports": [{"name": "api", "port": 9100, "protocol": "TCP"}],
        "endpoints": [{"addresses": [pod], "conditions": {"ready": True}}],
    }
    names = ("headless", "byhand", "elsewhere")
    apply(
        fleet,
        service("headless", port, clusterIP="None", selector={"app": legacy}),
        service("byhand", port),
        slice_of_hand,
        service("elsewhere", port, type="ExternalName", externalName="llm.example.com"),
        *(backend(name, service={"name": name, "port": 7000}) for name in names),
        *(policy(name, name, name, chain=("qwen-light",)) for name in names),
    )
    yield
    gone = [f"{kind}/{name}" for kind in ("rp", "mb", "service") for name in names]
    fleet.kubectl("delete", *gone, "endpointslice/byhand-1")


@pytest.mark.usefixtures("shapes")
def test_every_shape_of_a_service_is_served_or_refused_aloud(fleet: Fleet) -> None:
    """Headless or without a selector they answer; an ExternalName says what is for that."""
    for name in ("headless", "byhand"):
        wait_condition(fleet, "mb", name, "Ready", status="True", reason="EndpointsAvailable")
        wait_condition(fleet, "rp", name, "Ready", status="True")
        assert answered_by(fleet, name) == name
    said = wait_condition(fleet, "mb", "elsewhere", "Ready", status="False", reason="NoEndpoints")
    assert "spec.external" in said
    assert fleet.condition("mb", "elsewhere", "Stalled")["status"] == "True"
    wait_condition(fleet, "rp", "elsewhere", "Ready", status="True")
    assert answered_by(fleet, "elsewhere") == "qwen-light"
