"""What the data plane bears from clients: every wait has an end, every refusal a shape."""

import asyncio
import json
import re
import socket
from contextlib import suppress
from dataclasses import replace

import pytest

from pointsman.api.table import Match, Route, Target
from pointsman.router.serve.limits import Limits
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import LIMITS, PATIENCE_S, World, chat, post, until, world


@pytest.fixture
async def one(there: World) -> World:
    """One backend, `small`."""
    await there.simulator("small")
    there.route("small")
    return there


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"PUT / HTTP/1.1\r\na:\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1400001\r\n"
         + b"x" * 0x1400001, 413),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 2\r\n\r\n", 417),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
    ids=["two lengths", "obs-fold", "bad chunk", "coding", "length", "chunks", "header", "target",
         "no host", "two hosts", "HTTP/2", "expect", "TLS"],
)  # fmt: skip
async def test_what_is_no_request_is_refused_and_the_connection_closed(
    one: World, request_bytes: bytes, status: int
) -> None:
    """In OpenAI's error shape, where HTTP can still be spoken."""
    async with one.client() as client:
        with suppress(ConnectionError):
            await client.send(request_bytes)
        reply = await client.reply()
        assert reply.status == status
        assert reply.error["type"] == "invalid_request_error"
        assert reply.headers["connection"] == "close"
        assert await client.rest() == b""
    assert one.simulators["small"].log.as_json() == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b'{"messages": []}', "model"),
        (b'{"model": 1, "messages": []}', "model"),
        (b'{"model": "auto"}', "messages"),
        (b'{"model": "auto", "messages": "hi"}', "messages"),
        (b'{"model": "auto", "messages": [], "stream": "yes"}', "stream"),
    ],
)
async def test_a_body_that_is_no_chat_request_is_400(
    one: World, body: bytes, param: str | None
) -> None:
    """The field is named, and the connection lives on."""
    async with one.client() as client:
        await client.send(post(body))
        reply = await client.reply()
        assert (reply.status, reply.error["param"]) == (400, param)
        await client.send(post(chat()))
        assert (await client.reply()).status == 200


async def test_unknown_paths_and_methods_have_openais_error_shape(one: World) -> None:
    """404 for what is not there, 405 with Allow for the wrong method."""
    async with one.client() as client:
        for path in ("/v1/moderations", "/chat/completions", "/v1/embeddings/", "/", "/v1"):
            await client.send(post(chat(), path=path))
            reply = await client.reply()
            assert (reply.status, reply.error["code"]) == (404, "unknown_url")
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
            await client.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            reply = await client.reply(b"GET")
            assert (reply.status, reply.headers["allow"]) == (405, "POST")
        await client.send(post(chat(), path="/v1/models"))
        reply = await client.reply()
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
        await client.send(b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        reply = await client.reply(b"HEAD")
        assert (reply.status, reply.body) == (200, b"")


async def test_a_wrong_base_url_is_told_where_the_path_is(one: World) -> None:
    """Without /v1, with two of them, or as Azure's clients ask."""
    async with one.client() as client:
        for base in ("", "/v1/v1", "/openai/deployments/auto"):
            await client.send(post(chat(), path=f"{base}/chat/completions"))
            assert "It is at /v1/chat/completions:" in str((await client.reply()).error["message"])
        for path in ("/v1/moderations", "/v1/threads/x/messages"):
            await client.send(post(chat(), path=path))
            assert str((await client.reply()).error["message"]).endswith(f"POST {path}.")


async def test_an_unknown_model_is_404_and_names_those_there_are(one: World) -> None:
    """code model_not_found, as the SDK expects."""
    reply = await one.ask(chat("gpt-9"))
    assert reply.status == 404
    assert reply.error["code"] == "model_not_found"
    assert reply.error["param"] == "model"
    assert "auto" in str(reply.error["message"])


async def test_without_a_table_it_is_503(there: World) -> None:
    """Retryable, with Retry-After."""
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "not_ready")
    assert int(reply.headers["retry-after"]) >= 1


async def test_what_no_backend_can_do_is_400(there: World) -> None:
    """Too long: context_length_exceeded. Tools and images: what is lacking, by name."""
    there.place("small", 1, context_window=10)
    there.route("small")
    reply = await there.ask(chat(max_tokens=50))
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert re.search(
        r"prompt is too long .*: small: \d+ tokens and 50 for the answer do not fit its context",
        str(reply.error["message"]),
    )
    assert reply.headers["x-pointsman-rule"] == "default"
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]
    for more in ({"tools": [{"type": "function"}]}, {"messages": image}):
        reply = await there.ask({**chat(), **more})
        assert (reply.status, reply.error["code"]) == (400, "unsupported_capability")
        assert "small: it lacks the capability" in str(reply.error["message"])
        assert "spec.capabilities" in str(reply.error["message"])


async def test_no_target_and_no_endpoint_are_503(there: World) -> None:
    """Both are retryable, with Retry-After."""
    there.place("small")
    there.route("small")
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "backends_unavailable")
    assert "small: no ready endpoint" in str(reply.error["message"])
    assert "retry-after" in reply.headers
    there.put(Route(name="default", targets=(Target(backend="small", weight=0),)))
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "no_backend")
    assert "retry-after" in reply.headers


async def test_chunked_bodies_are_read(one: World) -> None:
    """In any pieces."""
    body = json.dumps(chat()).encode()
    async with one.client() as client:
        await client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                          b"transfer-encoding: chunked\r\n\r\n")  # fmt: skip
        for byte in body:
            await client.send(b"1\r\n%c\r\n" % byte)
        await client.send(b"0\r\n\r\n")
        assert (await client.reply()).status == 200
    (headers,) = one.seen("small")
    assert "transfer-encoding" not in headers


async def test_expect_100_continue_is_answered_before_the_body(one: World) -> None:
    """And a body that is too large is refused without it."""
    request = post(chat(), headers={"expect": "100-continue"})
    head, _, body = request.partition(b"\r\n\r\n")
    async with one.client() as client:
        await client.send(head + b"\r\n\r\n")
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)
        assert (await client.reply()).status == 200


async def test_an_upgrade_is_ignored(one: World) -> None:
    """JDK's HttpClient offers h2c with every plain request; its body is read all the same."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMA"}
    async with one.client() as client:
        for _ in range(2):
            await client.send(post(chat(), headers=offer))
            assert (await client.reply()).status == 200


async def test_http_1_0_gets_an_unchunked_stream_and_a_close(one: World) -> None:
    """It knows no chunks."""
    body = json.dumps(chat(stream=True)).encode()
    async with one.client() as client:
        await client.send(
            b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert rest.startswith(b"data: ")
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_http_1_0_that_asks_for_more_is_told_that_there_is_none(one: World) -> None:
    """Such clients (ab -k) take an answer that does not say `keep-alive` for one that ends with its
    connection, and waited until that had been idle for too long."""
    request = post(chat(), headers={"connection": "keep-alive"}).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with one.client() as client:
        await client.send(request)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await client.rest() == b""


async def test_connection_close_is_honored(one: World) -> None:
    """The answer, then the end."""
    async with one.client() as client:
        await client.send(post(chat(), headers={"connection": "close"}))
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await client.rest() == b""


@pytest.mark.parametrize("part", ["head", "body"])
async def test_a_client_that_drips_is_cut(part: str) -> None:
    """Bytes now and then do not move the deadline; the rest of the router does not notice."""
    async with world(Limits(tick_s=0.005, head_s=0.1, body_s=0.1)) as there:
        await there.simulator("small")
        there.route("small")
        head, _, body = post(chat()).partition(b"\r\n\r\n")
        start, more = (head, b"\r\nx: y") if part == "head" else (head + b"\r\n\r\n", body[:-1])
        async with there.client() as client:
            await client.send(start)

            async def drip() -> None:
                for byte in more * 100:
                    await client.send(bytes([byte]))
                    await asyncio.sleep(0.01)

            dripping = asyncio.create_task(drip())
            reply = await client.reply()
            assert reply.status == 408
            assert reply.error["message"] == f"The request's {part} did not arrive in time."
            await client.rest()
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
        assert (await there.ask()).status == 200


async def test_an_idle_connection_is_closed_silently() -> None:
    """Fresh or kept alive."""
    async with world(Limits(tick_s=0.005, keep_alive_s=0.05)) as there:
        await there.simulator("small")
        there.route("small")
        async with there.client() as client:
            assert await client.rest() == b""
        async with there.client() as client:
            await client.send(post(chat()))
            await client.reply()
            assert await client.rest() == b""


async def test_too_many_connections_are_refused() -> None:
    """Those that are in go on; a place that is free is given again."""
    async with world(Limits(tick_s=0.005, connections=2)) as there:
        await there.simulator("small")
        there.route("small")
        async with there.client() as first, there.client() as second:
            for client in (first, second):
                await client.send(post(chat()))
                assert (await client.reply()).status == 200
            async with there.client() as third:
                reply = await third.reply()
                assert (reply.status, reply.error["code"]) == (503, "overloaded")
        await until(lambda: there.metrics.connections == 0)
        assert (await there.ask()).status == 200


@pytest.mark.slow
async def test_a_client_that_does_not_read_stops_the_backend(there: World) -> None:
    """Back-pressure reaches the backend, memory stays bounded, silence is not blamed on it."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SSE_HEAD)
        event = chunked(WORD * 1000)[0]
        while True:
            writer.write(event)
            await writer.drain()
            sent += len(event)

    await there.scripted("flood", flood)
    there.route("flood", stream_idle_timeout_s=0.5)
    async with there.client() as client:
        await client.send(post(chat(stream=True)))
        await client.read_until(b"\r\n\r\n")
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(1.0)  # silent for longer than it may be
        assert sent < 32 * 1024 * 1024
        assert there.live.in_flight == {"flood": 1}
        while sent == before:  # reading on starts it again
            await client.reader.read(65_536)
    await until(lambda: there.live.in_flight == {})


async def test_who_never_reads_what_waited_behind_a_late_answer_is_cut() -> None:
    """Its answer's deadline has rung, and what waits behind must not be without one."""
    async with world(Limits(tick_s=0.005, keep_alive_s=0.2)) as there:
        await there.simulator("small")
        there.simulators["small"].faults.order(Fault(FaultMode.HANG))
        names = ("auto", *(f"{number}-{'x' * 200}" for number in range(100)))
        there.route("small", request_timeout_s=0.1, model_names=names)
        async with there.client() as client:
            list_models = b"GET /v1/models HTTP/1.1\r\nhost: router\r\n\r\n"
            client.writer.write(post(chat()) + list_models * 1200)
            await until(lambda: there.live.in_flight == {"small": 1})
            await until(lambda: there.metrics.connections == 0)


async def test_nodelay_is_set_on_both_sides(one: World) -> None:
    """No 40 ms of Nagle and delayed acknowledgment between two events."""
    async with one.client() as client:
        await client.send(post(chat()))
        await client.reply()
        (ours,) = one.plane._clients
        (theirs,) = one.plane.pools.service(
            "127.0.0.1", one.live.endpoints["default/small:8000"][0].port
        )._open
        for connection in (ours, theirs):
            assert connection._transport is not None
            found = connection._transport.get_extra_info("socket")
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
async def test_the_table_switches_under_load_without_a_failed_request(one: World) -> None:
    """Policies, backends and endpoints change between any two requests."""
    await one.simulator("large")
    stop = False
    seen: set[str] = set()

    async def load() -> None:
        async with one.client() as client:
            number = 0
            while not stop:
                number += 1
                await client.send(post(chat(stream=number % 2 == 0)))
                reply = await client.reply()
                assert (reply.status, reply.complete) == (200, True)
                seen.add(reply.headers["x-pointsman-revision"])
                assert reply.content.startswith(f"model-{reply.headers['x-pointsman-backend']}")

    tasks = [asyncio.create_task(load()) for _ in range(8)]
    for number in range(50):
        one.put(
            Route(name="odd", match=Match(max_tokens=0), targets=(Target(backend="small"),)),
            Route(name="default", targets=(Target(backend=("small", "large")[number % 2]),)),
            revision=f"r{number}",
        )
        await asyncio.sleep(0.01)
    stop = True
    await asyncio.gather(*tasks)
    assert len(seen) > 10


async def test_a_client_that_leaves_in_mid_stream_aborts_the_backend(there: World) -> None:
    """At once, not at the next deadline."""
    await there.scripted("first", answers(SSE_HEAD, *chunked(WORD), close=False))
    there.route("first")
    async with there.client() as client:
        await client.send(post(chat(stream=True)))
        await client.read_until(WORD)
    await until(lambda: there.live.in_flight == {})
    assert there.count("attempts_total", backend="first", outcome="ClientGone") == 1


@pytest.mark.parametrize(
    "framing",
    [b"content-length: 20000000", b"transfer-encoding: chunked"],
    ids=["length", "chunks"],
)
async def test_who_sends_too_much_can_read_why(framing: bytes) -> None:
    """The rest is read and thrown away, so that no reset overtakes the answer (RFC 9112 9.6)."""
    piece = b"x" * 1_000_000 if b"length" in framing else b"%x\r\n%b\r\n" % (10**6, b"x" * 10**6)
    async with world(replace(LIMITS, body_bytes=100_000)) as there, there.client() as client:
        await client.send(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % framing)
        for _ in range(20):
            await client.send(piece)
        reply = await client.reply()
        assert (reply.status, reply.complete) == (413, True)
        assert reply.headers["connection"] == "close"
        assert there.plane.held_bodies_bytes == 0
        assert await client.rest() == b""


async def test_who_never_stops_sending_is_cut() -> None:
    """The answer is owed for a while, not for ever."""
    limits = replace(LIMITS, body_bytes=1000, head_s=0.3)
    async with world(limits) as there, there.client() as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n")
        assert (await client.reply()).status == 413
        async with asyncio.timeout(PATIENCE_S):
            while there.metrics.connections:
                with suppress(ConnectionError):
                    await client.send(b"x" * 1000)
                await asyncio.sleep(0.01)
