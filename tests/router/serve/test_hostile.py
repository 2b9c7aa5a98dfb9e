"""Hostile JSON and answers, end to end: refused or survived, never an error of the router."""

import pytest

from tests.router.serve.test_fallback import DONE, JSON_HEAD, SSE_HEAD, WORD, answers, chunked
from tests.router.serve.world import World, chat

DEEP = b"[" * 100_000 + b"]" * 100_000
PLAIN = b'{"choices":[{"message":{"content":"hi"}}]}'
MESSAGES = b'"messages":[{"role":"user","content":"x"}]'


@pytest.mark.parametrize(
    "more",
    [
        b'"x":%b' % DEEP,
        b'"metadata":{"a":%b}' % DEEP,
        b'"tools":%b' % DEEP,
        b'"metadata":{"a":"\xff"}',
        b'"x":{"model":%b}' % DEEP,
        b'"\xff":{"model":1}',
    ],
)
@pytest.mark.parametrize("debug", ["true", "false"])
async def test_hostile_json_is_the_callers_mistake(there: World, more: bytes, debug: str) -> None:
    """Too deep for a parser, or no UTF-8 where the router looks."""
    await there.simulator("small")
    there.route("small")
    body = b'{"model":"auto",%b,%b}' % (MESSAGES, more)
    reply = await there.ask(body, x_pointsman_debug=debug)
    assert reply.status < 500
    assert (await there.ask()).status == 200


async def test_no_depth_lies_between_two_readers(there: World) -> None:
    """What is read in one place and not in the next is refused as well."""
    await there.simulator("small")
    there.route("small")
    for depth in range(850, 1000):
        nested = b"[" * depth + b"]" * depth
        body = b'{"model":"auto",%b,"x":{"model":%b}}' % (MESSAGES, nested)
        assert (await there.ask(body)).status in (200, 400)


async def test_an_upgrade_does_not_raise_the_version(there: World) -> None:
    """A client of HTTP/1.0 reads to the end of the connection, and knows no chunks."""
    await there.simulator("small")
    there.route("small")
    body = b'{"model":"auto","stream":true,%b}' % MESSAGES
    head = b"POST /v1/chat/completions HTTP/1.0\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    async with there.client() as client:
        await client.send(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"chunked" not in head
    assert rest.endswith(DONE)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_nested_too_deeply_falls_back(there: World, stream: bool) -> None:
    """It is the backend's mistake."""
    bad = b'{"choices":%b,"x":%b}' % (b"[]", DEEP)
    whole = JSON_HEAD + b"content-length: %d\r\n\r\n" % len(bad) + bad
    event = chunked(b"data: " + bad + b"\n\n")[0]
    await there.scripted("first", answers(SSE_HEAD + event if stream else whole))
    await there.simulator("second")
    there.route("first", "second")
    reply = await there.ask(chat(stream=stream))
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "second")


async def test_usage_that_cannot_be_read_breaks_no_stream(there: World) -> None:
    """It came whole; only its tokens are estimated."""
    nested = b'data: {"usage":{"x":%b%b}}\n\n' % (b"[" * 1900, b"]" * 1900)
    pieces = (SSE_HEAD, *chunked(WORD, nested, DONE, last=True))
    await there.scripted("first", answers(*pieces))
    there.route("first")
    reply = await there.ask(chat(stream=True))
    assert (reply.status, reply.complete, reply.events[-1]) == (200, True, "[DONE]")


@pytest.mark.parametrize("name", ["model", "Model", "MODEL", "mo\\u0044el", "mode\\u006c"])
async def test_a_second_model_is_refused(there: World, name: str) -> None:
    """Go's JSON ignores case, and the last member wins: it must not name another model."""
    await there.simulator("small")
    there.route("small")
    body = b'{"model":"auto","%b":"auto",%b}' % (name.encode(), MESSAGES)
    reply = await there.ask(body)
    assert (reply.status, reply.error["param"]) == (400, "model")
    assert there.simulators["small"].log.as_json() == []
