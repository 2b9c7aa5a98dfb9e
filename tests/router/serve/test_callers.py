"""Who may call, over real sockets: 401 and 403 in OpenAI's shape, for the real SDK too."""

import asyncio
import json
import logging
from dataclasses import replace

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageParam

from pointsman.api.callers import digest_of
from pointsman.api.table import Match, PolicyBlob, Route, Target
from pointsman.router.callers import NOT_READ, OPEN, OPEN_HERE, Caller, callers_of
from pointsman.routing import compile_policy, compile_table
from tests.router.serve.world import LIMITS, PATIENCE_S, World, chat, post, until, world

KEY = "pmk-canary-of-the-app-0123456789abcdefghijk"
OTHER = "pmk-canary-of-another-0123456789abcdefghijk"
BEARER = {"authorization": f"Bearer {KEY}"}


def caller(*keys: str, name: str = "app", policies: frozenset[str] | None = None) -> Caller:
    digests = frozenset(digest_of(key.encode()) for key in keys)
    return Caller(name, "search", policies, digests)


@pytest.fixture
async def desk(there: World) -> World:
    """Policies `desk` (auto, fast) and `lab` (secret); one caller, who may use everything."""
    await there.simulator("small")
    route = Route(name="default", targets=(Target(backend="small"),))
    names = {"desk": ("auto", "fast"), "lab": ("secret",)}
    blobs = [
        PolicyBlob(
            namespace="default", name=policy, revision="r1", model_names=models,
            routes=(route,), backends=there.backends,
        )
        for policy, models in names.items()
    ]  # fmt: skip
    there.live.table = compile_table(compile_policy(blob, blob.name) for blob in blobs)
    there.live.ready = True
    there.live.callers = callers_of([caller(KEY)], complete=True)
    return there


def limited(there: World) -> None:
    """The caller may use `desk` alone."""
    there.live.callers = callers_of([caller(KEY, policies=frozenset({"desk"}))], complete=True)


async def get(there: World, path: str, *lines: str, method: str = "GET") -> bytes:
    """The whole answer to a request without a body, on a connection that ends with it."""
    head = "".join(f"{line}\r\n" for line in ("host: x", "connection: close", *lines))
    async with there.client() as client:
        await client.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        return await client.rest()


def sdk(there: World, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key=key, max_retries=0, timeout=PATIENCE_S
    )


async def test_a_known_key_is_answered_and_goes_no_further(desk: World) -> None:
    """The backend does not see it; the debug headers say whose it was."""
    reply = await desk.ask(**BEARER, x_pointsman_debug="true")

    assert (reply.status, reply.content.split()[0]) == (200, "model-small")
    assert reply.headers["x-pointsman-caller"] == "app"
    assert reply.headers["x-pointsman-team"] == "search"
    assert "authorization" not in desk.seen("small")[0]
    assert desk.count("team_requests_total", team="search", code="200") == 1
    assert desk.count("team_tokens_total", team="search", direction="output", source="stated") == 8
    plain = await desk.ask(**BEARER)
    assert not {"x-pointsman-caller", "x-pointsman-team"} & plain.headers.keys()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "NoKey"),
        ({"authorization": "Bearer nonsense"}, "UnknownKey"),
        ({"authorization": f"Basic {KEY}"}, "Malformed"),
        ({"authorization": f"Bearer {KEY}", "Authorization": f"Bearer {KEY}"}, "Malformed"),
        ({"x-api-key": "nonsense"}, "UnknownKey"),
        ({"x-api-key": KEY, "X-API-Key": KEY}, "Malformed"),
        ({"x-api-key": ""}, "Malformed"),
        ({"x-api-key": KEY, "authorization": "Bearer nonsense"}, "UnknownKey"),
    ],
)
async def test_without_a_key_that_counts_it_is_401(
    desk: World, headers: dict[str, str], reason: str
) -> None:
    """With a challenge, counted, and without a word of what was sent; the connection lives on."""
    async with desk.client() as client:
        await client.send(post(chat(), headers=headers))
        reply = await client.reply()
        await client.send(post(chat(), headers=BEARER))
        assert (await client.reply()).status == 200

    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.error["code"] == "invalid_api_key"
    assert reply.error["type"] == "invalid_request_error"
    assert "nonsense" not in str(reply)
    assert desk.count("refused_callers_total", reason=reason) == 1
    assert len(desk.seen("small")) == 1


async def test_a_key_may_be_shown_as_anthropics_sdks_do(desk: World) -> None:
    """It goes no further either; beside an Authorization it says nothing."""
    for headers in ({"x_api_key": KEY}, {"x_api_key": "nonsense", **BEARER}):
        assert (await desk.ask(**headers)).status == 200
    assert not any("x-api-key" in seen for seen in desk.seen("small"))


async def test_the_sdk_raises_its_own_errors(desk: World) -> None:
    """AuthenticationError, PermissionDeniedError, NotFoundError."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
    async with sdk(desk, "pmk-unknown") as client:
        with pytest.raises(openai.AuthenticationError) as unknown:
            await client.chat.completions.create(model="auto", messages=messages)
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    assert unknown.value.code == "invalid_api_key"
    async with sdk(desk) as client:
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nothing", messages=messages)
        limited(desk)
        with pytest.raises(openai.PermissionDeniedError) as denied:
            await client.chat.completions.create(model="secret", messages=messages)
        answer = await client.chat.completions.create(model="fast", messages=messages)
        assert answer.choices[0].message.content
    assert (denied.value.code, denied.value.param) == ("model_not_found", "model")


async def test_who_is_limited_cannot_tell_what_else_there_is(desk: World) -> None:
    """A model of another policy and one that nobody has give the same answer, everywhere."""
    limited(desk)
    line = f"authorization: Bearer {KEY}"
    for path in ("/v1/models/secret", "/v1/models/sacred"):
        assert b"HTTP/1.1 403 " in await get(desk, path, line)
    asked = {name: await desk.ask(chat(name), **BEARER) for name in ("secret", "sacred")}
    shown = {
        name: (r.status, str(r.error).replace(name, "MODEL"), sorted(r.headers))
        for name, r in asked.items()
    }

    assert shown["secret"] == shown["sacred"]
    assert asked["secret"].status == 403
    assert str(asked["secret"].error["message"]).endswith("Available: auto, fast.")


async def test_models_are_those_that_the_caller_may_use(desk: World) -> None:
    """All for whom everything is allowed, none for whom nothing is."""
    async with sdk(desk) as client:
        assert [m.id async for m in client.models.list()] == ["auto", "fast", "secret"]
        limited(desk)
        assert [m.id async for m in client.models.list()] == ["auto", "fast"]
        assert (await client.models.retrieve("fast")).id == "fast"
        with pytest.raises(openai.PermissionDeniedError):
            await client.models.retrieve("secret")
        desk.live.callers = callers_of([caller(KEY, policies=frozenset())], complete=True)
        assert [m.id async for m in client.models.list()] == []


async def test_only_health_is_open(desk: World) -> None:
    """Unknown paths and wrong methods say nothing to strangers."""
    assert b"HTTP/1.1 200 " in await get(desk, "/healthz")
    for path in ("/v1/models", "/v1/models/auto", "/v1/nothing", "/", "/v1/chat/completions"):
        assert b"HTTP/1.1 401 " in await get(desk, path)
        assert b"HTTP/1.1 401 " in await get(desk, path, method="HEAD")


async def test_before_a_secret_was_read_it_is_503(desk: World) -> None:
    """Neither 401, which an SDK would not try again, nor open; an open router asks nobody."""
    desk.live.callers = NOT_READ
    refused = await desk.ask(**BEARER)
    models = await get(desk, "/v1/models", f"authorization: Bearer {KEY}")
    desk.live.callers = OPEN
    answered = await desk.ask()

    assert (refused.status, refused.error["code"]) == (503, "not_ready")
    assert refused.headers["retry-after"] == "1"
    assert b"HTTP/1.1 503 " in models
    assert answered.status == 200


async def test_a_page_of_another_site_reaches_no_model(desk: World) -> None:
    """A browser sends such a post without asking, and would have it paid."""
    desk.live.callers = OPEN_HERE
    foreign = await desk.ask(origin="https://evil.example.com", content_type="text/plain")
    ours = await desk.ask(origin="http://localhost:3000")

    assert (foreign.status, foreign.error["code"]) == (403, "foreign_page")
    assert ours.status == 200
    assert sum(len(desk.seen(name)) for name in desk.simulators) == 1


async def test_a_strangers_body_is_not_kept(desk: World) -> None:
    """It is read to its end, so that the answer arrives, and counts nowhere."""
    size = LIMITS.body_bytes
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n"
    async with desk.client() as client:
        await client.send(f"{head}authorization: Bearer x\r\n\r\n".encode())
        for _ in range(size // 2**20 - 1):
            await client.send(b" " * 2**20)
            assert desk.plane.held_bodies_bytes == 0
        await client.send(b" " * 2**20)
        reply = await client.reply()
        await client.send(post(chat(), headers=BEARER))
        assert (await client.reply()).status == 200
    assert reply.status == 401


async def test_a_body_of_a_caller_is_kept(desk: World) -> None:
    """Else the test above would hold for everybody."""
    async with desk.client() as client:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n"
        await client.send(f"{head}authorization: Bearer {KEY}\r\n\r\n".encode() + b" " * 500_000)
        await until(lambda: desk.plane.held_bodies_bytes == 500_000)


async def test_who_asks_before_sending_is_told_at_once(desk: World) -> None:
    """No `100 Continue` for a stranger: 401, and the connection ends."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n"
    async with desk.client() as client:
        await client.send(head + b"expect: 100-continue\r\n\r\n")
        said = await client.rest()

    assert said.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close\r\n" in said
    assert desk.count("refused_callers_total", reason="NoKey") == 1


async def test_a_key_that_is_withdrawn_while_a_body_comes_does_not_count(desk: World) -> None:
    """The verdict of the head is judged again; one that is still known goes on."""
    data = post(chat(), headers=BEARER)
    async with desk.client() as one, desk.client() as two:
        for client in (one, two):
            await client.send(data[:-5])
        await until(lambda: all(c._reader.in_body for c in desk.plane._clients))
        desk.live.callers = callers_of([caller(KEY, OTHER)], complete=True)
        await one.send(data[-5:])
        assert (await one.reply()).status == 200
        desk.live.callers = callers_of([caller(OTHER)], complete=True)
        await two.send(data[-5:])
        assert (await two.reply()).status == 401


async def test_rotation_while_requests_flow_refuses_nobody(desk: World) -> None:
    """Old key, both, new key; the callers change over while both count."""
    keys = [f"pmk-{number:040}" for number in range(6)]
    current = keys[0]
    statuses: list[list[int]] = [[] for _ in range(8)]
    stop = asyncio.Event()

    async def keep_asking(seen: list[int]) -> None:
        async with desk.client() as client:
            while not stop.is_set():
                await client.send(post(chat(), headers={"authorization": f"Bearer {current}"}))
                seen.append((await client.reply()).status)

    async def two_rounds() -> None:
        """Whoever began before has ended, and begun anew."""
        goals = [len(seen) + 2 for seen in statuses]
        await until(
            lambda: all(len(seen) >= goal for seen, goal in zip(statuses, goals, strict=True))
        )

    desk.live.callers = callers_of([caller(current)], complete=True)
    async with asyncio.TaskGroup() as group:
        for seen in statuses:
            group.create_task(keep_asking(seen))
        for new in keys[1:]:
            desk.live.callers = callers_of([caller(current, new)], complete=True)
            current = new
            await two_rounds()
            desk.live.callers = callers_of([caller(new)], complete=True)
            await two_rounds()
        stop.set()

    assert {status for seen in statuses for status in seen} == {200}
    assert (await desk.ask(authorization=f"Bearer {keys[0]}")).status == 401


async def test_expiry_counts_by_the_clock_of_the_wall(desk: World) -> None:
    """A key of the past is refused, one of the future is not."""
    now_s = desk.plane.wall()
    past = replace(caller(KEY), expires_at_s=now_s - 1)
    future = replace(caller(OTHER, name="later"), expires_at_s=now_s + 3600)
    desk.live.callers = callers_of([past, future], complete=True)
    expired = await desk.ask(**BEARER)

    assert (expired.status, expired.error["code"]) == (401, "invalid_api_key")
    assert "expired" in str(expired.error["message"])
    assert (await desk.ask(authorization=f"Bearer {OTHER}")).status == 200


async def test_a_key_is_in_nothing_that_is_said(
    desk: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in an answer, a metric or a log, whatever goes wrong with the request."""
    caplog.set_level(logging.DEBUG)
    said = ""
    for body in (b"{", b"\xff", json.dumps(chat("nothing")).encode(), chat()):
        for value in (f"Bearer {KEY}", f"Bearer {OTHER}", f"Basic {KEY}", KEY, f"Bearer {KEY} x"):
            said += str(await desk.ask(body, authorization=value, x_pointsman_debug="true"))
    metrics = [str(family) for family in desk.metrics.registry.collect()]
    said += "".join(metrics) + "".join(str(vars(record)) for record in caplog.records)

    assert KEY not in said
    assert OTHER not in said


_VISIBLE = st.binary(max_size=200).map(lambda value: bytes(b for b in value if b not in b"\r\n\0"))
_SCHEME = st.sampled_from((b"Bearer ", b"bearer ", b"Basic ", b""))
_SHOWN = st.tuples(_SCHEME, _VISIBLE).map(b"".join)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(values=st.lists(_SHOWN, max_size=3))
def test_no_bytes_as_authorization_break_or_open_a_router(values: list[bytes]) -> None:
    """Over a socket: 400 or 401 or a known key, never more."""

    async def ask() -> bytes:
        async with world() as there:
            there.live.callers = callers_of([caller(KEY)], complete=True)
            lines = b"".join(b"authorization: %b\r\n" % value for value in values)
            async with there.client() as client:
                await client.send(
                    b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + lines + b"\r\n"
                )
                return await client.rest()

    answer = asyncio.run(ask())
    assert answer.split(b" ")[1] in (b"400", b"401")


async def test_a_rule_may_ask_who_calls(desk: World) -> None:
    """By the name and the team of the key, which a caller cannot choose."""
    rule = Match(expression="request.caller == 'app' && request.team == 'search'")
    desk.put(
        Route(name="ours", targets=(Target(backend="small"),), matches=(rule,)),
        Route(name="default", targets=(Target(backend="small"),)),
    )
    desk.live.callers = callers_of([caller(KEY)], complete=True)
    assert (await desk.ask(**BEARER)).headers["x-pointsman-rule"] == "ours"
