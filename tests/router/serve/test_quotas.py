"""Limits of callers and teams, over real sockets: refused as OpenAI refuses, and never leaked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from pointsman.api.callers import Limits, digest_of
from pointsman.api.table import Budget, Fallback, Route, Target
from pointsman.router.callers import Caller, callers_of
from pointsman.router.policy.limits import MINUTE_NS
from pointsman.simulator.faults import NO_FAULT, Fault, FaultMode
from tests.router.serve.test_fallback import SSE_HEAD, WORD, chunked
from tests.router.serve.world import Client, Reply, World, chat, leaks, post, until


class Time:
    """The clock of limits, set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def desk(there: World) -> World:
    """One simulator behind `auto`."""
    await there.simulator("small")
    there.route("small")
    return there


@pytest.fixture
def time(there: World) -> Time:
    """The limits' clock stands still."""
    there.plane.quotas.clock = found = Time()
    return found


def key(name: str) -> str:
    return f"pmk-of-{name}-0123456789abcdefghijklmnopqrst"


def known(there: World, *callers: tuple[str, Limits | None], team: Limits | None = None) -> None:
    """These are the callers, all of team `search`."""
    there.live.callers = callers_of(
        [
            Caller(
                name, "search", None, frozenset({digest_of(key(name).encode())}),
                limits=limits, team_limits=team,
            )
            for name, limits in callers
        ],
        complete=True,
    )  # fmt: skip


def bearer(name: str = "app") -> dict[str, str]:
    return {"authorization": f"Bearer {key(name)}"}


async def ask(there: World, name: str = "app", **more: object) -> Reply:
    return await there.ask(chat(**more), **bearer(name))  # type: ignore[arg-type]


def told(reply: Reply, of: str) -> tuple[str | None, ...]:
    """The three headers."""
    return tuple(reply.headers.get(f"x-ratelimit-{what}-{of}") for what in LINES)


LINES = ("limit", "remaining", "reset")


async def test_every_answer_tells_what_is_left(desk: World, time: Time) -> None:
    """By OpenAI's headers, of what is limited alone."""
    known(desk, ("app", Limits(rpm=3)))
    first, second = await ask(desk), await ask(desk, stream=True)
    time.now_s += 5.0
    third = await ask(desk)

    assert told(first, "requests") == ("3", "2", "20s")
    assert told(second, "requests") == ("3", "1", "40s")
    assert told(third, "requests") == ("3", "0", "55s")
    assert told(first, "tokens") == (None, None, None)


async def test_who_has_no_limits_hears_of_none(desk: World) -> None:
    """And nothing is kept of it."""
    known(desk, ("app", None))
    reply = await ask(desk)

    assert reply.status == 200
    assert not [name for name in reply.headers if "ratelimit" in name]
    assert desk.plane.quotas._quotas == {}


async def test_a_request_too_many_is_refused_and_takes_nothing(desk: World, time: Time) -> None:
    """429 in OpenAI's shape; it waits as long as it was told, and no longer."""
    known(desk, ("app", Limits(rpm=2)))
    assert [(await ask(desk)).status for _ in range(2)] == [200, 200]
    time.now_s += 1.0
    refused = [await ask(desk, stream=stream) for stream in (False, True, False)]

    for reply in refused:
        assert (reply.status, reply.headers["retry-after"]) == (429, "29")
        assert told(reply, "requests") == ("2", "0", "59s")
        assert reply.error["code"] == "rate_limit_exceeded"
        assert reply.error["type"] == "rate_limit_error"
        assert reply.error["message"] == (
            "Rate limit reached for caller app on requests per minute: limit 2. "
            "Please try again in 29s."
        )
    assert len(desk.seen("small")) == 2
    assert desk.count("limited_total", team="search", limit="Requests") == 3
    assert desk.count("team_requests_total", team="search", code="429") == 3
    time.now_s += 28.9
    assert (await ask(desk)).status == 429
    time.now_s += 0.1
    assert (await ask(desk)).status == 200


async def test_what_no_backend_may_take_costs_nothing(desk: World, time: Time) -> None:
    """An unknown model, a body that is no request."""
    known(desk, ("app", Limits(rpm=1)))
    assert (await ask(desk, model="other")).status == 404
    assert (await desk.ask(b"{}", **bearer())).status == 400
    assert (await ask(desk)).status == 200


async def test_tokens_are_reserved_and_then_counted(desk: World, time: Time) -> None:
    """While a request runs: its prompt and the most it may be answered; then what it used."""
    known(desk, ("app", Limits(tpm=6000)))
    first = await ask(desk, max_tokens=500)
    usage = cast(dict[str, int], first.json()["usage"])
    second = await ask(desk, max_tokens=500)
    unsaid = await ask(desk)

    left = int(first.headers["x-ratelimit-remaining-tokens"])
    prompt, total = 6000 - 500 - left, usage["total_tokens"]
    assert 5 <= prompt <= 40
    assert first.headers["x-ratelimit-limit-tokens"] == "6000"
    assert int(second.headers["x-ratelimit-remaining-tokens"]) == 6000 - total - prompt - 500
    unsaid_prompt = 6000 - 2 * total - 1024 - int(unsaid.headers["x-ratelimit-remaining-tokens"])
    assert 5 <= unsaid_prompt <= prompt
    time.now_s += 60.0
    third = await ask(desk, max_tokens=500)
    assert int(third.headers["x-ratelimit-remaining-tokens"]) == left


async def test_tokens_that_run_keep_others_out(desk: World, time: Time) -> None:
    """Two at once cannot both be let in on the same tokens; when the first ends the second may."""
    known(desk, ("app", Limits(tpm=1000)))
    desk.simulators["small"].faults.order(Fault(FaultMode.HANG))
    async with desk.client() as client:
        await client.send(post(chat(max_tokens=600), headers=bearer()))
        await until(lambda: desk.live.in_flight == {"small": 1})
        refused = await ask(desk, max_tokens=600)
        assert (refused.status, refused.headers["retry-after"]) == (429, "16")
        assert "on tokens per minute: limit 1000" in str(refused.error["message"])
    await until(lambda: desk.live.in_flight == {})
    desk.simulators["small"].faults.order(NO_FAULT)
    # It left before it was answered, and nobody can say what its backend did: all of it counts.
    assert (await ask(desk, max_tokens=600)).status == 429
    time.now_s += 60.0
    assert (await ask(desk, max_tokens=600)).status == 200


@pytest.mark.parametrize("asked", [{}, {"max_tokens": 8}])
async def test_to_leave_before_the_end_saves_no_tokens(
    desk: World, time: Time, asked: dict[str, int]
) -> None:
    """Of limits and budgets: an answer that nobody bounds, or that is too long, is more by then."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD + b"".join(chunked(WORD * 3000)))
        await reader.read()

    await desk.scripted("small", server)
    counts = Budget("b", "Policy", "Month", enforce=False, limit=10**6)
    desk.put(Route(name="default", targets=(Target(backend="small"),)), budgets=(counts,))
    known(desk, ("app", Limits(tpm=10**6)))
    async with desk.client() as client:
        await client.send(post({**chat(stream=True), **asked}, headers=bearer()))
        for _ in range(3000):
            await client.read_until(b"word")
    await until(lambda: desk.live.in_flight == {})
    (quota,), (purse,) = desk.plane.quotas._quotas.values(), desk.plane.budgets._purses.values()
    assert quota.state.tokens > 2900 * MINUTE_NS
    assert purse.part.used > 2900


async def test_more_tokens_than_a_minute_has(desk: World, time: Time) -> None:
    """Trying again is of no use, and the SDKs are told so."""
    known(desk, ("app", Limits(tpm=100)))
    reply = await ask(desk, max_tokens=500)

    assert reply.status == 429
    assert "retry-after" not in reply.headers
    assert reply.headers["x-should-retry"] == "false"
    assert str(reply.error["message"]).startswith(
        "Request too large for caller app on tokens per minute: limit 100, requested 5"
    )
    assert told(reply, "tokens") == ("100", "100", "0ms")


async def test_a_batch_of_texts_counts_whole(desk: World, time: Time) -> None:
    """Not the longest alone."""
    known(desk, ("app", Limits(tpm=1000)))
    body = {"model": "auto", "input": ["word " * 20] * 50}
    async with desk.client() as client:
        await client.send(post(body, path="/v1/embeddings", headers=bearer()))
        assert (await client.reply()).status == 429


async def test_each_answer_of_a_request_is_reserved(desk: World, time: Time) -> None:
    """`n` of them are as many times the tokens; as many requests at once overran the limit."""
    known(desk, ("app", Limits(tpm=1000)))
    assert (await ask(desk, n=3, max_tokens=300)).status == 200
    time.now_s += 60
    reply = await ask(desk, n=4, max_tokens=300)
    assert reply.status == 429
    assert "Request too large for caller app" in str(reply.error["message"])


async def test_a_team_shares_its_limits(desk: World, time: Time) -> None:
    """Each caller has its own besides; the tighter one is told, and refused takes from neither."""
    known(desk, ("app", Limits(rpm=2)), ("job", None), team=Limits(rpm=4))
    statuses = [(await ask(desk, name)).status for name in ("app", "app", "app", "job")]
    job, over = await ask(desk, "job"), await ask(desk, "job")

    assert statuses == [200, 200, 429, 200]
    assert told(job, "requests") == ("4", "0", "1m0s")
    assert over.status == 429
    assert "for team search on requests per minute: limit 4" in str(over.error["message"])


async def test_new_limits_count_at_once(desk: World, time: Time) -> None:
    """What was used stays used; a caller that is named no more is forgotten."""
    known(desk, ("app", Limits(rpm=10)))
    for _ in range(4):
        await ask(desk)
    known(desk, ("app", Limits(rpm=4)))
    assert (await ask(desk)).status == 429
    known(desk, ("app", None))
    assert (await ask(desk)).status == 200
    known(desk, ("job", Limits(rpm=10)))
    assert told(await ask(desk, "job"), "requests")[1] == "9"
    assert [*desk.plane.quotas._quotas] == [("caller", "job")]


# However a request ends, its slot is free again.

Ending = Callable[[World, Client], Awaitable[None]]
SLOW = Fault(FaultMode.HANG)


async def _answered(there: World, client: Client) -> None:
    await client.send(post(chat(), headers=bearer()))
    assert (await client.reply()).status == 200


async def _streamed(there: World, client: Client) -> None:
    await client.send(post(chat(stream=True), headers=bearer()))
    assert (await client.reply()).status == 200


async def _left_before(there: World, client: Client) -> None:
    there.simulators["small"].faults.order(SLOW)
    await client.send(post(chat(), headers=bearer()))
    await until(lambda: there.live.in_flight == {"small": 1})
    await client.close()


async def _left_in_a_stream(there: World, client: Client) -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD + b"".join(chunked(WORD)))
        await reader.read()

    await there.scripted("small", server)
    there.route("small")
    await client.send(post(chat(stream=True), headers=bearer()))
    await client.read_until(b"data: ")
    await client.close()


async def _broke_off(there: World, client: Client) -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD + b"".join(chunked(WORD)))
        await writer.drain()

    await there.scripted("small", server)
    there.route("small")
    await client.send(post(chat(stream=True), headers=bearer()))
    assert (await client.reply()).events


async def _failed(there: World, client: Client) -> None:
    there.place("small")
    there.route("small")
    await client.send(post(chat(), headers=bearer()))
    assert (await client.reply()).status == 503


async def _fell_back(there: World, client: Client) -> None:
    await there.simulator("large")
    there.place("small")
    there.route("small", "large", fallback=Fallback(chain=("large",)))
    await client.send(post(chat(), headers=bearer()))
    assert (await client.reply()).status == 200


async def _refused_by_the_backend(there: World, client: Client) -> None:
    await client.send(post(chat(temperature=3), headers=bearer()))
    assert (await client.reply()).status == 400


async def _too_late(there: World, client: Client) -> None:
    there.simulators["small"].faults.order(SLOW)
    there.route("small", request_timeout_s=0.05)
    await client.send(post(chat(), headers=bearer()))
    assert (await client.reply()).status == 504


async def _cut(there: World, client: Client) -> None:
    there.simulators["small"].faults.order(SLOW)
    await client.send(post(chat(), headers=bearer()))
    await until(lambda: there.live.in_flight == {"small": 1})
    there.plane.hurry()
    assert await there.plane.drain(0.0) == 1


ENDINGS = (
    _answered, _streamed, _left_before, _left_in_a_stream, _broke_off, _failed, _fell_back,
    _refused_by_the_backend, _too_late, _cut,
)  # fmt: skip


@pytest.mark.parametrize("end", ENDINGS, ids=[end.__name__ for end in ENDINGS])
async def test_a_slot_is_given_back_once(desk: World, time: Time, end: Ending) -> None:
    """Of the caller and of its team, with the tokens that were reserved."""
    limits = Limits(tpm=10**6, max_concurrent_requests=1)
    known(desk, ("app", limits), team=limits)
    async with desk.client() as client:
        await end(desk, client)
        await until(lambda: not [held for held in leaks(desk.plane) if "of callers" in held])
    states = [quota.state for quota in desk.plane.quotas._quotas.values()]
    assert [(state.running, state.held_tokens) for state in states] == [(0, 0)] * 2


async def test_a_slot_is_given_back_after_a_bug(desk: World, time: Time, errors: list[str]) -> None:
    """Of this program."""
    known(desk, ("app", Limits(max_concurrent_requests=1)))
    desk.live.credentials = None  # type: ignore[assignment]
    desk.external("small", "https://127.0.0.1:1/v1")
    desk.route("small")
    assert (await ask(desk)).status == 500
    assert errors.pop()
    desk.metrics.internal_errors = 0
    assert desk.plane.quotas._quotas["caller", "app"].state.running == 0


async def test_no_more_at_once_than_allowed(desk: World, time: Time) -> None:
    """The second waits for the first to end, as it is told: a second."""
    known(desk, ("app", Limits(max_concurrent_requests=2)))
    desk.simulators["small"].faults.order(Fault(FaultMode.HANG))
    async with desk.client() as one, desk.client() as two:
        for client in (one, two):
            await client.send(post(chat(), headers=bearer()))
        await until(lambda: desk.live.in_flight == {"small": 2})
        refused = await ask(desk)
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert "on requests at once: limit 2" in str(refused.error["message"])
        await one.close()
        desk.simulators["small"].faults.order(NO_FAULT)
        await until(lambda: desk.live.in_flight == {"small": 1})
        assert (await ask(desk)).status == 200
