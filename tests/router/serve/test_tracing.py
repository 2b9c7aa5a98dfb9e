"""Which spans a request makes, what its backends hear of them, and what is measured."""

import asyncio
import time

import pytest
from msgspec.structs import replace

from pointsman.api.table import Activation, ExternalAddress, Price, ServiceAddress
from pointsman.router.callers import Callers
from pointsman.router.serve.genai import Family, Measures, provider_of
from pointsman.router.serve.tracing import Finished, Tracing
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.world import World, chat, post, until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


class Traced:
    """What was recorded of a world's requests; its dice show 0.5 where no caller decides."""

    def __init__(self, there: World, sample: float) -> None:
        self.finished: list[Finished] = []
        self.tracing = Tracing(self.finished.append, time.time, sample=sample, dice=lambda: 0.5)
        there.plane.traces = self.tracing

    async def last(self, count: int = 1) -> Finished:
        """The newest, once there are so many."""
        await until(lambda: len(self.finished) >= count)
        assert len(self.finished) == count
        assert self.tracing.failures == 0
        return self.finished[-1]

    def counts(self, family: Family) -> dict[tuple[str, ...], int]:
        """Values by key."""
        return {key: sum(series.counts) for key, series in family.series.items()}


@pytest.fixture
async def two(there: World) -> World:
    """`first` with `second` as its fallback."""
    await there.simulator("first")
    await there.simulator("second")
    there.route("first", "second", first_token_timeout_s=0.5)
    return there


def sent(there: World, name: str) -> list[tuple[str, str]]:
    """(traceparent, tracestate) of each request that a backend got."""
    seen = there.seen(name)
    return [(one.get("traceparent", ""), one.get("tracestate", "")) for one in seen]


def parent_of(finished: Finished, attempt: int, flags: str = "01") -> str:
    """What the backend of this attempt has to hear."""
    trace = finished.trace
    return f"00-{trace.trace_id:032x}-{trace.calls[attempt].span_id:016x}-{flags}"


async def test_the_attempt_is_the_parent_of_its_backends_span(two: World) -> None:
    """In the caller's trace, with the caller's state."""
    traced = Traced(two, 0.0)
    reply = await two.ask(chat(), traceparent=SAMPLED, tracestate="vendor=1, other=2")
    found = await traced.last()
    assert found.trace.trace_id == int(TRACE, 16)
    assert found.trace.context.parent_id == int(SPAN, 16)
    assert found.decision == reply.headers["x-pointsman-decision-id"]
    assert (
        len({found.trace.context.parent_id, found.trace.span_id, found.trace.calls[0].span_id}) == 3
    )
    assert sent(two, "first") == [(parent_of(found, 0), "vendor=1,other=2")]


async def test_each_attempt_of_a_fallback_is_a_span(two: World) -> None:
    """Retries, too; who has no server is not asked, and is told."""
    traced = Traced(two, 1.0)
    two.simulators["first"].faults.order(Fault(FaultMode.ERROR_500))
    reply = await two.ask(chat())
    found = await traced.last()
    assert [call.backend for call in found.trace.calls] == ["first", "second"]
    assert [call.outcome for call in found.trace.calls] == ["Http500", "Ok"]
    assert found.attempts == len(found.trace.calls) == int(reply.headers["x-pointsman-attempts"])
    assert sent(two, "first") == [(parent_of(found, 0), "")]
    assert sent(two, "second") == [(parent_of(found, 1), "")]
    first, second = found.trace.calls
    times = (found.received_s, first.begun_s, first.ended_s, second.begun_s, second.ended_s)
    assert list(times) == sorted(times)
    assert second.ended_s <= found.ended_s
    assert found.passed == (("first", "Http500"),)
    two.place("first")
    assert (await two.ask(chat())).status == 200
    found = await traced.last(2)
    unsent, answered = found.trace.calls
    assert (unsent.place, unsent.outcome, answered.outcome) == (None, "NoEndpoint", "Ok")
    assert unsent.begun_s == unsent.ended_s
    assert answered.place is not None
    key = ("chat", "self_hosted", "model-first", "", "Http500")
    assert traced.counts(traced.tracing.measures.duration)[key] == 1
    assert sum(traced.counts(traced.tracing.measures.duration).values()) == 3, "of what was sent"


@pytest.mark.parametrize("sample", [0.4, 0.6])
async def test_who_decides_whether_a_trace_is_recorded(two: World, sample: float) -> None:
    """The caller where it says so, chance elsewhere; without a record nothing is changed."""
    traced = Traced(two, sample)
    await two.ask(chat(), traceparent=NOT_SAMPLED, tracestate="a=1 , b=2")
    assert sent(two, "first")[-1] == (NOT_SAMPLED, "a=1 , b=2")
    assert traced.finished == []
    await two.ask(chat(), traceparent=SAMPLED)
    assert sent(two, "first")[-1] == (parent_of(await traced.last(), 0), "")
    await two.ask(chat())
    await two.ask(chat(), traceparent="00-1-2-01", tracestate="a=1")
    by_chance = sent(two, "first")[-2:]
    if sample < 0.5:
        assert by_chance == [("", "")] * 2, "nor is a malformed one handed on"
        assert len(traced.finished) == 1
    else:
        assert by_chance[1] == (parent_of(await traced.last(3), 0), "")
        ids = {finished.trace.trace_id for finished in traced.finished}
        assert len(ids) == 3
        assert 0 not in ids
    assert sum(traced.counts(traced.tracing.measures.duration).values()) == 4, "sampled or not"


async def test_other_flags_of_the_caller_stay(two: World) -> None:
    """Such as that its trace id is random."""
    traced = Traced(two, 0.0)
    await two.ask(chat(), traceparent=SAMPLED[:-1] + "3")
    assert sent(two, "first") == [(parent_of(await traced.last(), 0, "03"), "")]


async def test_a_strangers_wish_is_not_obeyed(two: World) -> None:
    """Or whoever has no key could fill the queue; chance may still choose it."""
    two.live.callers = Callers(by_prefix={}, complete=True)
    traced = Traced(two, 0.4)
    assert (await two.ask(chat(), traceparent=SAMPLED)).status == 401
    assert traced.finished == []
    traced = Traced(two, 0.6)
    assert (await two.ask(chat(), traceparent=SAMPLED)).status == 401
    found = await traced.last()
    assert (found.status, found.policy, found.event, found.trace.calls) == (401, "", None, [])


async def test_requests_that_reach_no_backend_are_spans(two: World) -> None:
    """With as much as is known of them."""
    traced = Traced(two, 1.0)
    assert (await two.ask(b"{")).status == 400
    assert (await traced.last()).policy == ""
    assert (await two.ask(chat(model="secret-name"))).status == 404
    found = await traced.last(2)
    assert (found.status, found.model) == (404, "")
    two.place("first")
    two.route("first")
    assert (await two.ask(chat())).status == 503
    found = await traced.last(3)
    assert (found.status, found.policy, found.rule, found.model) == (503, "desk", "default", "auto")
    assert [call.outcome for call in found.trace.calls] == ["NoEndpoint"]


async def test_a_stream(there: World) -> None:
    """Its first token is told by when it went out, and what it took by its usage."""
    await there.simulator("small", ttft_s=0.02)
    price = Price(input_pico=150_000, output_pico=600_000)
    there.backends["small"] = replace(there.backends["small"], prices=(price,))
    there.route("small")
    traced = Traced(there, 1.0)
    await there.ask(chat(stream=True, stream_options={"include_usage": True}))
    found = await traced.last()
    assert found.committed_s is not None
    # Of the 20 ms: a timer of uvloop may be due up to one too early.
    assert found.trace.calls[0].begun_s + 0.019 <= found.committed_s <= found.ended_s
    assert found.event is not None
    assert found.event.cost_nano > 0
    measures = traced.tracing.measures
    key = ("chat", "self_hosted", "model-small", "model-small")
    assert traced.counts(measures.first_token) == traced.counts(measures.output_token) == {key: 1}
    assert traced.counts(measures.tokens) == {(*key, "input"): 1, (*key, "output"): 1}
    assert measures.tokens.series[*key, "output"].total == 8
    assert traced.counts(measures.duration) == {(*key, ""): 1}


async def test_estimates_are_not_measured_as_tokens(there: World) -> None:
    """The conventions ask for what the model said."""
    await there.simulator("small")
    there.route("small")
    traced = Traced(there, 1.0)
    await there.ask(chat(stream=True))
    found = await traced.last()
    assert found.event is not None
    assert found.event.estimated
    assert traced.counts(traced.tracing.measures.tokens) == {}


async def test_a_client_that_leaves(there: World) -> None:
    """The attempt ends with it."""
    await there.simulator("slow", ttft_s=30.0)
    there.route("slow")
    traced = Traced(there, 1.0)
    async with there.client() as client:
        await client.send(post(chat()))
        await until(lambda: there.live.in_flight.get("slow") == 1)
    found = await traced.last()
    assert (found.status, found.outcome) == (499, "ClientGone")
    assert found.trace.calls[0].outcome == "ClientGone"


async def test_one_that_waits_and_one_that_is_passed_over(there: World) -> None:
    """Both are told; who was passed over for want of room is a spill."""
    await there.simulator("second")
    there.place("cold")
    how = Activation(mode="Fallback", timeout_s=5.0, max_held=1)
    there.backends["cold"] = replace(there.backends["cold"], activation=how)
    there.route("cold", "second")
    traced = Traced(there, 1.0)
    assert (await there.ask(chat())).status == 200
    found = await traced.last()
    assert found.spilled == found.passed == (("cold", "Cold"),)
    assert [call.backend for call in found.trace.calls] == ["second"]


async def test_a_bug_ends_no_request(two: World, errors: list[str]) -> None:
    """It is counted and logged."""
    traced = Traced(two, 1.0)

    def broken(_bits: int) -> int:
        raise ZeroDivisionError

    two.plane.traces = Tracing(traced.finished.append, time.time, sample=1.0, bits=broken)
    assert (await two.ask(chat(), traceparent=NOT_SAMPLED)).status == 200
    assert (await two.ask(chat(), traceparent=SAMPLED)).status == 200
    assert sent(two, "first")[-1] == (SAMPLED, "")
    await asyncio.sleep(0)
    assert two.plane.traces.failures == 2
    assert len(errors) == 2
    errors.clear()


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://me.openai.azure.com/openai/v1", "azure.ai.openai"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1", "aws.bedrock"),
        ("https://europe-west4-aiplatform.googleapis.com/v1", "gcp.vertex_ai"),
        ("https://api.openai.com.evil.example/v1", "openai_compatible"),
        ("https://models.example/v1", "openai_compatible"),
        ("https://[broken", "openai_compatible"),
    ],
)
def test_a_provider_is_known_by_its_host(url: str, provider: str) -> None:
    """Under the name that the conventions have for it."""
    assert provider_of(ExternalAddress(url=url)) == provider
    assert provider_of(ServiceAddress(namespace="n", service="s", port=1)) == "self_hosted"


def test_series_are_bounded() -> None:
    """Whatever answers call themselves, and however many models a table has."""
    measures = Measures()
    names = [measures.named("m", f"name-{number}") for number in range(20)]
    assert names == [f"name-{number}" for number in range(8)] + ["_OTHER"] * 12
    assert measures.named("m", "name-3") == "name-3"
    for number in range(3000):
        measures.named(f"model-{number}", "x")
        measures.first_token.observe(("chat", "self_hosted", f"model-{number}", ""), 1.0)
    assert measures.named("model-2999", "x") == "_OTHER"
    assert len(measures.first_token.series) == 2001
    assert sum(measures.first_token.series[()].counts) == 1000
