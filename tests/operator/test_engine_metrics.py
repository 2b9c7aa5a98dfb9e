"""Model servers' metrics, asked over real sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pointsman.api.v1alpha1 import Engine
from pointsman.operator.cluster.engines import MAX_BYTES, EngineMetrics
from pointsman.operator.plan.pods import ReadyPod
from pointsman.operator.plan.scaling import EngineReport

pytestmark = pytest.mark.local
POD = ReadyPod("a-model-x", "u1", "127.0.0.1")


def page(waiting: int) -> web.Response:
    return web.Response(
        text=f"vllm:num_requests_running 1.0\nvllm:num_requests_waiting {waiting}.0\n"
    )


class Server:
    """Answers /metrics as it is told to, and says when it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[], web.StreamResponse] = lambda: page(2)
        self.asked = asyncio.Event()
        self.port = 0

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        self.asked.set()
        return self.answer()

    async def next_round(self) -> None:
        """Until a whole round after now has been answered."""
        for _ in range(2):
            self.asked.clear()
            await self.asked.wait()


@asynccontextmanager
async def asking(
    *, silence_s: float = 60.0, in_flight: int = 3
) -> AsyncIterator[tuple[Server, EngineMetrics]]:
    server = Server()
    app = web.Application()
    app.router.add_get("/metrics", server.metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        engines = EngineMetrics(lambda _: in_flight, every_s=0.05, silence_s=silence_s)
        task = group.create_task(engines.run())
        try:
            yield server, engines
        finally:
            task.cancel()
            await runner.cleanup()


async def test_ready_pods_are_asked_for_their_counts() -> None:
    """Before the first answer there is no data; with it comes what was in flight then."""
    async with asking() as (server, engines):
        engines.watch("a", Engine.VLLM, server.port, [POD])
        assert engines.reports("a") == ([None], None)
        assert engines.silent("a") == ["a-model-x"]
        await server.next_round()

        assert engines.reports("a") == ([EngineReport(waiting=2, running=1)], 3)
        assert engines.silent("a") == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=503, text="vllm:num_requests_running 1.0"),
        lambda: web.Response(text="no gauges here"),
        lambda: web.Response(body=b"#" * (MAX_BYTES + 1)),
        lambda: web.HTTPFound("/metrics"),
    ],
)
async def test_what_is_no_answer_is_no_data(answer: Callable[[], web.StreamResponse]) -> None:
    """And the round goes on: the next server is asked, too."""
    async with asking() as (server, engines):
        server.answer = answer
        engines.watch("a", Engine.VLLM, server.port, [POD])
        await server.next_round()
        assert engines.reports("a")[0] == [None]
        server.answer = lambda: page(5)
        await server.next_round()

        assert engines.reports("a")[0] == [EngineReport(waiting=5, running=1)]


async def test_an_answer_counts_until_the_silence_is_too_long() -> None:
    """One lost answer is nothing; a server that stays silent is no data."""
    async with asking(silence_s=0.4) as (server, engines):
        engines.watch("a", Engine.VLLM, server.port, [POD])
        await server.next_round()
        assert engines.reports("a")[0] != [None]
        server.answer = lambda: web.Response(status=500)
        while engines.reports("a")[0] != [None]:
            await server.next_round()

        assert engines.silent("a") == ["a-model-x"]


async def test_a_pod_that_nobody_answers_for_holds_up_no_other() -> None:
    """Its address may be gone before it leaves the API."""
    async with asking() as (server, engines):
        gone = ReadyPod("a-model-y", "u2", "127.0.0.9")
        engines.watch("a", Engine.VLLM, server.port, [POD, gone])
        await server.next_round()

        assert engines.reports("a")[0] == [EngineReport(waiting=2, running=1), None]
        engines.watch("a", Engine.VLLM, server.port, [POD])
        assert engines.reports("a")[0] == [EngineReport(waiting=2, running=1)]
        engines.forget("a")
        assert engines.reports("a") == ([], None)


async def test_an_engine_without_counts_is_not_asked() -> None:
    """Ollama and Custom: what the routers say is all there is, and it is data."""
    async with asking() as (server, engines):
        engines.watch("a", Engine.CUSTOM, server.port, [POD])
        engines.watch("b", Engine.VLLM, server.port, [POD])
        await server.next_round()

        assert engines.reports("a") == ([], None)
