"""What stands in the spans of requests that ended in many ways; a real data plane made them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from pointsman.api.table import Activation, Match, Route, Target
from pointsman.router.otlp.spans import Spans
from pointsman.router.serve.tracing import Finished, Tracing
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import JSON_HEAD, answers
from tests.router.serve.world import World, chat, post, until, world


@dataclass(frozen=True)
class Traced:
    """A world whose requests are all recorded."""

    there: World
    finished: list[Finished]

    async def spans(self) -> list[ReadableSpan]:
        """Of the one request there was: the router's own first."""
        await until(lambda: len(self.finished) == 1)
        found = Spans(Resource({}), InstrumentationScope("test")).of(self.finished[0])
        encoded = encode_spans(found).resource_spans[0].scope_spans[0].spans
        assert len(encoded) == len(found), "and the protocol can say it"
        return found


@pytest.fixture
async def traced() -> AsyncIterator[Traced]:
    """No backend yet."""
    async with world() as there:
        finished: list[Finished] = []
        there.plane.traces = Tracing(finished.append, time.time, sample=1.0)
        yield Traced(there, finished)


def of(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    assert span.attributes is not None
    return dict(span.attributes)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/completions", {"model": "auto", "prompt": "Once"}, "text_completion"),
        ("/v1/embeddings", {"model": "auto", "input": "One"}, "embeddings"),
    ],
)
async def test_operations_have_the_conventions_names(
    traced: Traced, path: str, body: dict[str, object], name: str
) -> None:
    """The path of the operation stands there without its query."""
    await traced.there.simulator("small")
    traced.there.route("small")
    async with traced.there.client() as client:
        await client.send(post(body, path=f"{path}?key=secret"))
        assert (await client.reply()).status == 200
    server, call = await traced.spans()
    assert (server.name, call.name) == (f"POST {path}", f"{name} model-small")
    assert of(server)["gen_ai.operation.name"] == of(call)["gen_ai.operation.name"] == name
    assert "secret" not in repr((of(server), of(call)))


async def test_what_the_prompt_was_taken_for(traced: Traced) -> None:
    """Where a rule looks at it."""
    there = traced.there
    await there.simulator("small")
    target = (Target(backend="small"),)
    coding = Route(name="coding", match=Match(tasks=("Coding",)), targets=target)
    there.put(coding, Route(name="default", targets=target))
    text = "Fix this function:\n```python\ndef f(x):\n    return x +\n```\nIt raises a SyntaxError."
    await there.ask(chat(messages=[{"role": "user", "content": text}]))
    found = of((await traced.spans())[0])
    assert (found["pointsman.task"], found["pointsman.rule.name"]) == ("Coding", "coding")


async def test_a_stream_that_breaks_is_an_error_of_both(traced: Traced) -> None:
    """With its reason on the attempt; what came of it is told."""
    server = await traced.there.simulator("small", tokens_per_second=1000.0)
    traced.there.route("small")
    server.faults.order(Fault(FaultMode.DIE_MID_STREAM))
    await traced.there.ask(chat(stream=True))
    own, call = await traced.spans()
    assert (of(own)["http.response.status_code"], of(own)["error.type"]) == (502, "502")
    assert of(call)["error.type"] == of(own)["pointsman.outcome"] == "Reset"
    assert of(call)["gen_ai.response.model"] == "model-small"
    assert of(call)["pointsman.tokens.estimated"] is True
    assert not own.status.is_ok
    assert not call.status.is_ok
    assert "gen_ai.response.finish_reasons" not in of(call)


async def test_a_refusal_of_the_backend_is_an_error_of_the_call_alone(traced: Traced) -> None:
    """The caller asked for what cannot be."""
    body = json.dumps({"error": {"message": "no", "type": "x", "param": None, "code": None}})
    head = JSON_HEAD.replace(b"200 OK", b"422 No") + b"content-length: %d\r\n\r\n" % len(body)
    await traced.there.scripted("small", answers(head + body.encode()))
    traced.there.route("small")
    assert (await traced.there.ask(chat())).status == 422
    own, call = await traced.spans()
    assert of(call)["error.type"] == "422"
    assert not call.status.is_ok
    assert own.status.is_unset
    assert "error.type" not in of(own)
    assert not any(name.startswith("gen_ai.usage") for name in of(call))


async def test_a_client_that_leaves_is_no_error(traced: Traced) -> None:
    """But it is said."""
    await traced.there.simulator("slow", ttft_s=30.0)
    traced.there.route("slow")
    async with traced.there.client() as client:
        await client.send(post(chat()))
        await until(lambda: traced.there.live.in_flight.get("slow") == 1)
    own, call = await traced.spans()
    assert of(call)["error.type"] == of(own)["pointsman.outcome"] == "ClientGone"
    assert call.status.is_unset
    assert own.status.is_unset


async def test_how_long_it_was_held_and_what_was_read_before(traced: Traced) -> None:
    """The span of the attempt begins when it is sent."""
    there, how = traced.there, Activation(mode="Hold", timeout_s=15.0, max_held=10)
    usage = {
        "prompt_tokens": 9, "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    said = {"id": "r-1", "choices": [{"message": {"content": "x"}}], "usage": usage}
    body = json.dumps(said).encode()
    port = await there.scripted_port(
        answers(JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body))
    )
    there.place("cold", activation=how)
    there.route("cold")
    asked = asyncio.create_task(there.ask(chat()))
    await until(lambda: there.live.held.get("cold") == 1)
    await asyncio.sleep(0.05)
    there.place("cold", port, activation=how)
    assert (await asked).status == 200
    own, call = await traced.spans()
    held_s = of(own)["pointsman.held.duration"]
    assert held_s >= 0.05
    assert call.start_time is not None
    assert own.start_time is not None
    assert call.start_time - own.start_time >= held_s * 1e9
    found = of(call)
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (9, 7)
    assert found["gen_ai.usage.cache_read.input_tokens"] == 5
    assert found["gen_ai.usage.reasoning.output_tokens"] == 3
    assert found["gen_ai.response.id"] == "r-1"
    assert "gen_ai.response.model" not in found
