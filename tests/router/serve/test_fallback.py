"""A backend that refuses, fails, hangs or dies: the fallback answers, or the stream says so."""

import asyncio
import json

import pytest

from pointsman.api.table import Fallback
from pointsman.router.serve.limits import Limits
from pointsman.router.wire.sse import EventReader
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.world import LIMITS, Handler, World, chat, post, until, world

BEFORE_CONTENT = (
    FaultMode.ERROR_500,
    FaultMode.ERROR_429,
    FaultMode.HANG,
    FaultMode.HANG_AFTER_HEADERS,
    FaultMode.RESET,
    FaultMode.GARBAGE,
    FaultMode.WRONG_CONTENT_TYPE,
)
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def answers(*pieces: bytes, close: bool = True) -> Handler:
    """A server that answers each request with these bytes, then closes or falls silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not close:
            await reader.read()

    return serve


def chunked(*events: bytes, last: bool = False) -> tuple[bytes, ...]:
    """Events as chunks of a body; with `last`, its end."""
    found = tuple(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    return (*found, b"0\r\n\r\n") if last else found


@pytest.fixture
async def two(there: World) -> World:
    """`first` with `second` as its fallback; silence is cut soon."""
    await there.simulator("first")
    await there.simulator("second")
    there.route("first", "second", first_token_timeout_s=0.5, stream_idle_timeout_s=0.5)
    return there


@pytest.mark.parametrize("mode", BEFORE_CONTENT)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_before_content_falls_back(two: World, mode: FaultMode, stream: bool) -> None:
    """Whatever happens before the first content byte, the caller sees only the second's answer."""
    two.simulators["first"].faults.order(Fault(mode))
    reply = await two.ask(chat(stream=stream))
    assert reply.status == 200
    assert reply.complete
    assert reply.content.startswith("model-second here.")
    assert reply.headers["x-pointsman-backend"] == "second"
    assert reply.headers["x-pointsman-attempts"] == "2"
    assert len(two.simulators["first"].log.as_json()) == 1
    assert two.count("attempts_total", backend="second", outcome="Ok") == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_connection_falls_back(there: World, stream: bool) -> None:
    """Nobody listens."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    there.place("first", server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask(chat(stream=stream))
    assert reply.content.startswith("model-second here.")
    assert there.count("attempts_total", backend="first", outcome="ConnectRefused") == 1
    labels = {"policy": "desk", "rule": "default", "backend": "first"}
    assert there.count("fallbacks_total", reason="ConnectRefused", **labels) == 1


async def test_a_backend_without_endpoints_falls_back(there: World) -> None:
    """Its pods are gone."""
    there.place("first")
    await there.simulator("second")
    there.route("first", "second")
    assert (await there.ask()).headers["x-pointsman-backend"] == "second"


@pytest.mark.parametrize("mode", [FaultMode.DIE_MID_STREAM, FaultMode.RESET])
async def test_a_backend_that_dies_in_mid_answer_is_replaced_if_unstreamed(
    two: World, mode: FaultMode
) -> None:
    """A small body is complete before its first byte is sent."""
    two.simulators["first"].faults.order(Fault(mode))
    assert (await two.ask()).content.startswith("model-second here.")


async def test_a_stream_that_dies_after_content_ends_with_an_error_event(two: World) -> None:
    """The words that came, an error event, no [DONE], a body that ends in good form."""
    two.simulators["first"].faults.order(Fault(FaultMode.DIE_MID_STREAM, after_tokens=3))
    reply = await two.ask(chat(stream=True))
    assert reply.status == 200
    assert reply.complete
    assert reply.headers["x-pointsman-backend"] == "first"
    *words, last = reply.events
    assert "".join(json.loads(w)["choices"][0]["delta"]["content"] for w in words) == (
        "model-first here. Declared"
    )
    error = json.loads(last)["error"]
    assert error["code"] == "upstream_disconnected"
    assert two.simulators["second"].log.as_json() == []
    labels = {"policy": "desk", "rule": "default", "backend": "first"}
    assert two.count("requests_total", code="502", **labels) == 1


async def test_a_stream_that_stalls_after_content_ends_with_an_error_event(there: World) -> None:
    """Silence for longer than streamIdle."""
    await there.scripted("first", answers(SSE_HEAD, *chunked(ROLE, WORD), close=False))
    there.route("first", stream_idle_timeout_s=0.1)
    reply = await there.ask(chat(stream=True))
    assert reply.complete
    assert json.loads(reply.events[-1])["error"]["code"] == "upstream_timeout"
    assert "[DONE]" not in reply.events


@pytest.mark.parametrize(
    "server",
    [
        answers(SSE_HEAD, *chunked(ROLE, WORD, last=True)),
        answers(SSE_HEAD.replace(b"transfer-encoding: chunked\r\n", b""), ROLE + WORD),
    ],
    ids=["last chunk", "end of connection"],
)
async def test_a_clean_end_without_done_is_an_error_event(there: World, server: Handler) -> None:
    """Portkey #1797: a truncated stream that looks like a complete one."""
    await there.scripted("first", server)
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert json.loads(reply.events[-1])["error"]["code"] == "upstream_disconnected"
    assert "[DONE]" not in reply.events


def ends_by(finish: bytes) -> bytes:
    """The last event of an answer, with its usage."""
    usage = b'"usage":{"prompt_tokens":7,"completion_tokens":1}'
    return b'data: {"choices":[{"delta":{},"finish_reason":"%b"}],%b}\n\n' % (finish, usage)


async def test_an_answer_that_says_why_it_ended_is_whole_without_done(there: World) -> None:
    """Perplexity never sends one: each of its streams counted as broken, and told so."""
    pieces = (ROLE, WORD, ends_by(b"stop"))
    await there.scripted("first", answers(SSE_HEAD, *chunked(*pieces, last=True)))
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert (reply.complete, reply.body) == (True, b"".join(pieces))
    assert there.count("attempts_total", backend="first", outcome="Ok") == 1


@pytest.mark.parametrize(
    ("pieces", "n"),
    [
        (chunked(ROLE, WORD, ends_by(b"error"), last=True), 1),
        (chunked(ROLE, WORD, ends_by(b"stop"), last=True), 2),
        (chunked(ROLE, WORD, ends_by(b"stop"), b"data: {", last=True), 1),
        (chunked(ROLE, WORD, ends_by(b"stop")), 1),
    ],
    ids=["by an error", "one of two", "in an event", "in the body"],
)
async def test_an_end_without_done_that_may_lack_something_is_an_error_event(
    there: World, pieces: tuple[bytes, ...], n: int
) -> None:
    """It is not known to be all."""
    await there.scripted("first", answers(SSE_HEAD, *pieces))
    there.route("first")
    reply = await there.ask(chat(stream=True, n=n))
    *_, last = EventReader().feed(reply.body)
    assert json.loads(last)["error"]["code"] == "upstream_disconnected"


@pytest.mark.parametrize("between", [b"", b'data: {"choices":[],"usage":null}\n\n'])
async def test_an_error_event_before_done_is_counted_as_a_broken_stream(
    there: World, between: bytes
) -> None:
    """vLLM and SGLang end so when they break: it goes on as it came, and is no good answer."""
    error = b'data: {"error":{"message":"EngineCore died","type":"x","code":500}}\n\n'
    pieces = chunked(ROLE, WORD, error, between + DONE, last=True)
    await there.scripted("first", answers(SSE_HEAD, *pieces))
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert reply.complete
    assert reply.body == ROLE + WORD + error + between + DONE
    labels = {"policy": "desk", "rule": "default", "backend": "first"}
    assert there.count("requests_total", code="502", **labels) == 1
    assert there.count("attempts_total", backend="first", outcome="Malformed") == 1


@pytest.mark.parametrize(
    "opening",
    [
        (),
        (ROLE,),
        (b": keep-alive\n\n", ROLE, b'data: {"choices":[]}\n\n'),
        (ROLE, b'data: {"error":{"message":"overloaded"}}\n\n'),
        (b'error: {"code":500,"message":"x","type":"server_error"}\n\n' + DONE,),
        (ROLE, b"data: no json\n\n"),
        (ROLE, b"data: {\xff\xfe}\n\n"),
        (ROLE[:30],),
    ],
    ids=[
        "nothing",
        "role",
        "comment",
        "error event",
        "llama.cpp's",
        "no JSON",
        "broken UTF-8",
        "half an event",
    ],
)
async def test_what_is_no_content_does_not_commit(there: World, opening: tuple[bytes, ...]) -> None:
    """A backend that dies after start-up events only is replaced, and leaves no trace of them."""
    await there.scripted("first", answers(SSE_HEAD, *chunked(*opening)))
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask(chat(stream=True))
    assert reply.content.startswith("model-second here.")
    assert reply.events[-1] == "[DONE]"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
        {"reasoning_content": "hm"},
        {"refusal": "no"},
    ],
)
async def test_content_of_every_kind_commits(there: World, delta: dict[str, object]) -> None:
    """Text, tool calls, reasoning and refusals are content."""
    event = b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
    await there.scripted("first", answers(SSE_HEAD, *chunked(ROLE, event)))
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask(chat(stream=True))
    assert reply.headers["x-pointsman-backend"] == "first"
    assert reply.body.startswith(ROLE + event)


async def test_an_empty_but_complete_stream_is_an_answer(there: World) -> None:
    """A model may have nothing to say."""
    await there.scripted("first", answers(SSE_HEAD, *chunked(ROLE, DONE, last=True)))
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert reply.body == ROLE + DONE
    assert reply.complete


@pytest.mark.slow
async def test_a_stream_that_keeps_the_connection_open_after_done_ends(there: World) -> None:
    """Some servers never send the last chunk; [DONE] is enough."""
    await there.scripted("first", answers(SSE_HEAD, *chunked(ROLE, WORD, DONE), close=False))
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert reply.complete
    assert reply.body == ROLE + WORD + DONE


@pytest.mark.parametrize(
    "server",
    [
        answers(JSON_HEAD + b"content-length: 100\r\n\r\n{"),
        answers(JSON_HEAD + b"content-length: 1\r\n\r\n{"),
        answers(JSON_HEAD + b'content-length: 21\r\n\r\n{"error": {"code": 1}}'),
        answers(JSON_HEAD + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
        answers(JSON_HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        answers(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        answers(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n"),
        answers(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\n\r\nsk-abc"),
        answers(b"HTTP/1.1 204 No Content\r\n\r\n"),
        answers(b"SSH-2.0-OpenSSH\r\n"),
        answers(JSON_HEAD + b"x: " + b"y" * 70_000, close=False),
        answers(b""),
    ],
    ids=["short body", "half JSON", "error in 200", "gzip", "coding", "101", "redirect", "401",
         "204", "no HTTP", "endless head", "nothing"],
)  # fmt: skip
async def test_a_malformed_answer_falls_back(there: World, server: Handler) -> None:
    """What cannot be an answer is not shown to the caller."""
    await there.scripted("first", server)
    await there.simulator("second")
    there.route("first", "second")
    assert (await there.ask()).content.startswith("model-second here.")


async def test_a_refusal_of_the_request_is_relayed_as_it_is(there: World) -> None:
    """A 4xx about the request: no other backend is asked."""
    body = b'{"error":{"message":"bad temperature","type":"x","param":null,"code":null}}'
    head = b"HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: application/json\r\n"
    await there.scripted("first", answers(head + b"content-length: %d\r\n\r\n" % len(body) + body))
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask()
    assert reply.status == 422
    assert reply.body == body
    assert reply.headers["x-pointsman-backend"] == "first"
    assert there.simulators["second"].log.as_json() == []


@pytest.mark.parametrize(("on", "status"), [(("ContextWindow",), 200), (("Error",), 400)])
async def test_a_prompt_too_long_for_the_backend_falls_back_if_the_route_says_so(
    there: World, on: tuple[str, ...], status: int
) -> None:
    """The backend knows its window better than the estimate."""
    await there.simulator("first", context_window=9)
    await there.simulator("second")
    there.route("first", "second", fallback=Fallback(chain=("second",), on=on))  # type: ignore[arg-type]
    assert (await there.ask(chat(stream=True))).status == status


TOO_LONG = b'{"error":{"message":"longer than the model\'s context length (9 tokens)","code":400}}'


@pytest.mark.parametrize(
    ("stream", "server"),
    [
        (True, answers(SSE_HEAD, *chunked(b"data: " + TOO_LONG + b"\n\n" + DONE, last=True))),
        (True, answers(SSE_HEAD, *chunked(ROLE, b"error: " + TOO_LONG[9:-1] + b"\n\n", DONE))),
        (False, answers(JSON_HEAD + b"content-length: %d\r\n\r\n" % len(TOO_LONG) + TOO_LONG)),
    ],
    ids=["SGLang", "llama.cpp", "LM Studio"],
)
async def test_a_prompt_too_long_is_no_fault_of_who_says_so_with_status_200(
    there: World, stream: bool, server: Handler
) -> None:
    """The next backend answers; alone it is the refusal that it should have been, told once."""
    await there.scripted("first", server)
    await there.simulator("second")
    window = Fallback(chain=("second",), on=("ContextWindow",))
    there.route("first", "second", fallback=window)
    reply = await there.ask(chat(stream=stream))
    assert reply.content.startswith("model-second here.")
    there.route("first")
    reply = await there.ask(chat(stream=stream))
    assert (reply.status, reply.headers["content-type"]) == (400, "application/json")
    assert reply.error["message"] == "longer than the model's context length (9 tokens)"
    assert there.count("attempts_total", backend="first", outcome="ContextWindow") == 1
    assert there.count("attempts_total", backend="first", outcome="Ok") == 1
    assert there.count("attempts_total", backend="first", outcome="Malformed") == 0


async def test_errors_do_not_fall_back_where_the_route_does_not_say_so(there: World) -> None:
    """on: [Timeout] only: the first is tried again, the second never."""
    await there.simulator("first", error_rate=1.0)
    await there.simulator("second")
    there.route("first", "second",
                fallback=Fallback(chain=("second",), on=("Timeout",), deadline_s=0.3))  # fmt: skip
    reply = await there.ask()
    assert reply.status == 502
    assert there.simulators["second"].log.as_json() == []


async def test_the_last_backend_is_tried_again(there: World) -> None:
    """One 500, then it answers: the caller sees only the answer."""
    await there.simulator("first")
    there.simulators["first"].faults.order(Fault(FaultMode.ERROR_500, count=1))
    there.route("first")
    reply = await there.ask()
    assert reply.status == 200
    assert reply.headers["x-pointsman-attempts"] == "2"
    assert there.count("retries_total", backend="first") == 1


async def test_a_retry_goes_to_another_endpoint_at_once(there: World) -> None:
    """Of two endpoints one fails: the other answers without a wait."""
    bad, bad_port = await there.simulated("pair", error_rate=1.0)
    good, good_port = await there.simulated("pair")
    there.place("pair", bad_port, good_port)
    there.route("pair")
    replies = [await there.ask() for _ in range(4)]
    assert {reply.status for reply in replies} == {200}
    assert len(bad.log.as_json()) == len(good.log.as_json()) == 4


async def test_all_failed_names_the_attempts_and_no_secret(there: World) -> None:
    """502 in OpenAI's shape, with each backend and reason, without the backends' text."""
    leak = (
        b"HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\nsk-secret"
    )
    await there.scripted("first", answers(leak))
    await there.scripted("second", answers(leak))
    there.route("first", "second", fallback=Fallback(chain=("second",), deadline_s=0.4))
    reply = await there.ask()
    assert reply.status == 502
    assert reply.error["code"] == "upstream_error"
    assert reply.error["message"] == (
        "No backend answered. Tried first: HTTP 500; second: HTTP 500."
    )
    assert b"sk-secret" not in reply.body
    assert reply.headers["x-pointsman-attempts"] == "2"


@pytest.mark.slow
async def test_silence_of_all_is_504(two: World) -> None:
    """A stream that does not begin, at both."""
    for server in two.simulators.values():
        server.faults.order(Fault(FaultMode.HANG))
    reply = await two.ask(chat(stream=True))
    assert reply.status == 504
    assert reply.error["code"] == "upstream_timeout"
    assert reply.headers["x-pointsman-attempts"] == "2"


async def test_a_single_slow_backend_is_waited_for_if_unstreamed(there: World) -> None:
    """The first byte of a whole answer comes with its last token; nobody else could answer."""
    await there.simulator("first", ttft_s=0.3)
    there.route("first", first_token_timeout_s=0.05)
    assert (await there.ask()).status == 200


async def test_a_whole_answer_has_a_total_deadline(there: World) -> None:
    """The request timeout ends it, streamed or not."""
    await there.simulator("first")
    there.simulators["first"].faults.order(Fault(FaultMode.HANG))
    there.route("first", request_timeout_s=0.1)
    assert (await there.ask()).status == 504


async def test_a_drip_feeding_stream_is_cut_by_the_total_deadline(there: World) -> None:
    """Per-read timeouts never fire on it; the total does, as an error event."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD)
        while True:
            writer.write(chunked(WORD)[0])
            await writer.drain()
            await asyncio.sleep(0.01)

    await there.scripted("first", drip)
    there.route("first", request_timeout_s=0.2)
    reply = await there.ask(chat(stream=True))
    assert reply.complete
    assert json.loads(reply.events[-1])["error"]["code"] == "upstream_timeout"


async def test_a_drip_feeding_head_is_cut_by_the_first_token_deadline(two: World) -> None:
    """One byte now and then is no progress."""
    two.simulators["first"].faults.order(Fault(FaultMode.DRIP, delay_s=0.01))
    reply = await two.ask(chat(stream=True))
    assert reply.content.startswith("model-second here.")


async def test_retry_after_comes_back_when_it_does_not_fit(there: World) -> None:
    """A backend that says "in an hour" is not asked again; the caller learns when."""
    await there.simulator("first")
    there.simulators["first"].faults.order(Fault(FaultMode.ERROR_429, retry_after_s=3600))
    there.route("first")
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (429, "rate_limit_exceeded")
    assert reply.error["type"] == "rate_limit_error"
    assert reply.headers["retry-after"] == "3600"
    assert len(there.simulators["first"].log.as_json()) == 1


async def test_only_if_all_were_rate_limited_it_is_429(two: World) -> None:
    """One that is gone makes it 503: coming back may meet another state."""
    for name in ("first", "second"):
        two.simulators[name].faults.order(Fault(FaultMode.ERROR_429, retry_after_s=3600))
    assert (await two.ask()).status == 429
    two.place("first")
    reply = await two.ask()
    assert (reply.status, reply.error["code"]) == (503, "backends_unavailable")
    assert reply.headers["retry-after"] == "3600"


async def test_a_large_answer_that_breaks_is_seen_as_broken() -> None:
    """Over the bound it is sent as it comes, so its length or last chunk stays owed."""
    limits = Limits(tick_s=0.005, buffered_body_bytes=1000)
    for framing in (b"content-length: 5000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n7d0\r\n"):
        async with world(limits) as there:
            await there.scripted("first", answers(JSON_HEAD + framing + b"x" * 2000))
            there.route("first")
            reply = await there.ask()
            assert reply.status == 200
            assert not reply.complete


async def test_a_large_answer_passes(there: World) -> None:
    """Two megabytes, with a length and without."""
    body = json.dumps({"choices": [{"message": {"content": "y" * 2_000_000}}]}).encode()
    for head in (b"content-length: %d\r\n\r\n" % len(body), b"connection: close\r\n\r\n"):
        await there.scripted("first", answers(JSON_HEAD + head + body))
        there.route("first")
        reply = await there.ask()
        assert reply.complete
        assert reply.body == body


async def test_the_retry_budget_bounds_retries() -> None:
    """All fails: ten retries to begin with, then one for five requests."""
    async with world(LIMITS) as there:
        a, port_a = await there.simulated("pair", error_rate=1.0)
        b, port_b = await there.simulated("pair", error_rate=1.0)
        there.place("pair", port_a, port_b)
        there.route("pair", fallback=Fallback(chain=("pair",), deadline_s=0.3))
        replies = await asyncio.gather(*(there.ask() for _ in range(100)))
        assert {reply.status for reply in replies} == {502}
        assert there.count("retries_total", backend="pair") <= 10 + 0.2 * 100
        assert len(a.log.as_json()) + len(b.log.as_json()) <= 130


async def test_a_reused_connection_that_was_closed_is_replaced_without_counting(
    there: World,
) -> None:
    """The backend closed it while idle; no attempt, no retry, no error."""
    served: list[int] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"choices":[]}'
        for number in range(2):
            await reader.readuntil(b"\r\n\r\n")
            served.append(number)
            if number:
                return
            writer.write(JSON_HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    await there.scripted("first", once)
    there.route("first")
    for _ in range(3):
        reply = await there.ask()
        assert reply.status == 200
        assert reply.headers["x-pointsman-attempts"] == "1"
    assert served == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_its_attempt(two: World, stream: bool) -> None:
    """What the client does not wait for is aborted upstream; the next request is served."""
    two.simulators["first"].faults.order(Fault(FaultMode.HANG, count=1))
    two.route("first", "second", first_token_timeout_s=30.0)
    async with two.client() as client:
        await client.send(post(chat(stream=stream)))
        await until(lambda: two.live.in_flight == {"first": 1})
        await until(lambda: two.simulators["first"].faults.left == 0)  # it has begun to hang
    await until(lambda: two.live.in_flight == {})
    await until(lambda: not two.simulators["first"].connections)
    assert two.count("attempts_total", backend="first", outcome="ClientGone") == 1
    labels = {"policy": "desk", "rule": "default", "backend": "first"}
    assert two.count("requests_total", code="499", **labels) == 1
    assert (await two.ask()).status == 200


async def test_a_connection_that_the_backend_will_close_is_not_used_again(there: World) -> None:
    """`connection: close` holds, also when the backend is slow to do it."""
    served: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(served)
        while await reader.readuntil(b"\r\n\r\n"):
            served.append(connection)
            body = b'{"choices":[]}'
            writer.write(JSON_HEAD + b"connection: close\r\ncontent-length: 14\r\n\r\n" + body)

    await there.scripted("first", serve)
    there.route("first")
    for _ in range(3):
        assert (await there.ask()).status == 200
    assert served == [0, 1, 2]
