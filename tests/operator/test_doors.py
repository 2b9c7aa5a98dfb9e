"""What the leader asks of routers beside their streams, by real connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pointsman.api.pairs import MOST_BYTES, Pairs
from pointsman.operator.cluster.doors import MOST_ANSWER_BYTES, UNANSWERED, Doors, Verdict

TOLD = Pairs(stable="r1", candidate="r2", since_ms=1, equal={"Chat": 2})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Fleet:
    """Routers at these places."""

    def __init__(self, *bases: str) -> None:
        self.bases = bases

    def doors(self) -> Mapping[str, str]:
        return {f"uid-{number}": base for number, base in enumerate(self.bases)}

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer t", "x-pointsman-epoch": "3"}


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[tuple[Doors, str]]:
    """A router whose answers are this handler's."""
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    base = f"http://127.0.0.1:{port}"
    doors = Doors(Fleet(base))
    try:
        yield doors, base
    finally:
        await doors.close()
        await runner.cleanup()


async def test_pairs_are_taken_as_the_leader() -> None:
    """With the token and the epoch; a router without a shadow has none."""
    seen: list[tuple[str, str, str]] = []

    async def router(request: web.Request) -> web.StreamResponse:
        headers = request.headers
        seen.append((request.path, headers["authorization"], headers["x-pointsman-epoch"]))
        if "desk" not in request.path:
            return web.Response(status=404)
        return web.json_response({"stable": "r1", "candidate": "r2", "since_ms": 1,
                                  "equal": {"Chat": 2}})  # fmt: skip

    async with answering(router) as (doors, _):
        assert await doors.pairs("desk") == {"uid-0": TOLD}
        assert await doors.pairs("other") == {"uid-0": None}
    assert seen[0] == ("/admin/policies/desk/pairs", "Bearer t", "3")


@pytest.mark.parametrize("thought", [0, 40])
async def test_a_judge_is_one_backend_and_no_other(thought: int) -> None:
    """Pinned; its words and its tokens, also those that only the sum has."""
    bodies: list[dict[str, object]] = []

    async def router(request: web.Request) -> web.StreamResponse:
        assert request.path == "/v1/chat/completions"
        assert request.headers["x-pointsman-pin"] == "judge"
        bodies.append(await request.json())
        message = {"role": "assistant", "content": '{"better": "A"}'}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 9 + 3 + thought}
        return web.json_response({"choices": [{"message": message}], "usage": usage})

    async with answering(router) as (doors, _):
        messages = [{"role": "user", "content": "Which?"}]
        assert await doors.ask("judge", messages, 64) == Verdict('{"better": "A"}', 9, 3 + thought)
    assert bodies == [{"model": "judge", "messages": messages, "max_tokens": 64}]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""), (503, b"{}"), (200, b""), (200, b"<html>"), (200, b"[]"), (200, b"\xff"),
        (200, b"[" * 50_000), (302, b""), (200, b'{"choices": 4}'),
        (200, b" " * (MOST_BYTES + 1)),
    ],
)  # fmt: skip
async def test_whatever_else_a_router_says_is_nothing(status: int, body: bytes) -> None:
    """No exception, no more memory than the bound."""

    async def router(_: web.Request) -> web.StreamResponse:
        headers = {"location": "http://example.com"} if status == 302 else {}
        return web.Response(status=status, body=body, headers=headers)

    async with answering(router) as (doors, _):
        assert await doors.pairs("desk") == {"uid-0": None}
        asked = await doors.ask("judge", [], 16)
    assert asked == (None if status in {302, 503} else UNANSWERED)
    assert MOST_ANSWER_BYTES < MOST_BYTES


@pytest.mark.parametrize("status", [400, 404, 429, 503])
async def test_a_router_that_refuses_has_asked_nobody(status: int) -> None:
    """It costs nothing."""

    async def router(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with answering(router) as (doors, _):
        assert await doors.ask("judge", [], 16) is None


async def test_a_judge_that_was_lost_may_have_cost() -> None:
    """Its answer came too late, or its router went in the middle of it."""
    over = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async with answering(slow) as (_, base):
        hasty = Doors(Fleet(base), ask_s=0.05)
        assert await hasty.ask("judge", [], 16) == UNANSWERED
        over.set()
        await hasty.close()

    async def ends(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with answering(ends) as (doors, _):
        assert await doors.ask("judge", [], 16) == UNANSWERED


async def test_an_answer_without_words_has_none() -> None:
    """A judge that declined by saying nothing."""

    async def router(_: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": []})

    async with answering(router) as (doors, _):
        assert await doors.ask("judge", [], 16) == Verdict("", None, None)


async def test_a_router_that_is_gone_costs_nothing_but_its_pairs() -> None:
    """Others are asked; without any there is no judge."""

    async def router(_: web.Request) -> web.StreamResponse:
        return web.json_response({"stable": "r1", "candidate": "r2", "since_ms": 1,
                                  "equal": {"Chat": 2}})  # fmt: skip

    async with answering(router) as (_, base):
        doors = Doors(Fleet("http://127.0.0.1:1", base))
        async with asyncio.timeout(20):
            assert await doors.pairs("desk") == {"uid-0": None, "uid-1": TOLD}
        await doors.close()
    none = Doors(Fleet())
    assert await none.pairs("desk") == {}
    assert await none.ask("judge", [], 16) is None
    await none.close()
