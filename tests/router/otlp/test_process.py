"""A router process between a caller, two simulated models and a collector."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pointsman.api import table
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    entry,
    manifest,
    manifest_object,
    service_object,
    slice_object,
)
from tests.router.control.process import RouterProcess, router_process
from tests.router.control.test_process import kubeconfig
from tests.simulator.running import MODEL, Simulator, simulated
from tests.support.collector import Collector, Span, collecting
from tests.support.fake_api import FakeApi

pytestmark = pytest.mark.local
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PAGE = Path(__file__).parents[3] / "docs" / "tracing.md"
QUESTION = "a-question-that-nobody-tells"
CHAT = {"model": "auto", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 16}


@dataclass(frozen=True)
class Place:
    """What runs; `first` is asked, `second` where it fails."""

    folder: Path
    api: FakeApi
    first: Simulator
    second: Simulator

    def router(self, *options: str) -> Any:
        """A context manager of a router process."""
        asked = (kubeconfig(self.folder, self.api), "--admin-auth=none", *options)
        return router_process(self.folder, *asked)


def blob() -> bytes:
    """One rule, with a fallback, prices, and a look at the text."""
    price = table.Price(input_pico=150_000, output_pico=600_000)
    backends = {}
    for name in ("first", "second"):
        address = table.ServiceAddress(namespace=NAMESPACE, service=f"{name}-model", port=8000)
        backends[name] = table.Backend(name=name, model=MODEL, address=address, prices=(price,))
    fallback = table.Fallback(chain=("second",))
    coding = table.Route(
        name="coding",
        match=table.Match(tasks=("Coding",)),
        targets=(table.Target(backend="second"),),
    )
    target = (table.Target(backend="first"),)
    default = table.Route(name="default", targets=target, fallback=fallback)
    return table.encode(
        table.PolicyBlob(
            namespace=NAMESPACE,
            name="desk",
            revision="r1",
            model_names=("auto",),
            routes=(coding, default),
            backends=backends,
        )
    )


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Two models behind Services."""
    async with FakeApi() as api, simulated() as first, simulated() as second:
        for name, model in (("first", first), ("second", second)):
            api.put(service_object(f"{name}-model"))
            api.put(slice_object(f"{name}-model", ("127.0.0.1",), port=model.port))
        api.put(blob_object(blob()))
        api.put(manifest_object(manifest(1, entry(blob(), "desk"))))
        yield Place(tmp_path, api, first, second)


@asynccontextmanager
async def asking(router: RouterProcess) -> AsyncIterator[aiohttp.ClientSession]:
    """A caller, once there is somebody to ask."""
    await router.until_ready(lambda ready: ready["ready"])
    async with aiohttp.ClientSession(base_url=router.url) as session:
        yield session


async def ask(session: aiohttp.ClientSession, body: object, **headers: str) -> tuple[int, Any, str]:
    """Status, headers and text of an answer."""
    async with session.post("/v1/chat/completions", json=body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.text()


async def metrics_of(router: RouterProcess) -> str:
    """What its admin port shows."""
    async with (
        aiohttp.ClientSession(base_url=router.admin) as session,
        session.get("/metrics") as answer,
    ):
        return await answer.text()


def heard(simulator: Simulator) -> list[str]:
    """`traceparent` of each request that a model got."""
    found = []
    for request in simulator.server.log.as_json():
        pairs = request["headers"]
        assert isinstance(pairs, list)
        found += [value for name, value in pairs if name.lower() == "traceparent"]
    return found


def told(collector: Collector) -> tuple[Span, list[Span]]:
    """The router's own span, and those of its attempts in order of time."""
    (server,) = [span for span in collector.spans if span.kind == "SERVER"]
    return server, sorted(
        (span for span in collector.spans if span.kind == "CLIENT"), key=lambda s: s.start_ns
    )


async def test_one_trace_from_the_caller_through_a_fallback(place: Place) -> None:
    """Spans, their attributes, what the models heard, metrics; nowhere a text."""
    place.first.server.faults.order(Fault(FaultMode.ERROR_500))
    with (
        collecting() as collector,
        place.router(f"--otlp-endpoint={collector.url}", "--otlp-sample=0") as router,
    ):
        async with asking(router) as session:
            asked = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=abc"}
            body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
            status, headers, text = await ask(session, body, **asked)
            assert status == 200
            await ask(session, CHAT)  # by chance: not recorded
        assert await asyncio.to_thread(router.stop) == 0
    check_page(collector)
    server, (refused, answered) = told(collector)
    assert {server.trace, refused.trace, answered.trace} == {TRACE}
    assert server.parent == SPAN
    assert (refused.parent, answered.parent) == (server.id, server.id)
    assert heard(place.first) == [f"00-{TRACE}-{refused.id}-01"]
    assert heard(place.second) == [f"00-{TRACE}-{answered.id}-01"]
    assert {span.state for span in collector.spans} == {"vendor=abc"}
    assert server.start_ns <= refused.start_ns <= refused.end_ns <= answered.start_ns
    assert answered.end_ns <= server.end_ns <= time.time_ns()
    cost = server.attributes.pop("pointsman.cost.amount")
    assert server.attributes.pop("pointsman.overhead.duration") > 0
    assert server.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/chat/completions",
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "auto",
        "pointsman.decision.id": headers["x-pointsman-decision-id"],
        "pointsman.policy.name": "desk",
        "pointsman.policy.revision": "r1",
        "pointsman.rule.name": "default",
        "pointsman.backend.name": "second",
        "pointsman.language": "en",
        "pointsman.attempts": 2,
        "pointsman.fallbacks": ["first;reason=Http500"],
        "pointsman.outcome": "Ok",
        "pointsman.cost.currency": "USD",
    } | {name: v for name, v in server.attributes.items() if name == "pointsman.task"}
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "self_hosted",
        "gen_ai.request.model": MODEL,
        "server.address": "127.0.0.1",
    }
    assert refused.name == answered.name == f"chat {MODEL}"
    assert refused.attributes == call | {
        "server.port": place.first.port,
        "error.type": "Http500",
        "pointsman.backend.name": "first",
        "pointsman.attempt": 1,
    }
    assert (refused.failed, answered.failed, server.failed) == (True, False, False)
    usage = {
        name: answered.attributes.pop(f"gen_ai.usage.{name}_tokens") for name in ("input", "output")
    }
    assert cost == pytest.approx((usage["input"] * 150 + usage["output"] * 600) / 1e9)
    assert 0 < answered.attributes.pop("gen_ai.response.time_to_first_chunk") < 20
    assert answered.attributes.pop("gen_ai.response.id") in text
    assert answered.attributes.pop("gen_ai.response.finish_reasons") in (["stop"], ["length"])
    assert answered.attributes == call | {
        "server.port": place.second.port,
        "gen_ai.request.stream": True,
        "gen_ai.response.model": MODEL,
        "pointsman.backend.name": "second",
        "pointsman.attempt": 2,
        "pointsman.tokens.estimated": False,
    }
    assert (
        server.resource.items()
        >= {
            "service.name": "pointsman-router",
            "service.instance.id": "router-0",
            "k8s.pod.name": "router-0",
            "k8s.namespace.name": NAMESPACE,
        }.items()
    )
    check_metrics(collector, usage)
    answer = "".join(part.split('"')[0] for part in text.split('"content":"')[1:])
    assert answer.startswith(f"{MODEL} here.")
    for word in (QUESTION, answer.removeprefix(MODEL)):
        assert not [path for path, _, raw in collector.requests if word.encode() in raw], word


def check_page(collector: Collector) -> None:
    """What is sent stands on the page about it."""
    page = PAGE.read_text()
    points = [(name, point) for name, found in collector.metrics.items() for point in found]
    sent = {name for name, _ in points} | {name for _, p in points for name in p.attributes}
    for span in collector.spans:
        sent |= set(span.attributes) | set(span.resource)
    sent = {name for name in sent if not name.startswith("telemetry.sdk.")}
    assert {name for name in sent if f"`{name}`" not in page} == set()


def check_metrics(collector: Collector, usage: dict[str, int]) -> None:
    """Of both requests, recorded or not."""
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "self_hosted",
        "gen_ai.request.model": MODEL,
    }
    metrics = collector.metrics
    assert set(metrics) == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
    }
    duration = metrics["gen_ai.client.operation.duration"]
    assert [(point.attributes, point.count) for point in duration] == [
        (call | {"error.type": "Http500"}, 2),
        (call | {"gen_ai.response.model": MODEL}, 2),
    ]
    answered = call | {"gen_ai.response.model": MODEL}
    tokens = {p.attributes["gen_ai.token.type"]: p for p in metrics["gen_ai.client.token.usage"]}
    assert tokens["input"].attributes == answered | {"gen_ai.token.type": "input"}
    for kind in ("input", "output"):
        assert (tokens[kind].count, tokens[kind].sum) == (2, 2 * usage[kind])
    for speed in ("gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token"):
        assert [(p.attributes, p.count) for p in metrics[speed]] == [(answered, 1)]


async def test_a_collector_that_hangs_costs_spans_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are answered, drops are counted, and the process ends when it should."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with (
        collecting() as collector,
        place.router(
            f"--otlp-endpoint={collector.url}", "--otlp-sample=1", "--drain-seconds=5"
        ) as router,
    ):
        collector.hang.set()
        async with asking(router) as session:
            assert (await ask(session, CHAT))[0] == 200
            await asyncio.to_thread(collector.until, lambda c: c.requests)
            for _ in range(20):
                began_s = time.monotonic()
                assert (await ask(session, CHAT))[0] == 200
                assert time.monotonic() - began_s < 5.0, "no deadline of the exporter's"
        shown = await metrics_of(router)
        assert 'pointsman_router_otlp_dropped_total{reason="QueueFull"} 34.0' in shown
        assert "pointsman_router_otlp_waiting 8.0" in shown
        began_s = time.monotonic()
        assert await asyncio.to_thread(router.stop) == 0
        assert time.monotonic() - began_s < 8.0, "2 s are given to the last spans"
        assert router.wait_for("otlp-dropped")["spans"] == {"QueueFull": 34, "Exit": 8}


async def test_without_the_flag_the_callers_context_goes_on_as_it_came(place: Place) -> None:
    """And nothing of OpenTelemetry is there."""
    with place.router() as router:
        async with asking(router) as session:
            asked = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            assert (await ask(session, CHAT, **asked))[0] == 200
        assert "otlp" not in await metrics_of(router)
        assert await asyncio.to_thread(router.stop) == 0
    assert heard(place.first) == [f"00-{TRACE}-{SPAN}-01"]
