"""What a caller sees when all goes well."""

import asyncio
import json

import pytest
from openai import AsyncOpenAI

from pointsman.api.table import Backend, Match, Price, Route, ServiceAddress, Target
from tests.router.serve.test_fallback import DONE, SSE_HEAD, WORD
from tests.router.serve.world import World, chat, post


@pytest.fixture
async def one(there: World) -> World:
    """One backend, `small`."""
    await there.simulator("small")
    there.route("small")
    return there


async def test_an_openai_sdk_gets_a_whole_answer(one: World) -> None:
    """The real SDK, unstreamed: content, usage, the backend's own model name."""
    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{one.port}/v1", api_key="sk-caller"
    ) as client:
        answer = await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hello"}]
        )
    assert answer.choices[0].message.content is not None
    assert answer.choices[0].message.content.startswith("model-small here.")
    assert answer.model == "model-small"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


async def test_an_openai_sdk_gets_a_stream(one: World) -> None:
    """The real SDK, streamed with usage: the same text, then usage, then a clean end."""
    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{one.port}/v1", api_key="sk-caller"
    ) as client:
        stream = await client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("model-small here.")
    assert chunks[-1].usage is not None
    assert one.count("tokens_total", backend="small", direction="output", source="stated") == 8


async def test_what_ended_is_known_by_rule(there: World) -> None:
    """Two requests and the seconds that they took; nothing of what had no route."""
    await there.simulator("small", ttft_s=0.01)  # uvloop's clock counts whole milliseconds
    there.route("small")
    for _ in range(2):
        assert (await there.ask(chat())).status == 200
    assert (await there.ask(chat("nobody"))).status == 404
    (rules,) = there.live.served().values()
    ((rule, backends),) = rules.items()
    ((backend, (count, seconds)),) = backends.items()

    assert (rule, backend, count) == ("default", "small", 2)
    assert 0 < seconds < 60


async def test_the_answer_comes_back_byte_by_byte_as_the_backend_sent_it(one: World) -> None:
    """Only the framing is the router's."""
    through = await one.ask(chat(stream=True))
    endpoint = one.live.endpoints["default/small:8000"][0]
    one.port, router = endpoint.port, one.port
    direct = await one.ask(chat("model-small", stream=True))
    one.port = router

    def text(body: bytes) -> list[object]:
        found = [json.loads(e[6:]) for e in body.decode().split("\n\n") if "{" in e]
        for event in found:
            del event["id"], event["created"]
        return found

    assert text(through.body) == text(direct.body)
    assert through.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
async def test_decision_headers_are_on_every_answer(one: World, stream: bool) -> None:
    """Backend, policy, revision, rule, a unique id, attempts, the router's own time."""
    replies = [await one.ask(chat(stream=stream)) for _ in range(2)]
    for reply in replies:
        got = {k[12:]: v for k, v in reply.headers.items() if k.startswith("x-pointsman-")}
        assert 0 < float(got.pop("overhead-ms")) < 1000
        assert got.pop("decision-id")
        assert got == {
            "backend": "small",
            "policy": "desk",
            "revision": "r1",
            "rule": "default",
            "attempts": "1",
        }
    assert len({reply.headers["x-pointsman-decision-id"] for reply in replies}) == 2


async def test_debug_headers_come_only_when_asked_for(one: World) -> None:
    """x-pointsman-debug: true adds task, language, tokens, and the evidence in our own words."""
    reply = await one.ask(x_pointsman_debug="true")
    assert {"x-pointsman-task", "x-pointsman-language"} <= set(reply.headers)
    assert int(reply.headers["x-pointsman-tokens"]) > 0
    assert reply.headers["x-pointsman-complexity"] == "Simple"
    assert reply.headers["x-pointsman-domain"] == "General"
    assert "complexity: " in reply.headers["x-pointsman-evidence"]
    plain = await one.ask()
    assert not any("evidence" in name or "domain" in name for name in plain.headers)


async def test_the_callers_secrets_never_reach_a_backend(one: World) -> None:
    """Headers go upstream by allow-list; trace context and request id do."""
    await one.ask(
        authorization="Bearer sk-caller",
        cookie="session=1",
        api_key="sk-caller",
        x_api_key="sk-caller",
        x_pointsman_debug="true",
        openai_organization="org",
        proxy_authorization="Basic x",
        te="trailers",
        user_agent="sdk",
        accept_encoding="gzip",
        traceparent="00-1-2-01",
        tracestate="a=b",
        x_request_id="caller-1",
        accept="application/json",
    )
    (headers,) = one.seen("small")
    assert set(headers) == {
        "host", "user-agent", "accept", "accept-encoding", "content-type", "content-length",
        "traceparent", "tracestate", "x-request-id", "x-pointsman-hops",
    }  # fmt: skip
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "pointsman"
    assert headers["x-request-id"] == "caller-1"


async def test_only_the_models_name_changes_in_the_body(one: World) -> None:
    """All other bytes go upstream as they came."""
    body = b'{ "messages":[{"role":"user","content":"h\\u00e9 \\"model\\""}], "model" : "auto"\n}'
    await one.ask(body)
    (entry,) = one.simulators["small"].log.as_json()
    assert entry["body"] == body.decode().replace('"auto"', '"model-small"')


async def test_account_headers_never_come_back(there: World) -> None:
    """Set-Cookie, rate limits and organization are between the router and the provider."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"choices": []}'
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\n"
            b"openai-organization: org\r\nx-ratelimit-remaining-tokens: 5\r\nserver: x\r\n"
            b"x-request-id: req_1\r\nopenai-processing-ms: 3\r\nstrict-transport-security: 1\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()

    await there.scripted("odd", serve)
    there.route("odd")
    reply = await there.ask()
    ours = {name for name in reply.headers if not name.startswith("x-pointsman-")}
    assert ours == {"content-type", "content-length", "x-request-id"}
    assert reply.headers["x-pointsman-provider-request-id"] == "req_1"
    assert reply.headers["x-request-id"] == reply.headers["x-pointsman-decision-id"]


async def test_models_are_the_names_of_all_policies(one: World) -> None:
    """GET /v1/models and /v1/models/{id} in OpenAI's shape, for the SDK too."""
    one.route("small", model_names=("auto", "team/fast"))
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{one.port}/v1", api_key="x") as client:
        assert [m.id async for m in client.models.list()] == ["auto", "team/fast"]
        assert (await client.models.retrieve("team/fast")).id == "team/fast"


async def test_connections_to_a_backend_are_reused(one: World) -> None:
    """A hundred requests one after another need one connection."""
    async with one.client() as client:
        for number in range(100):
            await client.send(post(chat(stream=number % 2 == 0)))
            assert (await client.reply()).status == 200
            assert len(one.simulators["small"].connections) == 1


async def test_pipelined_requests_are_answered_in_order(one: World) -> None:
    """Many requests in one write, of all kinds."""
    sent = [chat(stream=n % 3 == 0, user=str(n)) for n in range(40)]
    async with one.client() as client:
        await client.send(b"".join(post(body, headers={"x-request-id": str(n)})
                                   for n, body in enumerate(sent)))  # fmt: skip
        replies = [await client.reply() for _ in sent]
    assert [reply.headers["x-request-id"] for reply in replies] == [str(n) for n in range(40)]
    assert {reply.status for reply in replies} == {200}


async def test_rules_match_on_headers_and_metadata(one: World) -> None:
    """What the caller sends decides where a rule says so."""
    await one.simulator("large")
    one.put(
        Route(
            name="gold",
            match=Match(metadata={"tier": "gold"}),
            targets=(Target(backend="large"),),
        ),
        Route(name="default", targets=(Target(backend="small"),)),
    )
    reply = await one.ask(chat(metadata={"tier": "gold"}))
    assert reply.headers["x-pointsman-rule"] == "gold"
    assert reply.content.startswith("model-large")
    assert (await one.ask()).headers["x-pointsman-rule"] == "default"


async def test_a_cost_is_counted_by_the_declared_prices(one: World) -> None:
    """Eight tokens of output at 1,000,000 for a million are 8."""
    backend = one.backends["small"]
    assert isinstance(backend.address, ServiceAddress)
    one.backends["small"] = Backend(
        name="small",
        model=backend.model,
        address=backend.address,
        prices=(Price(output_pico=10**12),),
        currency="EUR",
    )
    one.route("small")
    await one.ask()
    assert one.count("cost_total", backend="small", currency="EUR") == 8
    assert one.count("attempts_total", backend="small", outcome="Ok") == 1
    labels = {"policy": "desk", "rule": "default", "backend": "small"}
    assert one.count("requests_total", code="200", **labels) == 1
    assert one.count("request_duration_seconds_count", **labels) == 1


async def test_requests_spread_over_endpoints(there: World) -> None:
    """Power of two choices: while one endpoint is busy, the other gets the next request."""
    first, port_1 = await there.simulated("pair", ttft_s=0.2)
    second, port_2 = await there.simulated("pair", ttft_s=0.2)
    there.place("pair", port_1, port_2)
    there.route("pair")
    await asyncio.gather(there.ask(), there.ask())
    assert len(first.log.as_json()) == len(second.log.as_json()) == 1


@pytest.mark.parametrize("http10", [False, True], ids=["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
async def test_chunks_go_on_whatever_their_framing(
    there: World, *, cut: bool, http10: bool
) -> None:
    """A chunk that comes alone and whole is not framed anew; the content is the same if it is not,
    and bare for who knows no chunks."""
    pieces = [b"00%X\r\n%b\r\n" % (len(event), event) for event in (WORD, WORD * 30, DONE)]
    if cut:
        pieces = [part for piece in pieces for part in (piece[:9], piece[9:])]

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (SSE_HEAD, *pieces, b"0\r\n\r\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)  # so that each comes in a read of its own

    await there.scripted("first", slow)
    there.route("first")
    request = post(chat(stream=True), headers={"connection": "close"})
    async with there.client() as client:
        await client.send(request.replace(b"HTTP/1.1", b"HTTP/1.0") if http10 else request)
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
    content = WORD + WORD * 30 + DONE
    if http10:
        assert rest == content
    else:
        assert b"transfer-encoding: chunked" in head
        read, left = b"", rest
        while left != b"0\r\n\r\n":
            digits, _, left = left.partition(b"\r\n")
            size = int(digits, 16)
            assert left[size : size + 2] == b"\r\n"
            read, left = read + left[:size], left[size + 2 :]
        assert read == content
        assert (b"00%X\r\n" % len(WORD * 30) in rest) is not cut
