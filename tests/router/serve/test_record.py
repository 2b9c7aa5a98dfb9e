"""What is recorded of a request is what happened: who answered, at what cost, and who failed."""

import json
import time

import pytest
from msgspec.structs import replace

from pointsman.api.table import Fallback, Price, Route, Target
from pointsman.api.tasks import Task
from pointsman.events.schema import Request, Try, decode
from pointsman.router.serve.record import Recorder
from tests.router.serve.world import World, chat, post, until


class Records:
    """Events, decoded."""

    def __init__(self, world: World) -> None:
        self.lines: list[bytes] = []
        self.recorder = Recorder(self.lines.append, time.time)
        world.plane.record = self.recorder

    async def last(self, count: int = 1) -> Request:
        """The newest, once there are so many."""
        await until(lambda: len(self.lines) >= count)
        assert len(self.lines) == count
        assert self.recorder.failures == 0
        event = decode(self.lines[-1])
        assert isinstance(event, Request)
        return event


def _route() -> Route:
    return Route(name="default", targets=(Target(backend="small"),))


@pytest.fixture
async def records(there: World) -> Records:
    """Two backends: `small` answers, `large` is behind it."""
    await there.simulator("small")
    price = Price(input_pico=150_000, output_pico=600_000)
    there.backends["small"] = replace(there.backends["small"], prices=(price,))
    await there.simulator("large")
    there.route("small", fallback=Fallback(chain=("large",)))
    return Records(there)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer(there: World, records: Records, stream: bool) -> None:
    """Decision and outcome, and the cost to the billionth."""
    before_ms = int(time.time() * 1000)
    reply = await there.ask(
        chat(stream=stream, stream_options={"include_usage": True} if stream else None),
        x_request_id="caller-7",
    )
    assert reply.status == 200
    event = await records.last()
    assert event.decision == reply.headers["x-pointsman-decision-id"]
    assert before_ms <= event.at_ms <= int(time.time() * 1000)
    assert (event.policy, event.rule) == ("desk", "default")
    assert event.revision == reply.headers["x-pointsman-revision"]
    assert (event.backend, event.model) == ("small", "model-small")
    assert event.candidates == ("small", "large")
    assert (event.left, event.skipped) == ((), ())
    assert (event.status, event.outcome, event.stream) == (200, "Ok", stream)
    assert event.request_id == "caller-7"
    assert (event.reported_model, event.finish) == ("model-small", "stop")
    assert event.response_id.startswith("chatcmpl-")
    assert not event.estimated
    assert event.output_tokens == 8
    assert event.cost_nano == event.input_tokens * 150 + event.output_tokens * 600
    assert 0 < event.overhead_us <= event.duration_us
    assert (0 < event.first_token_us <= event.duration_us) == stream
    assert event.language == "en", "read, though no rule looks at it"
    assert event.evidence, "why the task is what it is"


async def test_a_text_no_rule_reads_is_read_after_the_answer(
    there: World, records: Records
) -> None:
    """What only the ledger wants to know delays nobody."""
    await there.simulator("slow", tokens_per_second=20.0, output_tokens=20)
    there.route("slow")
    asked = chat(stream=True, messages=[{"role": "user", "content": "Bonjour, comment vas-tu ?"}])

    def read() -> float:
        return sum(there.count("analyzed_total", task=str(task)) for task in (*Task, "Undecided"))

    async with there.client() as client:
        await client.send(post(asked))
        await client.read_until(b"data: ")
        assert read() == 0
        await client.read_until(b"[DONE]")
        event = await records.last()
    assert read() == 1
    assert event.language == "fr"
    assert (event.estimated, event.input_tokens) == (True, event.context_tokens)


async def test_evidence_names_the_domain_without_its_words(there: World, records: Records) -> None:
    """A ledger does not learn of whose illness somebody wrote; debug headers tell the caller."""
    said = "My doctor speaks of chemotherapy, insulin and diabetes: what are the symptoms?"
    asked = chat(messages=[{"role": "user", "content": said}])
    reply = await there.ask(asked, x_pointsman_debug="true")
    assert "domain: Medicine by chemotherapy" in reply.headers["x-pointsman-evidence"]
    event = await records.last()
    assert "domain: Medicine" in event.evidence
    told = " ".join(event.evidence)
    assert not any(word in told for word in ("chemotherapy", "insulin", "diabetes"))


async def test_what_the_baseline_would_have_cost(there: World, records: Records) -> None:
    """For the same tokens, in the same currency; in another one there is nothing to compare."""
    dear = Price(input_pico=1_000_000, output_pico=3_000_000)
    there.backends["large"] = replace(there.backends["large"], prices=(dear,))
    there.put(_route(), baseline="large")
    await there.ask(chat())
    event = await records.last()
    assert event.baseline_nano == event.input_tokens * 1000 + event.output_tokens * 3000
    assert 0 < event.cost_nano < event.baseline_nano
    there.backends["large"] = replace(there.backends["large"], currency="EUR")
    there.put(_route(), baseline="large", revision="r2")
    await there.ask(chat())
    assert (await records.last(2)).baseline_nano == 0


async def test_a_price_counts_from_its_moment_on(there: World, records: Records) -> None:
    """By when the request came in."""
    later = Price(from_s=2_000_000_000.0, output_pico=5_000_000)
    prices = (Price(output_pico=1_000_000), later)
    there.backends["small"] = replace(there.backends["small"], prices=prices)
    there.route("small")
    await there.ask(chat())
    assert (await records.last()).cost_nano == 8 * 1000
    there.plane.wall = lambda: 2_000_000_060.0
    await there.ask(chat())
    assert (await records.last(2)).cost_nano == 8 * 5000


async def test_a_fallback_names_who_failed(there: World, records: Records) -> None:
    """In order, with the reason that the metrics count."""
    there.place("small")
    assert (await there.ask(chat())).status == 200
    event = await records.last()
    assert event.left == (Try(backend="small", reason="NoEndpoint"),)
    assert event.backend == "large"


async def test_no_answer_says_why(there: World, records: Records) -> None:
    """The reason of the last attempt, and no tokens."""
    there.place("small")
    there.place("large")
    there.route("small", fallback=Fallback(chain=("large",)))
    assert (await there.ask(chat())).status == 503
    event = await records.last()
    assert (event.status, event.outcome) == (503, "NoEndpoint")
    assert (event.input_tokens, event.output_tokens, event.cost_nano) == (0, 0, 0)
    assert [left.backend for left in event.left] == ["small", "large"]


async def test_a_client_that_left_is_recorded(there: World, records: Records) -> None:
    """Once, as 499, with what the answer took as far as it had come: the provider bills that."""
    await there.simulator("slow", tokens_per_second=50.0, output_tokens=1000)
    price = Price(input_pico=1_000_000, output_pico=1_000_000)
    there.backends["slow"] = replace(there.backends["slow"], prices=(price,))
    there.route("slow")
    async with there.client() as client:
        await client.send(post(chat(stream=True)))
        for _ in range(8):
            await client.read_until(b"data: ")
    event = await records.last()
    assert (event.status, event.outcome, event.backend) == (499, "ClientGone", "slow")
    assert 0 < event.output_tokens < 100
    assert event.input_tokens > 0
    assert event.estimated
    assert event.cost_nano == 1000 * (event.input_tokens + event.output_tokens)


async def test_a_request_without_a_rule_is_no_decision(there: World, records: Records) -> None:
    """An unknown model, a body that is none: they are counted in the metrics alone."""
    assert (await there.ask(chat("unknown"))).status == 404
    assert (await there.ask(b"{")).status == 400
    assert (await there.ask(chat())).status == 200
    assert (await records.last()).status == 200


async def test_nothing_of_the_text_is_in_it(there: World, records: Records) -> None:
    """Not of the prompt, not of the answer, not of the metadata."""
    secret = "the-parrot-knows-4711"
    body = chat(metadata={"note": secret})
    body["messages"] = [{"role": "user", "content": f"Repeat: {secret}"}]
    reply = await there.ask(body)
    said = str(json.loads(reply.body)["choices"][0]["message"]["content"])
    await records.last()
    (line,) = records.lines
    assert secret.encode() not in line
    assert said.encode() not in line


async def test_skipped_backends_are_named(there: World, records: Records) -> None:
    """With the reason that callers get."""
    await there.simulator("narrow")
    there.backends["narrow"] = replace(there.backends["narrow"], context_window=5)
    there.route("narrow", fallback=Fallback(chain=("large",)))
    assert (await there.ask(chat())).status == 200
    event = await records.last()
    assert [skip.backend for skip in event.skipped] == ["narrow"]
    assert event.skipped[0].reason
    assert event.backend == "large"


async def test_what_fits_no_backend_is_recorded(there: World, records: Records) -> None:
    """It cost nothing, in no currency: a sum of its own."""
    there.backends["narrow"] = replace(there.backends["small"], name="narrow", context_window=5)
    there.route("narrow")
    assert (await there.ask(chat())).status == 400
    event = await records.last()
    assert (event.status, event.backend, event.currency, event.cost_nano) == (400, "", "", 0)
    assert [skip.backend for skip in event.skipped] == ["narrow"]


async def test_a_bug_here_ends_no_request(there: World, errors: list[str]) -> None:
    """It is counted."""
    await there.simulator("small")
    there.route("small")
    recorder = Recorder(lambda _: 1 // 0, time.time)  # type: ignore[arg-type]
    there.plane.record = recorder
    assert (await there.ask(chat())).status == 200
    assert recorder.failures == 1
    assert any("was not recorded" in error for error in errors)
    errors.clear()
