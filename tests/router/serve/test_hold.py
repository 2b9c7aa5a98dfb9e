"""Requests for a backend without a ready server: held, rejected or passed on, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

import pytest

from pointsman.api.callers import digest_of
from pointsman.api.table import Activation, Endpoint, Fallback, Order
from pointsman.router.callers import Caller, callers_of
from pointsman.router.serve import holds
from tests.router.serve.world import LIMITS, Reply, World, chat, post, until, world

Mode = Literal["Hold", "Reject", "Fallback"]


def how(mode: Mode = "Hold", **more: float) -> Activation:
    """Activation with a long time."""
    values: dict[str, float] = {"timeout_s": 15.0, "max_held": 100, **more}
    return Activation(mode=mode, **values)  # type: ignore[arg-type]


def cold(there: World, mode: Mode = "Hold", **more: float) -> None:
    """A backend `cold` without a server; it alone answers."""
    there.place("cold", activation=how(mode, **more))
    there.route("cold")


async def start(there: World, servers: int = 1, **settings: object) -> list[int]:
    """Servers of `cold` become ready."""
    ports = [(await there.simulated("cold", **settings))[1] for _ in range(servers)]
    there.place("cold", *ports, activation=there.backends["cold"].activation)
    return ports


async def held(there: World, count: int, body: object = None) -> list[asyncio.Task[Reply]]:
    """So many requests, waiting, in this order."""
    tasks = []
    before = there.live.held.get("cold", 0)
    for number in range(count):
        tasks.append(asyncio.create_task(there.ask(body)))
        await until(lambda wanted=before + number + 1: there.live.held.get("cold") == wanted)  # type: ignore[misc]
    return tasks


async def test_a_held_request_is_answered_once_a_server_is_ready(there: World) -> None:
    """As if nothing had been; the answer says how long it waited, the metrics count it."""
    cold(there)
    (waiting,) = await held(there, 1)
    assert there.live.missed == {"cold": 1}
    assert there.count("held", backend="cold") == 1
    await asyncio.sleep(0.25)
    await start(there)
    reply = await waiting
    assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, "cold")
    held_ms = int(reply.headers["x-pointsman-held-ms"])
    assert held_ms >= 200
    assert float(reply.headers["x-pointsman-overhead-ms"]) < held_ms
    assert there.count("waits_total", backend="cold", outcome="Answered") == 1
    assert there.live.held == {}
    assert there.plane.holds.queues == {}
    assert "x-pointsman-held-ms" not in (await there.ask()).headers


async def test_who_came_first_goes_first(there: World) -> None:
    """Also before those that come when the server is there and others still wait."""
    cold(there, at_once=1)
    first = await held(there, 5, chat(max_tokens=2))
    await start(there, ttft_s=0.02)
    late = asyncio.create_task(there.ask(chat(max_tokens=3)))
    ended: list[int] = []
    for number, task in enumerate([*first, late]):
        task.add_done_callback(lambda _, number=number: ended.append(number))  # type: ignore[misc]
    assert [(await task).status for task in [*first, late]] == [200] * 6
    await until(lambda: len(ended) == 6)
    assert ended == sorted(ended)


async def test_a_server_that_has_just_begun_gets_only_a_few_at_once(there: World) -> None:
    """Each that ends lets the next go."""
    cold(there, at_once=2)
    tasks = await held(there, 9)
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, there.live.in_flight.get("cold", 0))

    there.live.load_listeners.append(look)
    await start(there, servers=2, ttft_s=0.01)
    assert [(await task).status for task in tasks] == [200] * 9
    assert most == 4


async def test_the_queue_has_a_bound(there: World) -> None:
    """The one too many is told when to come again; the others wait on."""
    cold(there, max_held=2)
    tasks = await held(there, 2)
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "backends_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert there.count("attempts_total", backend="cold", outcome="HoldFull") == 1, "it did not wait"
    await start(there)
    assert [(await task).status for task in tasks] == [200, 200]


async def test_waits_in_vain_are_told_before_the_first(there: World) -> None:
    """As soon as a table names a backend that may be waited for, and only of such a one."""
    await there.simulator("warm")
    cold(there)
    there.route("cold", "warm", fallback=Fallback(chain=("warm",), on=("Error",)))

    def told(metric: str) -> dict[tuple[str, str], float]:
        name = f"pointsman_router_{metric}_total"
        return {
            (sample.labels["backend"], sample.labels["outcome"]): sample.value
            for family in there.metrics.collect()
            for sample in family.samples
            if sample.name == name
        }

    assert told("waits") == {("cold", why): 0 for why in ("HoldTimeout", "HoldFull", "CannotStart")}
    assert told("attempts") == {("cold", why): 0 for why in ("HoldFull", "CannotStart")}
    there.route("warm")
    assert told("waits") == told("attempts") == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_wait_has_an_end(there: World, stream: bool) -> None:
    """503 with Retry-After, and nothing is left of it."""
    cold(there, timeout_s=0.05)
    reply = await there.ask(chat(stream=stream))
    assert (reply.status, reply.error["code"]) == (503, "backends_unavailable")
    assert "no server became ready in time" in str(reply.error["message"])
    assert there.count("waits_total", backend="cold", outcome="HoldTimeout") == 1
    assert there.live.held == {}


async def test_the_total_timeout_ends_a_wait(there: World) -> None:
    """The shorter of both counts."""
    there.place("cold", activation=how(timeout_s=60))
    there.route("cold", request_timeout_s=0.05)
    assert (await there.ask()).status == 504
    assert there.live.held == {}


async def test_a_client_that_leaves_waits_no_longer(there: World) -> None:
    """Its place is free, and no server is asked for it."""
    cold(there)
    async with there.client() as client:
        await client.send(post(chat()))
        await until(lambda: there.live.held == {"cold": 1})
    await until(lambda: there.live.held == {})
    await start(there)
    assert (await there.ask()).status == 200
    assert len(there.seen("cold")) == 1


async def test_reject_is_told_at_once(there: World) -> None:
    """With the time that the last start took; the miss is counted: somebody may start one."""
    cold(there, "Reject")
    reply = await there.ask()
    assert (reply.status, reply.error["code"]) == (503, "backends_unavailable")
    assert int(reply.headers["retry-after"]) == holds.USUAL_START_S
    assert there.live.missed == {"cold": 1}
    await start(there)
    assert (await there.ask()).status == 200
    there.place("cold", activation=there.backends["cold"].activation)
    assert int((await there.ask()).headers["retry-after"]) == 1


@pytest.mark.parametrize(
    ("mode", "on", "answered"),
    [
        ("Fallback", ("Error",), "warm"),
        ("Hold", ("Cold",), "warm"),
        ("Reject", ("Cold",), "warm"),
        ("Reject", ("Error",), ""),
    ],
)
async def test_a_warm_backend_answers_meanwhile(
    there: World, mode: Mode, on: tuple[Literal["Error", "Cold"], ...], answered: str
) -> None:
    """If backend or route say so, until the cold one is ready; the miss is counted all the same."""
    await there.simulator("warm")
    there.place("cold", activation=how(mode))
    there.route("cold", "warm", fallback=Fallback(chain=("warm",), on=on))
    reply = await there.ask()
    if answered:
        assert (reply.status, reply.headers["x-pointsman-backend"]) == (200, answered)
    else:
        assert reply.status == 503
    assert there.live.missed == {"cold": 1}
    assert there.live.held == {}
    await start(there)
    assert (await there.ask()).headers["x-pointsman-backend"] == "cold"


async def test_after_a_wait_in_vain_the_next_backend_answers(there: World) -> None:
    """Hold and Cold together do not wait; a last backend waits, and then nobody is left."""
    await there.simulator("warm")
    there.place("cold", activation=how("Hold", timeout_s=0.05))
    there.route("cold", "warm", fallback=Fallback(chain=("warm",), on=("Error",)))
    assert (await there.ask()).status == 503
    there.place("cold", activation=how("Fallback", timeout_s=0.05))
    there.route("warm", "cold", fallback=Fallback(chain=("cold",), on=("Error",)))
    there.live.replace_endpoints({})
    assert (await there.ask()).status == 503
    assert there.count("waits_total", backend="cold", outcome="HoldTimeout") == 2


async def test_without_activation_it_is_an_error_as_before(there: World) -> None:
    """Fallback on Error, else 503 at once."""
    there.place("cold")
    there.route("cold")
    assert (await there.ask()).status == 503
    assert there.live.missed == {}


@pytest.fixture
async def hasty() -> AsyncIterator[World]:
    """Heartbeats come soon."""
    async with world(replace(LIMITS, hold_heartbeat_s=0.02)) as there:
        yield there


async def test_a_stream_that_waits_long_hears_comments(hasty: World) -> None:
    """Events follow them as in any stream, in one answer."""
    cold(hasty)
    task = (await held(hasty, 1, chat(stream=True)))[0]
    await asyncio.sleep(0.1)
    await start(hasty)
    reply = await task
    assert (reply.status, reply.complete) == (200, True)
    assert reply.headers["content-type"] == "text/event-stream"
    comments, _, events = reply.body.partition(b"data:")
    assert set(comments.strip().split(b"\n\n")) == {b": waiting for a model server"}
    assert events.endswith(b"[DONE]\n\n")
    (series,) = [s for s in hasty.metrics._routes.values() if s.policy]
    assert series.codes == {200: 1}


async def test_what_fails_after_a_comment_is_an_event(hasty: World) -> None:
    """No second head can be sent: an error event, the end of the body, and the connection lives."""
    cold(hasty, timeout_s=0.2)
    async with hasty.client() as client:
        await client.send(post(chat(stream=True)) + post(chat(), path="/v1/none"))
        reply = await client.reply()
        assert (reply.status, reply.complete) == (200, True)
        assert b'"code":"backends_unavailable"' in reply.body
        assert b"[DONE]" not in reply.body
        assert (await client.reply()).status == 404


async def test_a_refusal_after_a_comment_is_an_event(hasty: World) -> None:
    """A backend's 4xx as well."""
    cold(hasty)
    task = (await held(hasty, 1, chat(stream=True)))[0]
    await asyncio.sleep(0.1)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()

    port = await hasty.scripted_port(refuse)
    hasty.place("cold", port, activation=hasty.backends["cold"].activation)
    reply = await task
    assert (reply.status, reply.complete) == (200, True)
    assert b"status 400" in reply.body


async def test_a_whole_answer_hears_nothing_before_it_is_whole(hasty: World) -> None:
    """Its status line is the answer's."""
    cold(hasty, timeout_s=0.1)
    assert (await hasty.ask()).status == 503


async def test_a_drain_ends_a_wait(there: World) -> None:
    """At its deadline: 503, which an SDK tries again elsewhere."""
    cold(there)
    (waiting,) = await held(there, 1)
    await there.plane.drain(0.05)
    assert (await waiting).status == 503


@pytest.mark.slow
async def test_thousands_wait_and_all_are_answered(there: World) -> None:
    """Over changing endpoints, with some that leave."""
    cold(there, max_held=2000, at_once=4)
    tasks = [asyncio.create_task(there.ask(chat(max_tokens=1))) for _ in range(300)]
    await until(lambda: there.live.held == {"cold": 300})
    for task in tasks[::10]:
        task.cancel()
    await until(lambda: there.live.held == {"cold": 270})
    first = await start(there)
    await until(lambda: there.live.held.get("cold", 0) < 250)
    address = next(iter(there.live.endpoints))
    there.live.replace_endpoints({address: ()})
    there.live.replace_endpoints({address: (Endpoint(host="127.0.0.1", port=first[0]),)})
    replies = [await task for number, task in enumerate(tasks) if number % 10]
    assert {reply.status for reply in replies} == {200}
    assert there.live.held == {}


async def test_an_order_to_hold_outweighs_a_server(there: World) -> None:
    """What is sent already goes on; what comes waits until the order ends."""
    await there.simulator("cold", ttft_s=0.1)
    there.place("cold", *[e.port for e in ready(there)], activation=how())
    there.route("cold")
    running = asyncio.create_task(there.ask())
    await until(lambda: there.live.in_flight == {"cold": 1})
    there.live.obey("cold", Order(hold=True))
    (waiting,) = await held(there, 1)
    assert (await running).status == 200
    assert there.live.held == {"cold": 1}
    assert there.live.missed == {"cold": 1}
    there.live.obey("cold", None)
    assert (await waiting).status == 200
    assert there.plane.holds.queues == {}


async def test_who_waits_for_a_server_that_cannot_start_hears_why(there: World) -> None:
    """At once, and so does who comes; with a warm backend, that one answers."""
    cold(there)
    tasks = await held(there, 3)
    there.live.obey("cold", Order(failure="ImagePullBackOff"))
    for reply in [*[await task for task in tasks], await there.ask()]:
        assert reply.status == 503
        assert "no server of it can start: ImagePullBackOff" in str(reply.error["message"])
    assert there.count("waits_total", backend="cold", outcome="CannotStart") == 3
    assert there.count("attempts_total", backend="cold", outcome="CannotStart") == 1, "no wait"
    await there.simulator("warm")
    there.route("cold", "warm", fallback=Fallback(chain=("warm",), on=("Cold",)))
    assert (await there.ask()).headers["x-pointsman-backend"] == "warm"
    there.route("cold")
    there.live.obey("cold", None)
    await start(there)
    assert (await there.ask()).status == 200


def ready(there: World) -> tuple[Endpoint, ...]:
    """Of the only Service."""
    return next(iter(there.live.endpoints.values()))


def two_callers(there: World) -> list[dict[str, str]]:
    """Their headers."""
    keys = [f"pmk-of-{name}-0123456789abcdefghijklmnopqrs" for name in ("one", "other")]
    there.live.callers = callers_of(
        [Caller(key[7:12], "t", None, frozenset({digest_of(key.encode())})) for key in keys],
        complete=True,
    )
    return [{"authorization": f"Bearer {key}"} for key in keys]


async def test_callers_take_turns(there: World) -> None:
    """Who sends many makes another wait for one of them, not for all."""
    cold(there, at_once=1)
    one, other = two_callers(there)
    order: list[str] = []
    tasks = []
    for number, (name, headers) in enumerate([("one", one)] * 6 + [("other", other)] * 2):
        task = asyncio.create_task(there.ask(chat(max_tokens=2), **headers))
        task.add_done_callback(lambda _, name=name: order.append(name))  # type: ignore[misc]
        tasks.append(task)
        await until(lambda wanted=number + 1: there.live.held.get("cold") == wanted)  # type: ignore[misc]
    await start(there, ttft_s=0.02)
    assert [(await task).status for task in tasks] == [200] * 8
    assert order[:4] == ["one", "other", "one", "other"]


async def test_nobody_fills_the_queue_alone(there: World) -> None:
    """The newest of who has most gives up its place, and is told as if it had come too late."""
    cold(there, max_held=4)
    one, other = two_callers(there)
    first = [asyncio.create_task(there.ask(**one)) for _ in range(4)]
    await until(lambda: there.live.held.get("cold") == 4)
    assert (await there.ask(**one)).status == 503
    second = [asyncio.create_task(there.ask(**other)) for _ in range(2)]
    await until(lambda: sum(task.done() for task in first) == 2)
    refused = [await task for task in first if task.done()]
    assert [(r.status, "retry-after" in r.headers) for r in refused] == [(503, True)] * 2
    assert (await there.ask(**other)).status == 503
    assert there.live.held == {"cold": 4}
    await start(there)
    assert sorted([(await task).status for task in first]) == [200, 200, 503, 503]
    assert [(await task).status for task in second] == [200, 200]
