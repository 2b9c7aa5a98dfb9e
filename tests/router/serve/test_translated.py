"""Other APIs in front of chat backends: the way of a chat for all but the words that are spoken."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pointsman.api.callers import Limits as CallerLimits
from pointsman.api.callers import digest_of
from pointsman.api.profile import Parameter, Profile
from pointsman.api.table import Activation, Capture, HeaderMatch, Match, Route, Target
from pointsman.events.schema import Request, decode
from pointsman.router.callers import Caller, callers_of
from pointsman.router.policy.outlier import FAILURES
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.record import Recorder
from pointsman.router.wire.sse import EventReader
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import LIMITS, Reply, World, post, until, world


@dataclass(frozen=True)
class Api:
    """One of them, as its callers see it."""

    path: str
    body: dict[str, Any]
    text: Callable[[Any], str]
    """Of a whole answer."""
    last: str
    """The type of a stream's last event."""
    broken: str
    """The same of one that broke."""
    error: Callable[[Any], tuple[str, str]]
    """(message, code) of an error's body."""
    spent: Callable[[Any], int]
    """Output tokens of a whole answer."""


QUESTION = "Which train leaves first?"
MESSAGES = Api(
    "/v1/messages",
    {"model": "auto", "max_tokens": 20, "messages": [{"role": "user", "content": QUESTION}]},
    lambda answer: str(answer["content"][0]["text"]),
    "message_stop",
    "error",
    lambda body: (body["error"]["message"], body["error"].get("details", {}).get("error_code")),
    lambda answer: int(answer["usage"]["output_tokens"]),
)
RESPONSES = Api(
    "/v1/responses",
    {"model": "auto", "max_output_tokens": 20, "input": QUESTION},
    lambda answer: str(answer["output"][0]["content"][0]["text"]),
    "response.completed",
    "response.failed",
    lambda body: (body["error"]["message"], body["error"]["code"]),
    lambda answer: int(answer["usage"]["output_tokens"]),
)
APIS = [MESSAGES, RESPONSES]
EVERY_API = pytest.mark.parametrize("api", APIS, ids=lambda api: api.path)


async def ask(there: World, api: Api, *, head: dict[str, str] | None = None, **more: Any) -> Reply:
    """One request on its own connection."""
    async with there.client() as client:
        await client.send(post({**api.body, **more}, path=api.path, headers=head))
        return await client.reply()


def events(reply: Reply) -> list[dict[str, Any]]:
    """The data of a stream's events."""
    return [json.loads(data) for data in EventReader().feed(reply.body)]


def arrived(there: World, name: str) -> dict[str, Any]:
    """The body of the only request that a backend got."""
    (entry,) = there.simulators[name].log.as_json()
    assert entry["path"] == "/v1/chat/completions"
    found: dict[str, Any] = json.loads(str(entry["body"]))
    return found


@pytest.fixture
async def two(there: World) -> World:
    """`first` with `second` as its fallback; silence is cut soon."""
    await there.simulator("first")
    await there.simulator("second")
    there.route("first", "second", first_token_timeout_s=0.5, stream_idle_timeout_s=0.5)
    return there


@EVERY_API
async def test_a_backend_gets_a_chat_and_the_caller_its_own_shape(two: World, api: Api) -> None:
    """The model that answered is named, tokens are counted once, as stated."""
    reply = await ask(two, api)
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "first")
    answer = reply.json()
    assert api.text(answer).startswith("model-first here.")
    assert answer["model"] == "model-first"
    assert arrived(two, "first")["messages"] == [{"role": "user", "content": QUESTION}]
    labels = {"backend": "first", "direction": "output", "source": "stated"}
    assert two.count("tokens_total", **labels) == api.spent(answer) == 8


@EVERY_API
async def test_a_stream_is_counted_as_it_is_stated(two: World, api: Api) -> None:
    """Usage is asked for, and the chunk that nobody else would understand is not passed on."""
    reply = await ask(two, api, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert events(reply)[-1]["type"] == api.last
    assert b"[DONE]" not in reply.body
    assert b"chat.completion" not in reply.body
    assert arrived(two, "first")["stream_options"] == {"include_usage": True}
    labels = {"backend": "first", "direction": "output", "source": "stated"}
    assert two.count("tokens_total", **labels) == 8


@pytest.mark.slow
@EVERY_API
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "mode",
    [FaultMode.ERROR_500, FaultMode.ERROR_429, FaultMode.HANG, FaultMode.RESET, FaultMode.GARBAGE,
     FaultMode.WRONG_CONTENT_TYPE],
)  # fmt: skip
async def test_before_the_first_content_another_backend_answers(
    two: World, api: Api, mode: FaultMode, stream: bool
) -> None:
    """As for a chat."""
    two.simulators["first"].faults.order(Fault(mode))
    reply = await ask(two, api, stream=stream)
    assert reply.headers["x-pointsman-backend"] == "second"
    if stream:
        assert events(reply)[-1]["type"] == api.last
    else:
        assert reply.json()["model"] == "model-second"


@EVERY_API
async def test_a_stream_that_dies_says_so_in_the_callers_words(two: World, api: Api) -> None:
    """Its last event is an error, and the body ends in good form."""
    two.simulators["first"].faults.order(Fault(FaultMode.DIE_MID_STREAM, after_tokens=3))
    reply = await ask(two, api, stream=True)
    assert reply.complete
    last = events(reply)[-1]
    assert last["type"] == api.broken
    assert "incomplete" in json.dumps(last)
    assert sum(one["type"] in (api.broken, api.last) for one in events(reply)) == 1


@EVERY_API
@pytest.mark.parametrize("event", [b"data: nothing\n\n", b'data: {"error":{"message":"oh"}}\n\n'])
async def test_an_event_that_is_none_ends_a_stream(there: World, api: Api, event: bytes) -> None:
    """Whether it comes with content or after it; the backend's connection is not used again."""
    for pieces in (chunked(WORD, event), chunked(WORD + event)):
        await there.scripted("odd", answers(SSE_HEAD, *pieces, close=False))
        there.route("odd")
        reply = await ask(there, api, stream=True)
        assert (reply.status, reply.complete) == (200, True)
        assert "word" in reply.body.decode()
        assert events(reply)[-1]["type"] == api.broken
        await until(lambda: there.live.in_flight == {})


@EVERY_API
async def test_done_ends_a_stream_at_once(api: Api) -> None:
    """The caller does not wait for a backend that keeps its connection open."""
    async with world(replace(LIMITS, done_grace_s=0.3)) as there:
        await there.scripted("open", answers(SSE_HEAD, *chunked(WORD, DONE), close=False))
        there.route("open")
        async with there.client() as client:
            began_s = time.monotonic()
            await client.send(post({**api.body, "stream": True}, path=api.path))
            await client.read_until(api.last.encode() + b'"')
            assert time.monotonic() - began_s < 0.3
            await client.read_until(b"0\r\n\r\n")


def chat_answer(text: str) -> bytes:
    """A backend's, with its head."""
    body = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    return JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body.encode())


@EVERY_API
async def test_an_answer_of_any_usual_size_is_translated(api: Api) -> None:
    """Past the bound up to which a chat is held back, and not past the one for translation."""
    limits = replace(LIMITS, retries=0, translated_body_bytes=700_000)
    async with world(limits) as there:
        await there.scripted("large", answers(chat_answer("x" * 600_000)))
        there.route("large")
        assert api.text((await ask(there, api)).json()) == "x" * 600_000
        await there.scripted("huge", answers(chat_answer("x" * 1_400_000)))
        there.route("huge")
        reply = await ask(there, api)
        assert (reply.status, "larger than" in api.error(reply.json())[0]) == (502, True)


def no_object() -> bytes:
    """A whole answer of a model that cannot write JSON, with its head and its usage."""
    call = {"id": "a", "function": {"name": "look", "arguments": '{"at": nine'}}
    body = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 9}}  # fmt: skip
    data = json.dumps(body).encode()
    return JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(data), data)


async def test_what_a_model_said_tells_against_no_endpoint(there: World) -> None:
    """Its servers are well; nobody is charged, and the same is not asked again in vain."""
    ports = [await there.scripted_port(answers(no_object())) for _ in range(2)]
    there.place("weak", *ports)
    there.route("weak")
    there.live.callers = callers_of([limited(tpm=100_000)], complete=True)
    key = {"x-api-key": "sk-1"}
    for _ in range(4 * FAILURES):
        reply = await ask(there, MESSAGES, head=key)
        assert (reply.status, MESSAGES.error(reply.json())[1]) == (502, "upstream_error")
        assert "no JSON object" in MESSAGES.error(reply.json())[0]
    outcome = {"backend": "weak", "outcome": "Untranslatable"}
    assert there.count("attempts_total", **outcome) == 4 * FAILURES
    assert there.count("retries_total", backend="weak") == 0
    assert there.count("ejected_endpoints", backend="weak") == 0
    assert all(pool.outstanding == 0 for pool in there.plane.pools._pools.values())
    for direction in ("input", "output"):
        labels = {"backend": "weak", "direction": direction, "source": "stated"}
        assert there.count("tokens_total", **labels) == 0
    lines: list[bytes] = []
    there.plane.record = Recorder(lines.append, time.time)
    await ask(there, MESSAGES, head=key)
    await until(lambda: bool(lines))
    there.plane.record = None
    event = decode(lines[0])
    assert isinstance(event, Request)
    assert (event.input_tokens, event.output_tokens, event.finish) == (0, 0, "")


async def test_another_backend_answers_what_a_model_could_not_say(there: World) -> None:
    """Its answer alone is counted."""
    await there.scripted("weak", answers(no_object()))
    await there.simulator("second")
    there.route("weak", "second")
    reply = await ask(there, MESSAGES)
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "second")
    labels = {"direction": "output", "source": "stated"}
    assert there.count("tokens_total", backend="weak", **labels) == 0
    assert there.count("tokens_total", backend="second", **labels) == 8


def limited(**limits: int) -> Caller:
    """A caller with the key `sk-1`."""
    digests = frozenset({digest_of(b"sk-1")})
    return Caller("app", "team", None, digests, limits=CallerLimits(**limits))


@EVERY_API
async def test_every_refusal_is_in_the_callers_shape(api: Api) -> None:
    """401, 404, 400, 429, 503, 502 and what HTTP itself refuses; each with its id."""
    async with world(replace(LIMITS, retries=0)) as there:
        await there.simulator("first")
        await there.simulator("second")
        there.route("first", "second")
        key = {"authorization": "Bearer sk-1"}

        async def refused(status: int, code: str | None, **more: Any) -> Reply:
            reply = await ask(there, api, **more)
            assert (reply.status, api.error(reply.json())[1]) == (status, code)
            assert reply.headers["x-request-id"]
            return reply

        there.live.callers = callers_of([limited(rpm=3)], complete=True)
        await refused(401, "invalid_api_key")
        await refused(401, "invalid_api_key", head={"x-api-key": "sk-2"})
        assert (await ask(there, api, head={"x-api-key": "sk-1"})).status == 200
        await refused(404, "model_not_found", model="nope", head=key)
        await refused(400, None, model=5, head=key)
        await refused(415, None, head={**key, "content-encoding": "gzip"})
        for simulator in there.simulators.values():
            simulator.faults.order(Fault(FaultMode.ERROR_500))
        await refused(502, "upstream_error", head=key)
        for simulator in there.simulators.values():
            simulator.faults.order(Fault(FaultMode.ERROR_429, retry_after_s=90))
        reply = await refused(429, "rate_limit_exceeded", head=key)
        assert reply.headers["retry-after"] == "90"
        await refused(429, "rate_limit_exceeded", head=key)
        there.live.ready = False
        reply = await refused(503, "not_ready", head=key)
        assert reply.headers["retry-after"] == "1"


@EVERY_API
async def test_a_request_that_is_too_large_as_a_chat_is_refused(api: Api) -> None:
    """Many small parts have more words there than their caller sent."""
    results = {"role": "user", "content": [{"type": "tool_result"}] * 250}
    small: dict[str, Any] = {"messages": [results]}
    if api is RESPONSES:
        small = {"input": [{"type": "function_call"}] * 250}
    async with world(replace(LIMITS, body_bytes=8000)) as there:
        await there.simulator("first")
        there.route("first")
        reply = await ask(there, api, **small)
        assert reply.status == 413, reply.body
        assert "too large as a chat" in api.error(reply.json())[0]
        assert there.simulators["first"].log.as_json() == []


@EVERY_API
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 31457280\r\n\r\n", 413),
        (b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        (b"POST %b/other HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", 404),
        (b"POST %b HTTP/1.1\r\nhost: x\r\nexpect: y\r\n\r\n", 417),
    ],
)
async def test_what_http_refuses_is_in_the_shape_of_the_path(
    two: World, api: Api, request_bytes: bytes, status: int
) -> None:
    """An image of 30 MB among them: it is refused before it comes."""
    async with two.client() as client:
        await client.send(request_bytes % api.path.encode())
        reply = await client.reply(request_bytes[:4].strip())
    assert reply.status == status
    assert api.error(reply.json())[0]


@EVERY_API
async def test_a_backends_refusal_is_told_in_the_callers_shape(there: World, api: Api) -> None:
    """With the backend's own words."""
    for body in (b'{"error":{"message":"too hot","type":"t","param":"p","code":"c"}}',
                 b'{"error":{"message":"too hot","type":"t","param":null,"code":422}}',
                 b'{"error":{"message":"too hot","type":null,"param":["p"],"code":null}}',
                 b'{"object":"error","message":"too hot","code":400}'):  # fmt: skip
        head = b"HTTP/1.1 422 No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        await there.scripted("picky", answers(head % len(body), body))
        there.route("picky")
        for stream in (False, True):
            reply = await ask(there, api, stream=stream)
            assert (reply.status, api.error(reply.json())[0]) == (422, "too hot")
            assert api.error(reply.json())[1] == ("c" if b'"c"' in body else None)


@EVERY_API
@pytest.mark.parametrize("found", [True, False])
async def test_a_stream_that_waits_hears_of_it(api: Api, found: bool) -> None:
    """Comments, then the answer; or an error in the caller's words behind the same head."""
    async with world(Limits(tick_s=0.005, hold_heartbeat_s=0.05)) as there:
        timeout_s = 15.0 if found else 0.3
        how = Activation(mode="Hold", timeout_s=timeout_s, max_held=100)
        there.place("cold", activation=how)
        there.route("cold")
        waiting = asyncio.create_task(ask(there, api, stream=True))
        await until(lambda: there.live.held.get("cold") == 1)
        await asyncio.sleep(0.15)
        if found:
            _, port = await there.simulated("cold")
            there.place("cold", port, activation=how)
        reply = await waiting
        assert reply.body.startswith(b": waiting for a model server\n\n")
        assert events(reply)[-1]["type"] == (api.last if found else "error")


@EVERY_API
async def test_rules_read_the_translated_request(two: World, api: Api) -> None:
    """Task, tools and headers."""
    two.put(
        Route(name="code", match=Match(tasks=("Coding",)), targets=(Target(backend="second"),)),
        Route(name="vip", match=Match(headers=(HeaderMatch(name="x-tier", value="vip"),)),
              targets=(Target(backend="second"),)),
        Route(name="default", targets=(Target(backend="first"),)),
    )  # fmt: skip
    code = "Why does this raise IndexError?\n```python\nmy_list = [1]\nprint(my_list[10])\n```"
    field = "messages" if "messages" in api.body else "input"
    for more, rule in (
        ({field: [{"role": "user", "content": code}]}, "code"), ({}, "default"),
        ({"head": {"x-tier": "vip"}}, "vip"),
    ):  # fmt: skip
        assert (await ask(two, api, **more)).headers["x-pointsman-rule"] == rule


@EVERY_API
async def test_the_profile_of_the_backend_holds(there: World, api: Api) -> None:
    """Its system text, and its form of thinking."""
    await there.simulator("small")
    (port,) = (one.port for one in there.live.endpoints["default/small:8000"])
    there.place("small", port, profile=Profile(prefix="In French.", form="EnableThinkingKwarg"))
    there.route("small")
    said = {"thinking": {"type": "enabled"}} if api is MESSAGES else {}
    await ask(there, api, **said)
    chat = arrived(there, "small")
    assert chat["messages"][0] == {"role": "system", "content": "In French."}
    assert "thinking" not in chat
    assert chat.get("chat_template_kwargs") == ({"enable_thinking": True} if said else None)


@EVERY_API
async def test_a_server_that_does_not_know_stream_options_can_be_spared(
    there: World, api: Api
) -> None:
    """By its profile; tokens are estimated then."""
    await there.simulator("small")
    (port,) = (one.port for one in there.live.endpoints["default/small:8000"])
    spared = Profile(parameters=(Parameter(name="stream_options", remove=True),))
    there.place("small", port, profile=spared)
    there.route("small")
    assert events(await ask(there, api, stream=True))[-1]["type"] == api.last
    assert "stream_options" not in arrived(there, "small")
    labels = {"backend": "small", "direction": "output", "source": "estimated"}
    assert there.count("tokens_total", **labels) == 8


async def test_a_backend_without_a_form_hears_nothing_of_thinking(two: World) -> None:
    """A member that it does not know would be refused."""
    await ask(two, MESSAGES, thinking={"type": "enabled", "budget_tokens": 1024})
    assert "thinking" not in arrived(two, "first")


@EVERY_API
@pytest.mark.parametrize("stream", [False, True])
async def test_texts_are_kept_as_of_a_chat(two: World, api: Api, stream: bool) -> None:
    """What was asked and answered, in words and not in events."""
    lines: list[bytes] = []
    two.plane.record = Recorder(lines.append, time.time)
    route = Route(name="default", targets=(Target(backend="first"),))
    two.put(route, capture=Capture(mode="Full", keep_s=60))
    await ask(two, api, stream=stream)
    await until(lambda: bool(lines))
    event = decode(lines[0])
    assert isinstance(event, Request)
    assert event.text is not None
    assert event.text.prompt == f"user: {QUESTION}"
    assert str(event.text.answer).startswith("model-first here.")
    assert event.output_tokens == 8
    two.plane.record = None


@EVERY_API
@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_frees_its_backend(there: World, api: Api, begun: bool) -> None:
    """Before the first token and within a stream."""
    slow = await there.simulator("slow", tokens_per_second=20.0, output_tokens=1000)
    there.route("slow")
    if not begun:
        slow.faults.order(Fault(FaultMode.HANG))
    async with there.client() as client:
        await client.send(post({**api.body, "stream": True}, path=api.path))
        if begun:
            await client.read_until(b".delta" if api is RESPONSES else b"_delta")
        await until(lambda: there.live.in_flight == {"slow": 1})
    await until(lambda: there.live.in_flight == {})


@EVERY_API
async def test_a_router_that_ends_says_so_in_a_stream(there: World, api: Api) -> None:
    """In the caller's words, before the connection ends."""
    await there.simulator("slow", tokens_per_second=20.0, output_tokens=1000)
    there.route("slow")
    async with there.client() as client:
        await client.send(post({**api.body, "stream": True}, path=api.path))
        await client.read_until(b".delta" if api is RESPONSES else b"_delta")
        assert await there.plane.drain(0.0) == 1
        rest = await client.rest()
    assert f'"type":"{api.broken}"'.encode() in rest
    assert rest.endswith(b"0\r\n\r\n")


async def test_tokens_are_counted_as_an_estimate(two: World) -> None:
    """It says so, asks nobody, and knows the models of the caller."""
    body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "x " * 4000}]}
    async with two.client() as client:

        async def count(**more: Any) -> Reply:
            await client.send(post({**body, **more}, path="/v1/messages/count_tokens"))
            return await client.reply()

        reply = await count()
        assert reply.headers["x-pointsman-estimated"] == "true"
        assert 1000 < int(str(reply.json()["input_tokens"])) < 10_000
        reply = await count(model="other")
        assert (reply.status, MESSAGES.error(reply.json())[1]) == (404, "model_not_found")
        assert (await count(messages=5)).status == 400
        two.live.ready = False
        assert (await count()).status == 503
    assert two.simulators["first"].log.as_json() == []


async def test_models_are_listed_in_the_words_of_who_asks(two: World) -> None:
    """Anthropic's SDKs say which version they speak; unknown paths likewise."""
    async with two.client() as client:

        async def get(path: str, version: str = "anthropic-version: 2023-06-01\r\n") -> Any:
            line = f"GET {path} HTTP/1.1\r\nhost: x\r\n{version}\r\n"
            await client.send(line.encode())
            return (await client.reply(b"GET")).json()

        assert (await get("/v1/models"))["data"][0]["display_name"] == "auto"
        assert (await get("/v1/models/auto"))["type"] == "model"
        assert (await get("/v1/models/x"))["error"]["type"] == "not_found_error"
        assert (await get("/v1/x"))["error"]["type"] == "not_found_error"
        assert (await get("/v1/models", ""))["object"] == "list"
        assert (await get("/v1/models/auto", ""))["object"] == "model"
        assert (await get("/v1/x", ""))["error"]["code"] == "unknown_url"
