"""The operator's own questions reach one backend as a caller's do, and are no caller's traffic."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from pointsman.api.profile import Profile
from pointsman.api.table import Activation, Price
from pointsman.events.schema import Request, decode
from pointsman.router.control.admin import Admin
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.serve.pinned import MAX_ANSWER, MOST, Desk
from pointsman.router.serve.record import Recorder
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.world import World, chat, until, world


class Port:
    """The admin port of a world's router."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(
        self, pin: str | None, body: object = None, *, path: str = "chat/completions", **more: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body or chat("whatever")).encode()
        headers = {**more, **({"x-pointsman-pin": pin} if pin is not None else {})}
        url = f"{self.url}/v1/{path}"
        async with self.session.post(url, data=io.BytesIO(data), headers=headers) as answer:
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, json.loads(await answer.read())


@asynccontextmanager
async def admin(there: World) -> AsyncIterator[Port]:
    """It listens."""
    metrics = ControlMetrics(CollectorRegistry())
    feed = TableFeed(there.live, metrics, namespace="default")
    server = Admin(feed, metrics, router="router-0", auth=None, desk=lambda: Desk(there.plane))
    port = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield Port(session, f"http://127.0.0.1:{port}")
    finally:
        await server.close()


@pytest.fixture
async def port(there: World) -> AsyncIterator[Port]:
    """With nothing in the table yet."""
    async with admin(there) as found:
        yield found


async def test_a_pinned_request_is_answered_by_just_that_backend(there: World, port: Port) -> None:
    """Though no policy routes to it; its model's name is the backend's, its profile is applied."""
    await there.simulator("small")
    await there.simulator("large")
    profile = Profile(developer="system")
    there.backends["large"] = replace(there.backends["large"], profile=profile)
    there.pin("small", "large")
    body = {"model": "any", "messages": [{"role": "developer", "content": "Be brief."}]}

    status, headers, found = await port.ask("large", body)

    assert (status, headers["x-pointsman-backend"]) == (200, "large")
    assert found["model"] == "model-large"
    assert len(there.simulators["small"].log.as_json()) == 0
    (seen,) = there.simulators["large"].log.as_json()
    assert json.loads(str(seen["body"]))["messages"][0]["role"] == "system"


async def test_its_key_is_the_backends_own(there: World, port: Port) -> None:
    """What the operator shows at the admin port goes no further."""
    _, number = await there.simulated("hosted")
    there.external("hosted", f"http://127.0.0.1:{number}/v1", key=b"provider-key")
    there.pin("hosted")
    status, _, _ = await port.ask("hosted", Authorization="Bearer operator", Cookie="a=b")
    assert status == 200
    (seen,) = there.seen("hosted")
    assert seen["authorization"] == "Bearer provider-key"
    assert "cookie" not in seen
    assert "x-pointsman-pin" not in seen


async def test_embeddings_are_pinned_as_well(there: World, port: Port) -> None:
    """Each operation of the router."""
    await there.simulator("small")
    there.pin("small")
    status, _, found = await port.ask("small", {"model": "x", "input": "one"}, path="embeddings")
    assert status == 200
    assert found["object"] == "list"


async def test_no_caller_reaches_what_only_the_pins_carry(there: World, port: Port) -> None:
    """Neither by its name nor by an empty one, nor with the header on the public port."""
    await there.simulator("small")
    there.pin("small")
    for model in ("small", "", "pinned"):
        reply = await there.ask(chat(model), x_pointsman_pin="small")
        assert reply.status == 404, model
    assert there.seen("small") == []
    assert (await port.ask("small"))[0] == 200


@pytest.mark.parametrize(
    ("pin", "body", "status", "code"),
    [
        ("other", None, 404, "backend_not_found"),
        (None, None, 400, "no_pin"),
        ("", None, 400, "no_pin"),
        ("small", b"{", 400, None),
        ("small", chat(stream=True), 400, None),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_openais_shape(  # noqa: PLR0917 - a table
    there: World, port: Port, pin: str | None, body: object, status: int, code: str | None
) -> None:
    """And no backend is asked."""
    await there.simulator("small")
    there.pin("small")
    answered, _, found = await port.ask(pin, body)
    assert (answered, found["error"]["code"]) == (status, code)
    assert set(found["error"]) == {"message", "type", "param", "code"}
    assert there.seen("small") == []


async def test_without_a_table_it_comes_back_later(port: Port) -> None:
    """As a caller would."""
    status, headers, found = await port.ask("small")
    assert (status, found["error"]["code"], headers["retry-after"]) == (503, "not_ready", "1")


async def test_it_waits_for_a_server_as_a_caller_does(there: World, port: Port) -> None:
    """A backend at zero replicas is woken, and the answer says how long that took."""
    activation = Activation(mode="Hold", timeout_s=15.0, max_held=4)
    there.place("cold", activation=activation)
    there.pin("cold")
    asking = asyncio.create_task(port.ask("cold"))
    await until(lambda: there.live.held.get("cold") == 1)
    assert there.live.missed == {"cold": 1}
    _, number = await there.simulated("cold")
    there.place("cold", number, activation=activation)
    status, headers, _ = await asking
    assert status == 200
    assert "x-pointsman-held-ms" in headers


async def test_a_wait_has_an_end(there: World, port: Port) -> None:
    """And then says so."""
    there.place("cold", activation=Activation(mode="Hold", timeout_s=0.05, max_held=4))
    there.pin("cold")
    status, _, found = await port.ask("cold")
    assert (status, found["error"]["code"]) == (503, "backends_unavailable")


async def test_it_is_in_the_ledger_as_nobodys_traffic(there: World, port: Port) -> None:
    """With its cost, under no policy, so that it is in no policy's sums."""
    lines: list[bytes] = []
    there.plane.record = Recorder(lines.append, time.time)
    await there.simulator("small")
    price = Price(input_pico=150_000, output_pico=600_000)
    there.backends["small"] = replace(there.backends["small"], prices=(price,))
    there.pin("small")
    _, headers, _ = await port.ask("small")
    await until(lambda: len(lines) == 1)
    event = decode(lines[0])
    assert isinstance(event, Request)
    assert event.decision == headers["x-pointsman-decision-id"]
    assert (event.policy, event.rule, event.backend) == ("", "pinned", "small")
    assert event.caller == event.team == "pointsman-evaluation"
    assert event.cost_nano > 0


async def test_an_error_of_the_backend_is_told_and_no_other_is_asked(
    there: World, port: Port
) -> None:
    """After its retries: there is no chain."""
    await there.simulator("small")
    await there.simulator("large")
    there.pin("small", "large")
    there.simulators["small"].faults.order(Fault(FaultMode.ERROR_500, count=3))
    status, _, found = await port.ask("small")
    assert (status, found["error"]["code"]) == (502, "upstream_error")
    assert there.seen("large") == []


async def test_an_answer_that_breaks_off_is_no_answer(there: World, port: Port) -> None:
    """Larger than what is held back, so that it had begun."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        writer.write(head + b"content-length: 600000\r\n\r\n" + b"x" * 300_000)
        await writer.drain()

    await there.scripted("small", half)
    there.pin("small")
    status, _, found = await port.ask("small")
    assert (status, found["error"]["type"]) == (502, "upstream_error")


async def test_an_endless_answer_is_cut(there: World, port: Port) -> None:
    """What is kept of it is bounded."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % (10 * MAX_ANSWER))
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    await there.scripted("small", endless)
    there.pin("small")
    status, _, found = await port.ask("small")
    assert (status, found["error"]["code"]) == (502, "answer_too_large")


async def test_so_many_at_once_and_no_more(there: World, port: Port) -> None:
    """The next comes back later; callers are served meanwhile."""
    await there.simulator("small")
    there.pin("small")
    there.simulators["small"].faults.order(Fault(FaultMode.HANG, count=MOST))
    tasks = [asyncio.create_task(port.ask("small")) for _ in range(MOST)]
    await until(lambda: there.live.in_flight.get("small") == MOST)
    status, headers, found = await port.ask("small")
    assert (status, found["error"]["type"]) == (429, "rate_limit_error")
    assert headers["retry-after"] == "1"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: not there.live.in_flight)
    assert (await port.ask("small"))[0] == 200


async def test_who_leaves_cuts_the_attempt(there: World, port: Port) -> None:
    """The model does not work on for nobody."""
    await there.simulator("small")
    there.pin("small")
    there.simulators["small"].faults.order(Fault(FaultMode.HANG))
    task = asyncio.create_task(port.ask("small"))
    await until(lambda: there.live.in_flight.get("small") == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: not there.live.in_flight)


async def test_a_drain_cuts_what_is_in_work_and_takes_no_more() -> None:
    """Whoever asks is told to come back; nothing is left behind."""
    async with world() as there:
        await there.simulator("small")
        there.pin("small")
        there.simulators["small"].faults.order(Fault(FaultMode.HANG))
        async with admin(there) as port:
            asking = asyncio.create_task(port.ask("small"))
            await until(lambda: there.live.in_flight.get("small") == 1)
            assert await there.plane.drain(0.05) == 1
            status, _, found = await asking
            assert (status, found["error"]["code"]) == (503, "draining")
            status, _, found = await port.ask("small")
            assert (status, found["error"]["code"]) == (503, "draining")
