"""Questions find a router that answers, or say within a deadline that none does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pointsman.evaluation.running.asking import Asker, Denied
from pointsman.evaluation.suite.outcome import Missing
from pointsman.operator.cluster.pinned import PinnedAsker, pinned

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {"choices": [{"message": {"content": "Hello."}}]}


class Router:
    """An admin port that answers with these statuses, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.seen: list[dict[str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append({name.lower(): value for name, value in request.headers.items()})
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status != 200:
            error = {"error": {"message": "no", "type": "x", "param": None, "code": None}}
            return web.json_response(error, status=status)
        headers = {"x-pointsman-backend": request.headers["x-pointsman-pin"]}
        return web.json_response(ANSWER, headers=headers)


@asynccontextmanager
async def listening(*routers: Router) -> AsyncIterator[None]:
    runners = []
    for router in routers:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", router.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        router.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        runners.append(runner)
    try:
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def asking(asker: Asker, *urls: str, wait_s: float = 0.0) -> PinnedAsker:
    headers = {"authorization": "Bearer operator", "x-pointsman-epoch": "3"}
    return PinnedAsker(asker, lambda: urls, lambda: headers, wait_s=wait_s)


async def test_a_question_shows_the_token_and_names_its_backend() -> None:
    """And its answer says whose it is."""
    router = Router(200)
    async with listening(router), Asker(limit=2, deadline_s=5) as asker:
        reply = await asking(asker, router.url).ask(pinned("coder"), BODY)
    assert (reply.text, reply.backend) == ("Hello.", "coder")
    (seen,) = router.seen
    assert seen["authorization"] == "Bearer operator"
    assert seen["x-pointsman-epoch"] == "3"
    assert seen["x-pointsman-pin"] == "coder"


async def test_routers_are_asked_in_turn() -> None:
    """None of them gets all of it."""
    routers = [Router(200), Router(200)]
    async with listening(*routers), Asker(limit=2, deadline_s=5) as asker:
        asker_of = asking(asker, *(one.url for one in routers))
        for _ in range(6):
            await asker_of.ask(pinned("coder"), BODY)
    assert [len(one.seen) for one in routers] == [3, 3]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_router_that_does_not_let_it_be_asked_is_passed_over(status: int) -> None:
    """Its table does not carry the backend yet, or it does not know the token."""
    routers = [Router(status), Router(200)]
    async with listening(*routers), Asker(limit=2, deadline_s=5) as asker:
        asker_of = asking(asker, *(one.url for one in routers))
        replies = [await asker_of.ask(pinned("coder"), BODY) for _ in range(4)]
    assert {reply.text for reply in replies} == {"Hello."}


@pytest.mark.slow
async def test_it_waits_for_a_table_that_is_on_its_way() -> None:
    """A little."""
    router = Router(404, 200)
    async with listening(router), Asker(limit=2, deadline_s=5) as asker:
        reply = await asking(asker, router.url, wait_s=5.0).ask(pinned("coder"), BODY)
    assert reply.text == "Hello."


async def test_without_a_router_it_ends() -> None:
    """With words, and within its time."""
    async with Asker(limit=2, deadline_s=5) as asker, asyncio.timeout(10):
        with pytest.raises(Denied, match="no router answers"):
            await asking(asker).ask(pinned("coder"), BODY)


async def test_a_backend_that_fails_is_no_router_that_fails() -> None:
    """400 is an answer about this request: no other router is asked for it."""
    routers = [Router(400), Router(400)]
    async with listening(*routers), Asker(limit=2, deadline_s=5) as asker:
        reply = await asking(asker, *(one.url for one in routers)).ask(pinned("coder"), BODY)
    assert reply.missing is Missing.REFUSED
    assert sum(len(one.seen) for one in routers) == 1


async def test_a_question_too_large_for_a_router_is_not_sent() -> None:
    """It has no score; the others are asked."""
    router = Router(200)
    message = {"role": "user", "content": "x" * 1_100_000}
    async with listening(router), Asker(limit=2, deadline_s=5) as asker:
        reply = await asking(asker, router.url).ask(
            pinned("coder"), {"model": "m", "messages": [message]}
        )
    assert reply.missing is Missing.REFUSED
    assert router.seen == []
