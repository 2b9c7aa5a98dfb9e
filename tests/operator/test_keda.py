"""KEDA's external scaler protocol, asked by a real gRPC client over loopback."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pointsman.operator.plan.keda import Trigger, Unanswered, queue_depth, trigger_of
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.settings import parse_settings
from tests.operator.objects import NAMESPACE, backend, backends

grpc = pytest.importorskip("grpc", reason="not run: the extra keda is not installed")

from pointsman.operator.errors import Broken  # noqa: E402 - what follows needs the extra
from pointsman.operator.keda import messages  # noqa: E402
from pointsman.operator.keda.serving import ExternalScaler  # noqa: E402

KNOWN = backends(
    backend("a", replicas=1, scaling={"mode": "External"}),
    backend("counted", scaling={"maxReplicas": 2, "targetRequests": 2}),
    backend("fixed", replicas=2),
    backend("wrong", replicas=-1),
)
GOOD = {"backend": "a", "targetRequests": "2.5", "scalerAddress": "pointsman-keda:9903"}


class World:
    """One router with a load, and the service."""

    def __init__(self) -> None:
        self.reports: list[RouterReport | None] = [RouterReport("r1", 0, 0)]
        self.known: Any = KNOWN
        self.service = ExternalScaler(NAMESPACE, lambda: self.known, self.loads)
        self.channel: Any = None

    def loads(self, backend: str) -> list[RouterReport | None]:
        assert backend == "a"
        return self.reports

    def say(self, held: int, in_flight: int) -> None:
        self.reports = [RouterReport("r1", held, in_flight), RouterReport("r2", 0, 1)]
        self.service.on_load()

    def call(self, method: str, request: Any, answer: Any) -> Any:
        ask = self.channel.unary_unary(
            f"/externalscaler.ExternalScaler/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return ask(request, timeout=5)

    async def is_active(self, **metadata: str) -> bool:
        reference = ref({**GOOD, **metadata})
        found = await self.call("IsActive", reference, messages.IsActiveResponse)
        return bool(found.result)

    async def depth(self) -> Any:
        request = messages.GetMetricsRequest(scaledObjectRef=ref(GOOD), metricName="queue-depth-a")
        found = await self.call("GetMetrics", request, messages.GetMetricsResponse)
        (value,) = found.metricValues
        return value

    def stream(self, metadata: dict[str, str]) -> Any:
        ask = self.channel.unary_stream(
            "/externalscaler.ExternalScaler/StreamIsActive",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.IsActiveResponse.FromString,
        )
        return ask(ref(metadata), timeout=20)


def ref(metadata: dict[str, str], namespace: str = NAMESPACE) -> Any:
    return messages.ScaledObjectRef(
        name="scaled", namespace=namespace, scalerMetadata=dict(metadata)
    )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    port = await made.service.start(0, host="127.0.0.1")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        made.channel = channel
        yield made
    await made.service.stop()


async def test_queue_depth_is_what_waits_and_runs_at_all_routers(world: World) -> None:
    """As a whole number and as a float: KEDA reads the second, older ones the first."""
    world.say(held=3, in_flight=4)
    value = await world.depth()

    assert (value.metricName, value.metricValue, value.metricValueFloat) == ("queue-depth-a", 8, 8)
    assert await world.is_active()
    world.reports = [RouterReport("r1", 0, 0)]
    assert not await world.is_active()


async def test_the_target_is_the_triggers(world: World) -> None:
    """Requests that one replica serves well; the old field takes no fraction: rounded up."""
    found = await world.call("GetMetricSpec", ref(GOOD), messages.GetMetricSpecResponse)
    (spec,) = found.metricSpecs

    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("queue-depth-a", 3, 2.5)


async def test_there_is_no_method_that_changes_anything(world: World) -> None:
    """Four questions; whatever else is called is not there."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.call("Scale", ref(GOOD), messages.IsActiveResponse)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    methods = {"IsActive", "StreamIsActive", "GetMetricSpec", "GetMetrics"}
    assert set(world.service._handlers()) == methods


async def test_a_question_that_is_too_large_is_refused(world: World) -> None:
    """Before it is read; the next one is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.is_active(note="x" * 65_536)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not await world.is_active()


@pytest.mark.parametrize("method", ["IsActive", "GetMetrics"])
@pytest.mark.parametrize("reports", [[], [None], [RouterReport("r1", 1, 1), None]])
async def test_no_data_is_an_error_and_never_zero(
    world: World, method: str, reports: list[RouterReport | None]
) -> None:
    """KEDA holds, or takes the trigger's fallback."""
    world.reports = reports
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (world.is_active() if method == "IsActive" else world.depth())

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("metadata", "code", "word"),
    [
        ({"backend": ""}, "INVALID_ARGUMENT", "metadata.backend"),
        ({"backend": "nobody"}, "NOT_FOUND", "nobody"),
        ({"backend": "counted"}, "FAILED_PRECONDITION", "External"),
        ({"backend": "fixed"}, "FAILED_PRECONDITION", "External"),
        ({"backend": "wrong"}, "FAILED_PRECONDITION", "External"),
        ({"namespace": "other"}, "INVALID_ARGUMENT", "other"),
        ({"targetRequests": ""}, "INVALID_ARGUMENT", "targetRequests"),
        ({"targetRequests": "nan"}, "INVALID_ARGUMENT", "targetRequests"),
        ({"targetRequests": "0"}, "INVALID_ARGUMENT", "targetRequests"),
        ({"targetRequests": "1e9"}, "INVALID_ARGUMENT", "targetRequests"),
    ],
)
async def test_a_trigger_without_sense_is_refused_with_its_reason(
    world: World, metadata: dict[str, str], code: str, word: str
) -> None:
    """By every method, so that KEDA shows it on the ScaledObject at once."""
    wrong = {**GOOD, **metadata}
    request = messages.GetMetricsRequest(scaledObjectRef=ref(wrong))
    calls = [
        world.call("IsActive", ref(wrong), messages.IsActiveResponse),
        world.call("GetMetricSpec", ref(wrong), messages.GetMetricSpecResponse),
        world.call("GetMetrics", request, messages.GetMetricsResponse),
        world.stream(wrong).read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode[code]
        assert word in str(caught.value.details())


async def test_before_anything_was_read_nothing_is_known(world: World) -> None:
    """A new leader does not deny backends that it has not listed."""
    world.known = None
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.is_active()

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stream_tells_each_change_and_no_more(world: World) -> None:
    """At once when it is opened; silence of a router says nothing."""
    stream = world.stream(GOOD)
    async with asyncio.timeout(10):
        assert not (await stream.read()).result
        world.say(held=1, in_flight=0)
        assert (await stream.read()).result
        world.say(held=5, in_flight=0)
        world.reports = [None]
        world.service.on_load()
        await asyncio.sleep(0.3)  # nothing may be said meanwhile: the next word is the next change
        world.reports = [RouterReport("r1", 0, 0)]
        world.service.on_load()
        assert not (await stream.read()).result
    stream.cancel()


async def test_many_streams_hear_one_change(world: World) -> None:
    """Whoever looked just before it, too."""
    streams = [world.stream(GOOD) for _ in range(40)]
    async with asyncio.timeout(15):
        assert not any([(await one.read()).result for one in streams])
        world.say(held=1, in_flight=0)
        began_s = asyncio.get_running_loop().time()
        assert all([(await one.read()).result for one in streams])
    assert asyncio.get_running_loop().time() - began_s < 3
    for one in streams:
        one.cancel()


async def test_a_port_that_is_taken_ends_the_process(world: World) -> None:
    """Aloud: KEDA would ask somebody else."""
    other = ExternalScaler(NAMESPACE, lambda: KNOWN, world.loads)
    port = await other.start(0, host="127.0.0.1")
    with pytest.raises(Broken, match="cannot be had"):
        await World().service.start(port, host="127.0.0.1")
    await other.stop()


def test_the_wire_is_the_protocols() -> None:
    """Bytes written down from the protocol's field numbers and types."""
    reference = messages.ScaledObjectRef.FromString(
        b"\x0a\x01s\x12\x02ai\x1a\x0c\x0a\x07backend\x12\x01a"
    )
    assert (reference.name, reference.namespace) == ("s", "ai")
    assert dict(reference.scalerMetadata) == {"backend": "a"}
    assert messages.IsActiveResponse(result=True).SerializeToString() == b"\x08\x01"
    spec = messages.MetricSpec(metricName="m", targetSize=3, targetSizeFloat=2.5)
    assert spec.SerializeToString() == b"\x0a\x01m\x10\x03\x19" + bytes(6) + b"\x04\x40"
    value = messages.MetricValue(metricName="m", metricValue=8, metricValueFloat=8)
    answer = messages.GetMetricsResponse(metricValues=[value])
    assert answer.SerializeToString() == (b"\x0a\x0e\x0a\x01m\x10\x08\x19" + bytes(6) + b"\x20\x40")


def test_a_trigger_may_name_its_namespace() -> None:
    """Its own is the default."""
    one = trigger_of(GOOD, namespace=NAMESPACE, served=NAMESPACE, backends=KNOWN)
    named = {**GOOD, "namespace": NAMESPACE}
    assert one == Trigger("a", 2.5)
    assert trigger_of(named, namespace="elsewhere", served=NAMESPACE, backends=KNOWN) == one
    with pytest.raises(Unanswered, match="elsewhere"):
        trigger_of(GOOD, namespace="elsewhere", served=NAMESPACE, backends=KNOWN)
    with pytest.raises(Unanswered, match="no data from 1 of 2"):
        queue_depth([RouterReport("r1", 0, 0), None])


def test_the_port_is_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    """And there is none unless it is asked for."""
    assert parse_settings(["--namespace=ai"]).keda_port is None
    assert parse_settings(["--namespace=ai", "--keda-port=9903"]).keda_port == 9903
    with pytest.raises(SystemExit, match="2"):
        parse_settings(["--namespace=ai", "--keda-port=many"])
    assert "ports are numbers" in capsys.readouterr().err
