"""A backend with a queue: no server gets more than it works on, the others wait in the router."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pointsman.api.callers import digest_of
from pointsman.api.table import Activation, Fallback, HeaderMatch, Match, Order, Route, Target
from pointsman.router.callers import Caller, callers_of
from tests.router.serve.test_hold import held
from tests.router.serve.world import LIMITS, Reply, World, chat, until, world


@pytest.fixture
async def hasty() -> AsyncIterator[World]:
    """Comments each 20 ms."""
    async with world(replace(LIMITS, hold_heartbeat_s=0.02)) as found:
        yield found


class Slow:
    """A server that answers when told, and knows the most it had at once."""

    def __init__(self) -> None:
        self.now = self.most = self.served = 0
        self.gate = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.now += 1
            self.most = max(self.most, self.now)
            await self.gate.acquire()
            self.now -= 1
            self.served += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                         b"content-length: 2\r\n\r\n{}")  # fmt: skip


def queue(**more: float) -> Activation:
    """Two at once."""
    values: dict[str, float] = {"timeout_s": 15.0, "max_held": 100, "at_once": 2, **more}
    return Activation(mode="Hold", **values)  # type: ignore[arg-type]


async def slow(there: World, servers: int = 1, **more: float) -> list[Slow]:
    """So many of backend `cold`, whose name the helpers of holding know."""
    made = [Slow() for _ in range(servers)]
    ports = [await there.scripted_port(each) for each in made]
    line = queue(**more)
    there.place("cold", *ports, queue=line, max_concurrent=line.at_once)
    there.route("cold")
    return made


async def sent(there: World, count: int) -> list[asyncio.Task[Reply]]:
    """So many requests that are with servers."""
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(there.ask()))
        await until(lambda wanted=number + 1: there.live.in_flight.get("cold") == wanted)  # type: ignore[misc]
    return tasks


@pytest.mark.parametrize("servers", [1, 3])
async def test_no_server_has_more_than_it_works_on(there: World, servers: int) -> None:
    """However many come; all are answered."""
    made = await slow(there, servers)
    tasks = await sent(there, 2 * servers)
    tasks += await held(there, 10)
    assert there.live.missed == {}, "nothing has to be started for them"
    for _ in range(len(tasks)):
        for each in made:
            each.gate.release()
    replies = [await task for task in tasks]
    assert {reply.status for reply in replies} == {200}
    assert {each.most for each in made} == {2}
    assert "x-pointsman-held-ms" in replies[-1].headers
    assert there.plane.holds.queues == {}
    assert there.count("waits_total", backend="cold", outcome="Answered") == 10


async def test_routers_share_what_servers_take(there: World) -> None:
    """Two routers, one at once each."""
    there.live.routers = 2
    (server,) = await slow(there)
    tasks = await sent(there, 1) + await held(there, 3)
    for _ in range(4):
        server.gate.release()
    assert {(await task).status for task in tasks} == {200}
    assert server.most == 1


async def test_the_line_and_the_wait_have_ends(there: World) -> None:
    """503 with Retry-After; who is with the server is answered all the same."""
    (server,) = await slow(there, max_held=2, timeout_s=0.2)
    tasks = await sent(there, 2)
    waiting = await held(there, 2)
    late = await there.ask()
    assert (late.status, "retry-after" in late.headers) == (503, True)
    assert "HoldFull" not in late.body.decode()
    assert {(await task).status for task in waiting} == {503}
    assert there.count("waits_total", backend="cold", outcome="HoldTimeout") == 2
    server.gate.release()
    server.gate.release()
    assert {(await task).status for task in tasks} == {200}
    assert server.most == 2


async def test_callers_take_turns(there: World) -> None:
    """Six of one, then one of another, who is second."""
    (server,) = await slow(there, at_once=1)
    keys = [f"pmk-of-{name}-0123456789abcdefghijklmnopqrs" for name in ("one", "other")]
    there.live.callers = callers_of(
        [Caller(key[7:12], "t", None, frozenset({digest_of(key.encode())})) for key in keys],
        complete=True,
    )
    order: list[int] = []
    tasks = []
    for number, key in enumerate([keys[0]] * 6 + [keys[1]]):
        task = asyncio.create_task(there.ask(authorization=f"Bearer {key}"))
        task.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
        tasks.append(task)
        if number == 0:
            await until(lambda: there.live.in_flight.get("cold") == 1)
        else:
            await until(lambda wanted=number: there.live.held.get("cold") == wanted)  # type: ignore[misc]
    for number in range(7):
        server.gate.release()
        await until(lambda wanted=number + 1: len(order) == wanted)  # type: ignore[misc]
    assert order == [0, 1, 6, 2, 3, 4, 5]


def _by_priority(there: World) -> None:
    """Requests with header `x-class: high` and `low` have those priorities."""
    target = (Target(backend="cold"),)
    there.put(
        *(
            Route(
                name=name,
                targets=target,
                matches=(Match(headers=(HeaderMatch(name="x-class", value=name),)),),
                priority=rank,
            )
            for name, rank in (("high", 1), ("low", -1))
        ),
        Route(name="default", targets=target),
    )


async def _asked(there: World, name: str) -> asyncio.Task[Reply]:
    before = there.live.held.get("cold", 0)
    task = asyncio.create_task(there.ask(None, **{"x-class": name}))
    await until(lambda: there.live.held.get("cold") == before + 1)
    return task


async def test_the_policy_says_who_goes_first(there: World) -> None:
    """By the priority of its rule, whoever came before."""
    (server,) = await slow(there, at_once=1)
    _by_priority(there)
    order: list[str] = []
    tasks = await sent(there, 1)
    for name in ("low", "", "high", "low", "", "high"):
        task = await _asked(there, name)
        task.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
        tasks.append(task)
    for number in range(len(tasks)):
        server.gate.release()
        await until(lambda wanted=number: len(order) == wanted)  # type: ignore[misc]
    assert order == ["high", "high", "", "", "low", "low"]


async def test_the_lowest_gives_up_its_place(there: World) -> None:
    """In a full line; 503 with Retry-After, and a caller of its own is no worse than another's."""
    (server,) = await slow(there, at_once=1, max_held=2)
    _by_priority(there)
    tasks = await sent(there, 1)
    low, normal = await _asked(there, "low"), await _asked(there, "")
    high = asyncio.create_task(there.ask(None, **{"x-class": "high"}))
    refused = await low
    assert (refused.status, "retry-after" in refused.headers) == (503, True)
    assert (await there.ask(None, **{"x-class": "low"})).status == 503
    for _ in range(3):
        server.gate.release()
    assert {(await task).status for task in (*tasks, normal, high)} == {200}


async def test_a_client_that_leaves_gives_its_place(there: World) -> None:
    """In the line and at the server: what it leaves goes to the next."""
    (server,) = await slow(there, at_once=1)
    first, *_ = await sent(there, 1)
    waiting = await held(there, 2)
    waiting[0].cancel()
    await until(lambda: there.live.held.get("cold") == 1)
    first.cancel()
    await until(lambda: there.live.held == {} and there.live.in_flight == {"cold": 1})
    server.gate.release()
    server.gate.release()
    assert (await waiting[1]).status == 200


async def test_a_server_more_takes_who_waits(there: World) -> None:
    """And a start is not learned from a line that nothing was started for."""
    (server,) = await slow(there, at_once=1)
    tasks = await sent(there, 1) + await held(there, 1)
    other = Slow()
    port = await there.scripted_port(other)
    ports = [each.port for each in next(iter(there.live.endpoints.values()))]
    there.place("cold", *ports, port, queue=queue(at_once=1), max_concurrent=1)
    await until(lambda: other.now == 1)
    assert there.plane.holds._start_s == {}
    for each in (server, other):
        each.gate.release()
    assert {(await task).status for task in tasks} == {200}


async def test_an_ejected_server_has_no_room(there: World) -> None:
    """What it would have had waits: the other gets no more than before."""
    server, broken = Slow(), await there.scripted_port(_refuses)
    port = await there.scripted_port(server)
    there.place("cold", broken, port, queue=queue(at_once=1), max_concurrent=1)
    there.route("cold")
    server.gate = asyncio.Semaphore(1000)
    while not there.count("ejected_endpoints", backend="cold"):
        await there.ask()
    server.gate, server.most = asyncio.Semaphore(0), 0
    tasks = await sent(there, 1) + await held(there, 3)
    for _ in tasks:
        server.gate.release()
    assert {(await task).status for task in tasks} == {200}
    assert server.most == 1


async def test_an_ejected_server_that_is_left_alone_is_asked(there: World) -> None:
    """The others went after it was ejected: else nobody would ever find it well again."""
    server, fine = Slow(), Slow()
    server.gate, fine.gate = asyncio.Semaphore(1000), asyncio.Semaphore(1000)
    broken = await there.scripted_port(_refuses)
    port = await there.scripted_port(fine)
    there.place("cold", broken, port, queue=queue(at_once=1), max_concurrent=1)
    there.route("cold")
    while not there.count("ejected_endpoints", backend="cold"):
        await there.ask()
    there.place("cold", broken, queue=queue(at_once=1), max_concurrent=1)

    assert (await there.ask()).status == 502, "it was asked"


async def _refuses(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_on_saturated_the_next_backend_answers_instead(there: World) -> None:
    """Nobody waits while another has room."""
    (server,) = await slow(there, at_once=1)
    await there.simulator("next")
    there.route("cold", "next", fallback=Fallback(chain=("next",), on=("Saturated",)))
    tasks = await sent(there, 1)
    assert (await there.ask()).headers["x-pointsman-backend"] == "next"
    server.gate.release()
    assert (await tasks[0]).status == 200


async def test_a_stream_that_waits_hears_comments(hasty: World) -> None:
    """As one does that waits for a start."""
    _, port = await hasty.simulated("cold", ttft_s=0.3)
    hasty.place("cold", port, queue=queue(at_once=1), max_concurrent=1)
    hasty.route("cold")
    (first,) = await sent(hasty, 1)
    reply = await hasty.ask(chat(stream=True))
    assert reply.body.startswith(b": waiting for a model server")
    assert reply.events[-1] == "[DONE]"
    assert (await first).status == 200


async def test_without_a_server_activation_decides(there: World) -> None:
    """A queue is for full servers, not for none."""
    await slow(there)
    there.place("cold", queue=queue(), max_concurrent=2)
    there.route("cold")
    assert (await there.ask()).status == 503
    there.place("cold", queue=queue(), max_concurrent=2,
                activation=Activation(mode="Reject", timeout_s=1.0, max_held=1))  # fmt: skip
    there.route("cold")
    there.live.obey("cold", Order(hold=True))
    assert (await there.ask()).status == 503
    assert there.live.missed == {"cold": 1}
