"""The gRPC service that KEDA calls: each answer from what routers say at this moment.

Without TLS and without names of callers: it tells numbers of requests, to whoever reaches its port.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import grpc

from pointsman.operator.errors import Broken
from pointsman.operator.keda import messages
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.keda import Trigger, Unanswered, queue_depth, trigger_of
from pointsman.operator.plan.scaling import RouterReport

MOST_CALLS: Final = 1024
"""At once, streams included: one for each trigger of some hundred backends."""
LOOK_S: Final = 5.0
"""A stream looks so often even if nothing is told to it."""
SETTLE_S: Final = 0.1
"""And at most so often: loads of all backends change all the time."""
OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.so_reuseport", 0),
)
"""A caller that vanished is noticed; a trigger's metadata is small; a port is served once."""


class ExternalScaler:
    """`backends` are those read last, None before the first reading; `loads` as routers say."""

    def __init__(
        self,
        namespace: str,
        backends: Callable[[], Backends | None],
        loads: Callable[[str], list[RouterReport | None]],
    ) -> None:
        self._namespace = namespace
        self._backends = backends
        self._loads = loads
        self._changed = asyncio.Event()
        self._changes = 0
        self._server: Any = None

    async def start(self, port: int, *, host: str = "[::]") -> int:
        """Serve; the port, also when any free one (0) was asked for. Raises Broken."""
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        handlers = grpc.method_handlers_generic_handler(messages.SERVICE, self._handlers())
        self._server.add_generic_rpc_handlers((handlers,))
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise Broken(f"port {port} for KEDA cannot be had: {error}") from error
        await self._server.start()
        return int(bound)

    async def stop(self) -> None:
        """End; streams are cut, and their callers dial the next leader."""
        if self._server is not None:
            await self._server.stop(grace=0.5)

    def on_load(self) -> None:
        """Some load changed; cheap, since it is called for each line of each router."""
        self._changes += 1
        self._changed.set()

    def _handlers(self) -> Mapping[str, Any]:
        def unary(call: Any, request: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(
                call,
                request_deserializer=request.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )

        return {
            "IsActive": unary(self._is_active, messages.ScaledObjectRef),
            "GetMetricSpec": unary(self._metric_spec, messages.ScaledObjectRef),
            "GetMetrics": unary(self._metrics, messages.GetMetricsRequest),
            "StreamIsActive": grpc.unary_stream_rpc_method_handler(
                self._stream_is_active,
                request_deserializer=messages.ScaledObjectRef.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            ),
        }

    def _trigger(self, reference: Any) -> Trigger:
        return trigger_of(
            dict(reference.scalerMetadata),
            namespace=reference.namespace,
            served=self._namespace,
            backends=self._backends(),
        )

    def _depth(self, reference: Any) -> int:
        return queue_depth(self._loads(self._trigger(reference).backend))

    async def _is_active(self, reference: Any, context: Any) -> Any:
        try:
            return messages.IsActiveResponse(result=self._depth(reference) > 0)
        except Unanswered as why:
            await _refuse(context, why)

    async def _metric_spec(self, reference: Any, context: Any) -> Any:
        try:
            trigger = self._trigger(reference)
        except Unanswered as why:
            await _refuse(context, why)
            return None
        target = trigger.target_requests
        spec = messages.MetricSpec(
            metricName=trigger.metric, targetSize=math.ceil(target), targetSizeFloat=target
        )
        return messages.GetMetricSpecResponse(metricSpecs=[spec])

    async def _metrics(self, request: Any, context: Any) -> Any:
        reference = request.scaledObjectRef
        try:
            name, depth = self._trigger(reference).metric, self._depth(reference)
        except Unanswered as why:
            await _refuse(context, why)
            return None
        value = messages.MetricValue(metricName=name, metricValue=depth, metricValueFloat=depth)
        return messages.GetMetricsResponse(metricValues=[value])

    async def _stream_is_active(self, reference: Any, context: Any) -> AsyncIterator[Any]:
        """At once, and at each change; without data nothing is said, and what was said holds."""
        told: bool | None = None
        while True:
            changes = self._changes
            try:
                active: bool | None = self._depth(reference) > 0
            except Unanswered as why:
                if why.code != "UNAVAILABLE":
                    await _refuse(context, why)
                    return
                active = None
            if active is not None and active != told:
                told = active
                yield messages.IsActiveResponse(result=active)
            await self._change(changes)

    async def _change(self, changes: int) -> None:
        """Until some load is another one than after so many `changes`, or it is time to look."""
        await asyncio.sleep(SETTLE_S)
        if self._changes != changes:
            return
        if self._changed.is_set():  # of a change that was seen
            self._changed = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._changed.wait()


async def _refuse(context: Any, why: Unanswered) -> None:
    await context.abort(getattr(grpc.StatusCode, why.code), str(why))
