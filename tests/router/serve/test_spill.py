"""Routes that pass on what is full, cold or cannot start: who answers, what it is told, and when
the traffic comes back."""

import asyncio
import random
from collections import Counter
from typing import Literal

import pytest

from pointsman.api.table import Activation, Backend, Endpoint, Fallback, Order
from tests.router.serve.test_hold import how
from tests.router.serve.world import Reply, World, chat, until

On = Literal["Error", "Cold", "Saturated", "Unschedulable"]


def chain(*names: str, on: tuple[On, ...] = ("Saturated",), deadline_s: float = 60.0) -> Fallback:
    """A fallback chain."""
    return Fallback(chain=names, on=on, deadline_s=deadline_s)


async def place(there: World, name: str, at_once: int | None, **settings: object) -> None:
    """A simulated model whose server takes so many at once."""
    _, port = await there.simulated(name, **settings)
    there.place(name, port, max_concurrent=at_once)


async def asked(there: World, count: int, body: object = None) -> list[asyncio.Task[Reply]]:
    """So many requests, each sent when the one before it has found its place."""
    live = there.live

    def placed() -> int:
        """Requests that wait, run or have ended."""
        return sum(sum(counts.values()) for counts in (live.held, live.in_flight, live.finished))

    tasks = []
    for _ in range(count):
        before = placed()
        tasks.append(asyncio.create_task(there.ask(body)))
        await until(lambda before=before: placed() > before)  # type: ignore[misc]
    return tasks


def who(replies: list[Reply]) -> list[str]:
    """Who answered each; all are answers."""
    assert {reply.status for reply in replies} == {200}
    return [reply.headers["x-pointsman-backend"] for reply in replies]


async def test_what_exceeds_a_backend_goes_to_the_next(there: World) -> None:
    """The answer names whom it was left for and why; so does the metric; it is no attempt."""
    await place(there, "small", 2, ttft_s=0.3)
    await place(there, "large", 1, ttft_s=0.3)
    there.route("small", "large", fallback=chain("large"))
    replies = [await task for task in await asked(there, 3)]
    assert who(replies) == ["small", "small", "large"]
    assert "x-pointsman-fallback" not in replies[0].headers
    assert replies[2].headers["x-pointsman-fallback"] == "small;reason=Saturated"
    assert replies[2].headers["x-pointsman-attempts"] == "1"
    labels = {"policy": "desk", "rule": "default", "backend": "small", "reason": "Saturated"}
    assert there.count("fallbacks_total", **labels) == 1
    assert there.count("retries_total", backend="small") == 0
    assert 0.25 < there.plane.holds.service_s["small"] < 1.0
    assert who([await there.ask()]) == ["small"]


@pytest.mark.parametrize("on", [("Error",), ("Cold",), ("Unschedulable",)])
async def test_without_saturated_nothing_spills(there: World, on: tuple[On, ...]) -> None:
    """A capacity alone changes nothing."""
    await place(there, "small", 1, ttft_s=0.1)
    await place(there, "large", 1)
    there.route("small", "large", fallback=chain("large", on=on))
    assert set(who([await task for task in await asked(there, 4)])) == {"small"}
    assert there.plane.holds.service_s == {}


async def test_a_backend_without_a_stated_capacity_is_never_full(there: World) -> None:
    """Nobody guesses."""
    await place(there, "small", None, ttft_s=0.1)
    await place(there, "large", None)
    there.route("small", "large", fallback=chain("large"))
    assert set(who([await task for task in await asked(there, 20)])) == {"small"}


async def test_when_all_are_full_nobody_is_refused(there: World) -> None:
    """The shortest line takes it; of equals the first; all are answered."""
    for name in ("small", "large"):
        await place(there, name, 2, ttft_s=0.6)
    there.route("small", "large", fallback=chain("large"))
    replies = [await task for task in await asked(there, 12)]
    assert Counter(who(replies)) == {"small": 6, "large": 6}
    assert max(int(reply.headers["x-pointsman-attempts"]) for reply in replies) == 1


async def test_who_was_passed_over_is_the_last_resort(there: World) -> None:
    """If the next one fails, the full one answers after all, and nothing goes in circles."""
    await place(there, "small", 1, ttft_s=0.2)
    there.place("broken")
    there.route("small", "broken", fallback=chain("broken", on=("Saturated", "Error")))
    there.place("other", max_concurrent=1)
    replies = [await task for task in await asked(there, 2)]
    assert who(replies) == ["small", "small"]
    await place(there, "broken", None, error_rate=1.0)
    there.route("small", "broken", fallback=chain("broken", on=("Saturated", "Error")))
    replies = [await task for task in await asked(there, 2)]
    assert who(replies) == ["small", "small"]
    told = "small;reason=Saturated, broken;reason=Http500"
    assert replies[1].headers["x-pointsman-fallback"] == told


async def test_the_traffic_comes_back_below_the_low_mark(there: World) -> None:
    """Full at 10, it has room again at 7, and not at 8: a fifth in between."""
    await place(there, "small", 10, ttft_s=0.0)
    await place(there, "large", None)
    there.route("small", "large", fallback=chain("large"))
    for load, answers in ((9, "small"), (10, "large"), (8, "large"), (7, "small"), (9, "small")):
        there.live.in_flight["small"] = load
        assert who([await there.ask()]) == [answers], load
    there.live.in_flight.clear()


async def test_more_servers_take_more_and_more_routers_less(there: World) -> None:
    """Servers times what one takes, by the routers that share them."""
    _, one = await there.simulated("small")
    there.place("small", one, max_concurrent=4)
    await place(there, "large", None)
    there.route("small", "large", fallback=chain("large"))

    async def answers(load: int) -> str:
        there.live.in_flight["small"] = load
        return who([await there.ask()])[0]

    assert (await answers(3), await answers(4)) == ("small", "large")
    _, other = await there.simulated("small")
    there.place("small", one, other, max_concurrent=4)
    assert await answers(4) == "small"
    there.live.routers = 3  # a share of 2.67
    assert (await answers(1), await answers(3), await answers(2)) == ("small", "large", "small")
    there.live.in_flight.clear()


async def test_an_external_backend_has_a_capacity_of_its_own(there: World) -> None:
    """As a whole: it has no servers to be counted."""
    _, port = await there.simulated("provider", ttft_s=0.2)
    there.external("provider", f"http://127.0.0.1:{port}/v1", key=b"k")
    known = there.backends["provider"]
    there.backends["provider"] = Backend(
        name=known.name, model=known.model, address=known.address, max_concurrent=2
    )
    await place(there, "large", None)
    there.route("provider", "large", fallback=chain("large"))
    assert who([await task for task in await asked(there, 3)]) == ["provider", "provider", "large"]


async def test_a_full_backend_wakes_a_cold_one_and_goes_on_until_it_is_there(there: World) -> None:
    """Nobody waits for the start while a full one answers; the miss is told."""
    await place(there, "small", 1, ttft_s=0.2)
    there.place("cold", activation=how("Hold"), max_concurrent=8)
    there.route("small", "cold", fallback=chain("cold"))
    replies = [await task for task in await asked(there, 3)]
    assert who(replies) == ["small"] * 3
    assert "x-pointsman-fallback" not in replies[2].headers
    assert there.live.missed == {"cold": 2}
    _, port = await there.simulated("cold")
    there.place("cold", port, activation=how("Hold"), max_concurrent=8)
    assert who([await task for task in await asked(there, 2)]) == ["small", "cold"]


# What a cold start, measured, makes of a request.


async def measured(there: World, start_s: float, **more: float) -> None:
    """A backend `cold` whose last start took so long, and a warm one behind it."""
    there.place("cold", activation=how("Hold", **more))
    there.plane.holds._start_s["cold"] = start_s
    await there.simulator("warm")


async def test_a_start_that_takes_too_long_is_not_waited_for(there: World) -> None:
    """By the last one; the miss is told all the same, so that it begins."""
    await measured(there, 30.0)
    there.route("cold", "warm", fallback=chain("warm", deadline_s=20.0))
    reply = await there.ask()
    assert who([reply]) == ["warm"]
    assert reply.headers["x-pointsman-fallback"] == "cold;reason=Cold"
    assert there.live.missed == {"cold": 1}
    assert "x-pointsman-held-ms" not in reply.headers


@pytest.mark.parametrize("known", [True, False])
async def test_a_start_that_ends_in_time_is_waited_for(there: World, known: bool) -> None:
    """And so is one of which nothing is known."""
    await measured(there, 1.0)
    if not known:
        there.plane.holds._start_s.clear()
    there.route("cold", "warm", fallback=chain("warm", deadline_s=20.0))
    (task,) = await asked(there, 1)
    assert there.live.held == {"cold": 1}
    _, port = await there.simulated("cold")
    there.place("cold", port, activation=how("Hold"))
    assert who([await task]) == ["cold"]


async def test_the_time_a_start_took_already_counts(there: World) -> None:
    """Whoever comes when the server is almost there waits for it."""
    await measured(there, 30.0)
    there.route("cold", "warm", fallback=chain("warm", deadline_s=20.0))
    assert who([await there.ask()]) == ["warm"]
    there.plane.holds.queues["cold"].asked_s -= 25
    (task,) = await asked(there, 1)
    assert there.live.held == {"cold": 1}
    _, port = await there.simulated("cold")
    there.place("cold", port, activation=how("Hold"))
    assert who([await task]) == ["cold"]


@pytest.mark.slow
async def test_who_waits_in_vain_goes_on_before_the_deadline(there: World) -> None:
    """While another backend may still be tried: held first, then answered."""
    await measured(there, 0.01)
    there.route("cold", "warm", fallback=chain("warm", deadline_s=2.0))
    reply = await there.ask()
    assert who([reply]) == ["warm"]
    assert reply.headers["x-pointsman-fallback"] == "cold;reason=HoldTimeout"
    assert 1500 <= int(reply.headers["x-pointsman-held-ms"]) < 2000


async def test_who_waits_goes_on_as_soon_as_it_is_known_to_be_too_late(there: World) -> None:
    """Here: the server that was expected has gone again; whose turn comes in time stays."""
    await measured(there, 1.0, at_once=1)
    there.route("cold", "warm", fallback=chain("warm", deadline_s=20.0))
    first, *others = await asked(there, 3)
    assert there.live.held == {"cold": 3}
    there.plane.holds.service_s["cold"] = 30.0
    there.live.replace_endpoints(there.live.endpoints)
    assert who([await task for task in others]) == ["warm", "warm"]
    assert there.live.held == {"cold": 1}
    _, port = await there.simulated("cold")
    there.place("cold", port, activation=how("Hold", at_once=1))
    assert who([await first]) == ["cold"]


async def test_a_full_line_goes_on(there: World) -> None:
    """Where so many may wait and one more comes."""
    await measured(there, 1.0, max_held=1)
    there.route("cold", "warm", fallback=chain("warm"))
    (first,) = await asked(there, 1)
    reply = await there.ask()
    assert reply.headers["x-pointsman-fallback"] == "cold;reason=HoldFull"
    _, port = await there.simulated("cold")
    there.place("cold", port, activation=how("Hold"))
    assert who([await first]) == ["cold"]


# Servers that cannot start.


@pytest.mark.parametrize("activation", [how("Hold"), how("Reject"), None])
async def test_a_backend_that_cannot_start_is_passed_over(
    there: World, activation: Activation | None
) -> None:
    """At once, whatever its activation says; without the word in `when` it is as it was."""
    await there.simulator("warm")
    there.place("cold", activation=activation)
    there.live.obey("cold", Order(failure="ImagePullBackOff"))
    there.route("cold", "warm", fallback=chain("warm", on=("Unschedulable",)))
    reply = await there.ask()
    assert who([reply]) == ["warm"]
    assert reply.headers["x-pointsman-fallback"] == "cold;reason=CannotStart"
    there.route("cold", "warm", fallback=chain("warm", on=("Saturated",)))
    assert (await there.ask()).status == 503
    there.live.obey("cold", None)


async def test_who_waits_for_a_server_that_cannot_start_goes_on(there: World) -> None:
    """All of them, as soon as the operator says it."""
    await there.simulator("warm")
    there.place("cold", activation=how("Hold"))
    there.route("cold", "warm", fallback=chain("warm", on=("Unschedulable",)))
    tasks = await asked(there, 3)
    assert there.live.held == {"cold": 3}
    there.live.obey("cold", Order(failure="Unschedulable"))
    replies = [await task for task in tasks]
    assert who(replies) == ["warm"] * 3
    assert {r.headers["x-pointsman-fallback"] for r in replies} == {"cold;reason=CannotStart"}
    there.live.obey("cold", None)


async def test_a_server_that_is_ready_outweighs_an_old_word(there: World) -> None:
    """Without activation nobody has to wait for anything."""
    await place(there, "small", None)
    await there.simulator("warm")
    there.live.obey("small", Order(failure="CrashLoopBackOff"))
    there.route("small", "warm", fallback=chain("warm", on=("Unschedulable",)))
    assert who([await there.ask()]) == ["small"]
    there.live.obey("small", None)


async def test_if_none_can_start_the_caller_hears_it_once(there: World) -> None:
    """503 with each reason."""
    for name in ("a", "b"):
        there.place(name, activation=how("Hold"))
        there.live.obey(name, Order(failure="ImagePullBackOff"))
    there.route("a", "b", fallback=chain("b", on=("Unschedulable",)))
    reply = await there.ask()
    assert reply.status == 503
    assert str(reply.error["message"]).count("no server of it can start") == 2
    for name in ("a", "b"):
        there.live.obey(name, None)


# All of it together.

EVERY: tuple[On, ...] = ("Error", "Cold", "Saturated", "Unschedulable")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
async def test_whoever_can_answer_does(there: World, seed: int) -> None:
    """
    With every word in `when` and a chain of any states: the first with room, else a full one.

    And nobody is asked twice for one request.
    """
    dice = random.Random(seed)
    others = ("full", "hold", "reject", "gone", "failing", "broken")
    states = [*dice.choices(others, k=4), dice.choice(("good", "full"))]
    dice.shuffle(states)
    names = [f"b{number}" for number in range(5)]
    for name, state in zip(names, states, strict=True):
        await put(there, name, state)
    there.route(*names, fallback=chain(*names[1:], on=EVERY))
    answers = names[states.index("good" if "good" in states else "full")]
    assert who([await there.ask()]) == [answers], states
    assert max(len(there.seen(name)) for name in there.simulators) == 1, states
    for name in names:
        there.live.in_flight.pop(name, None)
        there.live.obey(name, None)


async def put(there: World, name: str, state: str) -> None:
    """A backend in this state."""
    if state in {"good", "full", "broken"}:
        await place(there, name, 2, error_rate=float(state == "broken"))
    else:
        modes: dict[str, Activation] = {"hold": how("Hold"), "reject": how("Reject")}
        there.place(name, activation=modes.get(state), max_concurrent=2)
    if state == "full":
        there.live.in_flight[name] = 2
    if state == "failing":
        there.live.obey(name, Order(failure="ImagePullBackOff"))


# What the header says of other reasons.


async def test_the_header_names_every_reason(there: World) -> None:
    """Errors, what does not fit, and none where the first one answered, retries included."""
    await place(there, "small", None, error_rate=1.0)
    await place(there, "large", None)
    there.place("tiny", *[e.port for e in endpoints(there, "large")], context_window=300)
    there.route("tiny", "small", "large")
    reply = await there.ask(chat(max_tokens=400))
    assert reply.headers["x-pointsman-fallback"] == (
        "tiny;reason=ContextWindow, small;reason=Http500"
    )
    there.route("large", "tiny")
    assert "x-pointsman-fallback" not in (await there.ask(chat(max_tokens=400))).headers
    assert "x-pointsman-fallback" not in (await there.ask(b"{")).headers


@pytest.mark.slow
async def test_the_header_is_there_when_nobody_answered(there: World) -> None:
    """It says who was left; the last one is in the message."""
    for name in ("a", "b"):
        await place(there, name, None, error_rate=1.0)
    there.route("a", "b")
    reply = await there.ask()
    assert reply.status == 502
    assert reply.headers["x-pointsman-fallback"] == "a;reason=Http500"


async def test_the_header_has_a_bound(there: World) -> None:
    """However long the chain of a table is."""
    names = [f"{'n' * 50}{number}" for number in range(20)]
    for name in names:
        there.place(name)
    there.route(*names)
    told = (await there.ask()).headers["x-pointsman-fallback"]
    assert told.count(";reason=NoEndpoint") == 8
    assert len(told) < 1024


def endpoints(there: World, name: str) -> tuple[Endpoint, ...]:
    """Of this backend."""
    return there.live.endpoints[f"default/{name}:8000"]
