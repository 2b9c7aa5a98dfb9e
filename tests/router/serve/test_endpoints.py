"""Several endpoints of one backend: conversations stay, failing ones are left out and come back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest

from pointsman.router.policy import balance
from pointsman.router.policy.outlier import FAILURES, FIRST_S
from tests.router.serve.world import World, chat, until, world

BROKEN = b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


@pytest.fixture
async def there() -> AsyncIterator[World]:
    """A world with dice."""
    async with world(dice=random.Random(1).random) as found:
        yield found


def talk(topic: str, *, tokens: int = 2000, turns: int = 1) -> dict[str, object]:
    """A conversation of so many turns that begins alike."""
    messages = [{"role": "system", "content": f"{topic} " * tokens}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Question {turn}"})
        messages.append({"role": "assistant", "content": "Yes."})
    return {"model": "auto", "messages": messages[:-1]}


async def fleet(there: World, count: int = 3) -> list[str]:
    """One backend with so many simulators; their names."""
    ports = [(await there.simulated(f"s{i}", strict_model=False))[1] for i in range(count)]
    there.place("m", *ports)
    there.route("m")
    return [f"s{number}" for number in range(count)]


def asked(there: World, names: list[str]) -> list[int]:
    """How often each was."""
    return [len(there.seen(name)) for name in names]


class Broken:
    """A server that answers 500, until it is well."""

    def __init__(self) -> None:
        self.asked = 0
        self.well = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.asked += 1
            writer.write(BROKEN.replace(b"500 Oh", b"200 OK") if self.well else BROKEN)


async def test_a_conversation_stays_and_conversations_spread(there: World) -> None:
    """By system prompt and first message, whatever follows."""
    names = await fleet(there)
    for turns in range(1, 9):
        assert (await there.ask(talk("trains", turns=turns))).status == 200
    assert sorted(asked(there, names)) == [0, 0, 8]
    for number in range(30):
        await there.ask(talk(f"trains{number}"))
    assert min(asked(there, names)) >= 3


async def test_a_router_that_begins_anew_sends_it_to_the_same(there: World) -> None:
    """The order of endpoints is of no matter either, nor that one more is there."""
    names = await fleet(there)
    await there.ask(talk("trains"))
    home = asked(there, names).index(1)
    ports = [each.port for each in next(iter(there.live.endpoints.values()))]
    there.plane.balancers.made.clear()
    there.place("m", *reversed(ports))
    await there.ask(talk("trains", turns=2))
    assert asked(there, names)[home] == 2
    there.place("m", ports[home])
    there.place("m", *ports[::-1])
    await there.ask(talk("trains", turns=3))
    assert asked(there, names)[home] == 3


async def test_short_prompts_have_no_home(there: World) -> None:
    """To read them again costs less than to wait."""
    names = await fleet(there)
    for _ in range(24):
        await there.ask(chat())
    assert min(asked(there, names)) >= 3


async def test_a_home_with_much_to_do_is_passed_over(there: World) -> None:
    """Its second home takes what is over the bound, then the better of two."""
    held, gates = [0, 0, 0], asyncio.Event()

    def handler(number: int) -> Broken:
        class Held(Broken):
            async def __call__(
                self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                held[number] += 1
                await gates.wait()
                self.well = True
                await super().__call__(reader, writer)

        return Held()

    there.place("m", *[await there.scripted_port(handler(number)) for number in range(3)])
    there.route("m")
    tasks = []
    for number in range(48):
        tasks.append(asyncio.create_task(there.ask(talk("trains"))))
        await until(lambda: sum(held) > number)  # noqa: B023 - it is awaited here
    gates.set()
    assert {(await task).status for task in tasks} == {200}
    assert max(held) <= balance.most(48, 3) + 1
    assert min(held) >= 1


async def test_an_endpoint_that_fails_gets_nothing_and_comes_back(there: World) -> None:
    """Callers see none of it: what it fails is tried at the other."""
    broken = Broken()
    _, port = await there.simulated("s", strict_model=False)
    there.place("m", await there.scripted_port(broken), port)
    there.route("m")
    for _ in range(60):
        assert (await there.ask()).status == 200
    assert broken.asked == FAILURES
    assert there.count("ejections_total", backend="m", reason="Http500") == 1
    assert there.count("ejected_endpoints", backend="m") == 1

    there.plane.clock = lambda: time.monotonic() + FIRST_S + 1
    for _ in range(20):
        assert (await there.ask()).status == 200
    assert broken.asked == FAILURES + 1, "one request tried it, and it failed again"

    broken.well = True
    there.plane.clock = lambda: time.monotonic() + 4 * FIRST_S
    for _ in range(20):
        assert (await there.ask()).status == 200
    assert broken.asked > FAILURES + 5
    assert there.count("ejected_endpoints", backend="m") == 0


async def test_a_refused_connection_is_a_failure(there: World) -> None:
    """A pod that is gone before its slice says so."""
    _, port = await there.simulated("s", strict_model=False)
    there.place("m", 1, port)
    there.route("m")
    for _ in range(40):
        assert (await there.ask()).status == 200
    assert there.count("attempts_total", backend="m", outcome="ConnectRefused") == FAILURES


async def test_the_last_endpoint_is_asked_however_it_fails(there: World) -> None:
    """At most half are left out."""
    both = [Broken(), Broken()]
    there.place("m", *[await there.scripted_port(each) for each in both])
    there.route("m")
    for _ in range(30):
        assert (await there.ask()).status in (502, 503)
    assert there.count("ejected_endpoints", backend="m") == 1
    counts = sorted(each.asked for each in both)
    assert counts[1] > counts[0] >= FAILURES
    both[0].well = both[1].well = True
    assert (await there.ask()).status == 200


async def test_what_is_gone_is_forgotten(there: World) -> None:
    """An address that comes back is another pod."""
    broken = Broken()
    _, port = await there.simulated("s", strict_model=False)
    bad = await there.scripted_port(broken)
    there.place("m", bad, port)
    there.route("m")
    for _ in range(40):
        await there.ask()
    balancer = next(iter(there.plane.balancers.made.values()))
    assert [each.ejected for each in balancer.sick.values()] == [True]
    there.place("m", port)
    there.place("m", port, 9)
    await there.ask(talk("trains"))
    assert ("127.0.0.1", bad) not in balancer.sick
    there.live.replace_endpoints({})
    assert there.plane.balancers.made == {}


async def test_a_caller_that_leaves_tells_nothing_against_an_endpoint(there: World) -> None:
    """Nor does 429, which says that it works and has enough."""
    broken = Broken()
    _, port = await there.simulated("s", strict_model=False)
    there.place("m", await there.scripted_port(broken), port)
    there.route("m")
    balancer = there.plane.balancers.of("never")
    assert balancer.sick == {}
    for outcome in ("ClientGone", "Http429", "Http400", "Ok"):
        pool = there.plane.pools.service("127.0.0.1", port)
        series = there.metrics.backend("m")
        balancer.ended(pool, outcome, 0.0, whole=False, series=series)
    assert balancer.sick == {}
