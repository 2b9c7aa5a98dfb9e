"""The operator as KEDA sees it, with real routers and a real load."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench import Bench
from tests.e2e.fleet import RELEASE, Fleet, install
from tests.operator.objects import backend, policy
from tests.operator.process import OperatorProcess
from tests.operator.test_scaling_on_bench import apply, load

grpc = pytest.importorskip("grpc", reason="not run: the extra keda is not installed")

from pointsman.operator.keda import messages  # noqa: E402 - needs the extra

pytestmark = pytest.mark.bench
NAMESPACE = "keda-bench"
PORT = 19903


@pytest.fixture(scope="module")
def fleet(bench: Bench) -> Iterator[Fleet]:
    """A release whose operator is a child process."""
    fleet = install(bench, NAMESPACE)
    fleet.kubectl("scale", "deployment", f"{RELEASE}-operator", "--replicas=0")
    fleet.bench.wait_for(lambda: not fleet.pods("operator"), 30, "the pod's end")
    yield fleet
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def reference() -> Any:
    metadata = {"backend": "a", "targetRequests": "4"}
    return messages.ScaledObjectRef(name="a", namespace=NAMESPACE, scalerMetadata=metadata)


async def depth(channel: Any) -> int:
    """What GetMetrics says; -1 while it says nothing."""
    ask = channel.unary_unary(
        "/externalscaler.ExternalScaler/GetMetrics",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=messages.GetMetricsResponse.FromString,
    )
    try:
        answer = await ask(messages.GetMetricsRequest(scaledObjectRef=reference()), timeout=5)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return -1
    return int(answer.metricValues[0].metricValueFloat)


async def reaches(channel: Any, least: int, most: int) -> None:
    async with asyncio.timeout(60):
        while not least <= await depth(channel) <= most:  # noqa: ASYNC110 - it is asked, as by KEDA
            await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
async def test_keda_is_told_the_load_of_a_backend_in_mode_external(fleet: Fleet) -> None:
    """0, then what eight clients have in flight, then 0; the stream says when that began."""
    with OperatorProcess(fleet) as operator:
        operator.kill()
        operator.start(POINTSMAN_KEDA_PORT=str(PORT))
        apply(fleet, backend("a", replicas=1, scaling={"mode": "External"}), policy())
        await asyncio.to_thread(fleet.wait_ready, "modelbackends", "routingpolicies")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{PORT}") as channel:
            await reaches(channel, 0, 0)
            stream = channel.unary_stream(
                "/externalscaler.ExternalScaler/StreamIsActive",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=messages.IsActiveResponse.FromString,
            )(reference(), timeout=120)
            assert not (await stream.read()).result
            async with load(fleet, 8) as seen:
                assert (await stream.read()).result
                await reaches(channel, 6, 8)
            assert not (await stream.read()).result
            await reaches(channel, 0, 0)
            stream.cancel()
        assert seen.failures == []
