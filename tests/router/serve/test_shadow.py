"""Requests that a candidate answers as well: what is told of them, and what callers notice."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from prometheus_client import generate_latest

from pointsman.api.governed import Governed
from pointsman.api.pairs import MOST_PAIRS, Pairs, decode_pairs
from pointsman.api.profile import Profile
from pointsman.api.reviewing import HumanReview, LowConfidence, Review
from pointsman.api.table import (
    Activation,
    Endpoint,
    Fallback,
    PolicyBlob,
    Price,
    Route,
    ServiceAddress,
    Shadow,
    Target,
    encode,
)
from pointsman.router.serve import shadowing
from pointsman.router.serve.record import Recorder
from pointsman.routing import Canary, CompiledPolicy, compile_policy, compile_table
from tests.router.serve.world import World, chat, post, until

SECRET = "the harbor code is 4711"


@pytest.fixture
async def desk(there: World) -> World:
    """The stable revision goes to `old`, the candidate to `new`."""
    await there.simulator("old")
    await there.simulator("new")
    return there


def compiled(
    there: World, *to: str, revision: str = "r1", data_class: str = "", **more: Any
) -> CompiledPolicy:
    blob = PolicyBlob(
        namespace="default",
        name="desk",
        revision=revision,
        model_names=("auto",),
        routes=(
            Route(
                name="default",
                targets=(Target(backend=to[0]),),
                fallback=Fallback(chain=to[1:]) if to[1:] else None,
                data_class=data_class,
            ),
        ),
        backends=there.backends,
        **more,
    )
    return compile_policy(blob, f"digest-{revision}")


def shadow(there: World, *to: str, percent: int = 100, weight: int = 0, **more: Any) -> None:
    """The candidate goes to `to`; it answers so many as well, and so many alone."""
    told = Shadow(percent=percent, **{"max_spend_nano": 10**9, **more})
    candidate = compiled(there, *to, revision="r2")
    there.live.table = compile_table(
        [compiled(there, "old")], {"desk": Canary(candidate, weight, told)}
    )
    there.live.ready = True


def outcomes(there: World) -> dict[str, int]:
    found = there.plane.arms.shadows
    if found is None:
        return {}
    return {k: n for mirror in found._mirrors.values() for k, n in mirror.outcomes.items()}


async def until_told(there: World, **wanted: int) -> None:
    await until(lambda: outcomes(there) == wanted)


async def settled(there: World) -> None:
    """Nothing waits, nothing is under way."""
    found = there.plane.arms.shadows
    await until(lambda: found is not None and not any(found.held.values()))


def taken(there: World) -> Pairs:
    found = there.live.pairs("desk")
    assert found is not None
    return found


def scraped(there: World) -> str:
    return generate_latest(there.metrics.registry).decode()


@pytest.fixture(autouse=True)
def _nothing_under_way(there: World) -> Iterator[None]:
    yield
    found = there.plane.arms.shadows
    assert found is None or not any(found.held.values()), found.held


async def test_a_shadow_may_go_to_one_of_several_servers(desk: World) -> None:
    """And begins no other count than that of its own backend."""
    _, port = await desk.simulated("twin", model="model-new")
    address = desk.backends["new"].address
    assert isinstance(address, ServiceAddress)
    both = (*desk.live.endpoints[address.key], Endpoint(host="127.0.0.1", port=port))
    desk.live.replace_endpoints({**desk.live.endpoints, address.key: both})
    shadow(desk, "new")
    assert (await desk.ask()).headers["x-pointsman-backend"] == "old"
    await until_told(desk, Compared=1)
    assert taken(desk).pairs[0].candidate.text


async def test_both_answers_become_a_pair(desk: World) -> None:
    """The caller gets the stable one's; question and both answers are given away once."""
    shadow(desk, "new")
    reply = await desk.ask({**chat(), "messages": [{"role": "user", "content": SECRET}]})
    assert reply.headers["x-pointsman-backend"] == "old"
    assert reply.headers["x-pointsman-revision"] == "r1"
    await until_told(desk, Compared=1)
    told = taken(desk)
    (pair,) = told.pairs

    assert (told.stable, told.candidate) == ("r1", "r2")
    assert SECRET in pair.question
    assert pair.control.text == reply.content
    assert pair.candidate.text
    assert (pair.control.backend, pair.candidate.backend) == ("old", "new")
    assert pair.control.status == pair.candidate.status == 200
    assert pair.control.latency_ms > 0
    assert taken(desk).pairs == ()
    assert len(desk.seen("new")) == 1
    assert decode_pairs(encode(told)) == told  # type: ignore[arg-type]


async def test_a_stream_is_compared_whole(desk: World) -> None:
    """The caller's stream is unchanged; the candidate is asked without one."""
    shadow(desk, "new")
    reply = await desk.ask(chat(stream=True, stream_options={"include_usage": True}))
    assert reply.events[-1] == "[DONE]"
    await until_told(desk, Compared=1)
    (pair,) = taken(desk).pairs

    assert pair.control.text == reply.content != ""
    assert pair.control.finish == pair.candidate.finish != ""
    assert pair.candidate.text


async def test_a_stream_that_was_tried_again_is_heard_once(desk: World) -> None:
    """Of the attempt that its caller got; and it leaves no place taken."""

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        await writer.drain()
        writer.close()

    await desk.simulator("twin")
    await desk.scripted("old", breaks)
    told = Shadow(percent=100, max_spend_nano=10**9)
    canary = Canary(compiled(desk, "new", revision="r2"), 0, told)
    desk.live.table = compile_table([compiled(desk, "old", "twin")], {"desk": canary})
    desk.live.ready = True
    reply = await desk.ask(chat(stream=True))
    assert reply.headers["x-pointsman-backend"] == "twin"
    await until_told(desk, Compared=1)
    (pair,) = taken(desk).pairs
    assert pair.control.text == reply.content != ""
    shadows = desk.plane.arms.shadows
    assert shadows is not None
    assert shadows.held["heard"] == 0


async def test_what_was_asked_in_another_apis_words_is_not_sent_again(desk: World) -> None:
    """What its caller says of thinking and of the user would be lost on the way."""
    shadow(desk, "new")
    async with desk.client() as client:
        body = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
        await client.send(post(body, path="/v1/messages"))
        assert (await client.reply()).status == 200
    await until_told(desk, Translated=1)
    assert desk.seen("new") == []


async def test_only_its_part_is_sent_again(desk: World) -> None:
    """Of the conversations, and the same ones whenever they go on."""
    shadow(desk, "new", percent=30)
    for number in range(40):
        await desk.ask({**chat(), "messages": [{"role": "user", "content": f"Question {number}"}]})
    await settled(desk)
    first = outcomes(desk)["Compared"]
    assert 2 <= first <= 25
    for number in range(40):
        await desk.ask({**chat(), "messages": [{"role": "user", "content": f"Question {number}"}]})
    await until(lambda: outcomes(desk).get("Compared") == 2 * first)
    assert len(desk.seen("new")) == 2 * first


async def test_who_is_in_the_canary_is_not_shadowed(desk: World) -> None:
    """A request is answered by the candidate, or compared; never both."""
    shadow(desk, "new", weight=99)
    went = [
        (await desk.ask({**chat(), "messages": [{"role": "user", "content": f"Q {n}"}]})).headers[
            "x-pointsman-backend"
        ]
        for n in range(100)
    ]
    await until(lambda: outcomes(desk).get("Compared", 0) == went.count("old"))
    assert len(desk.seen("new")) == 100


async def test_what_is_not_public_is_not_sent_twice(desk: World) -> None:
    """A judge would read it, wherever it runs."""
    for name, one in desk.backends.items():
        desk.backends[name] = structs.replace(one, max_data_class="Internal")
    shadow(desk, "new")
    reply = await desk.ask(x_pointsman_data_class="Internal")
    assert reply.status == 200, reply.body
    await until_told(desk, DataClass=1)
    await desk.ask(x_pointsman_data_class="Public")
    await until_told(desk, DataClass=1, Compared=1)
    assert len(desk.seen("new")) == 1


@pytest.mark.parametrize("classes", [("Internal", ""), ("", "Restricted")])
async def test_a_rules_class_is_its_requests_class(desk: World, classes: tuple[str, str]) -> None:
    """Of the rule that the stable revision took, and of the one that the candidate takes."""
    for name, one in desk.backends.items():
        desk.backends[name] = structs.replace(one, max_data_class="Restricted")
    told = Shadow(percent=100, max_spend_nano=10**9)
    candidate = compiled(desk, "new", revision="r2", data_class=classes[1])
    desk.live.table = compile_table(
        [compiled(desk, "old", data_class=classes[0])], {"desk": Canary(candidate, 0, told)}
    )
    desk.live.ready = True
    assert (await desk.ask()).status == 200
    await until_told(desk, DataClass=1)
    assert desk.seen("new") == []
    assert taken(desk).pairs == ()


async def test_what_the_candidate_refuses_has_its_class_all_the_same(desk: World) -> None:
    """It finds data that the stable revision does not look for: no text becomes a pair."""
    told = Shadow(percent=100, max_spend_nano=10**9)
    detects = Governed(detected="Restricted", built_in=("Email",))
    candidate = compiled(desk, "new", revision="r2", governance=detects)
    desk.live.table = compile_table([compiled(desk, "old")], {"desk": Canary(candidate, 0, told)})
    desk.live.ready = True
    mail = {"role": "user", "content": "Answer ada@example.com, please."}
    assert (await desk.ask({**chat(), "messages": [mail]})).status == 200
    await until_told(desk, DataClass=1)
    assert desk.seen("new") == []
    assert taken(desk).pairs == ()


async def test_a_candidate_whose_requests_people_see_is_narrowed_once(desk: World) -> None:
    """Not for each request: all of them were kept until the next table."""
    seen = HumanReview(low_confidence=LowConfidence(below=0.5, review=Review(mode="Flag")))
    governed = Governed(data_class="Public")
    candidate = compiled(desk, "new", revision="r2", governance=governed, review=seen)
    told = Canary(candidate, 0, Shadow(percent=100, max_spend_nano=10**9))
    desk.live.table = compile_table([compiled(desk, "old")], {"desk": told})
    desk.live.ready = True
    for number in range(3):
        assert (await desk.ask()).status == 200
        await until_told(desk, Compared=number + 1)
    found = desk.plane.arms.shadows
    assert found is not None
    assert found._aside is not None
    assert found._aside.governors is not None
    assert len(found._aside.governors._made) == 1


async def test_the_same_choice_needs_no_call(desk: World) -> None:
    """It counts as equal, by task; another profile of the same backend is another choice."""
    shadow(desk, "old")
    await desk.ask()
    await until_told(desk, Equal=1)
    assert sum(taken(desk).equal.values()) == 1
    assert len(desk.seen("old")) == 1
    profiled = structs.replace(desk.backends["old"], profile=Profile(stop=("x",)))
    stable = compiled(desk, "old")
    desk.backends["old"] = profiled
    candidate = compiled(desk, "old", revision="r2")
    told = Shadow(percent=100, max_spend_nano=10**9)
    desk.live.table = compile_table([stable], {"desk": Canary(candidate, 0, told)})
    await desk.ask()
    await until_told(desk, Equal=1, Compared=1)
    assert len(desk.seen("old")) == 3


async def test_a_candidate_that_fails_is_compared_as_well(there: World) -> None:
    """With the status that its caller would have got; its own fallback is its own."""
    await there.simulator("old")
    await there.simulator("new", error_rate=1.0)
    shadow(there, "new")
    assert (await there.ask()).status == 200
    await until_told(there, Compared=1)
    (pair,) = taken(there).pairs
    assert pair.control.status == 200
    assert pair.candidate.status >= 500
    assert pair.candidate.text == ""
    shadow(there, "new", "old")
    await there.ask()
    await until_told(there, Compared=2)
    (pair,) = taken(there).pairs
    assert (pair.candidate.status, pair.candidate.backend) == (200, "old")


async def test_what_no_backend_of_the_candidate_can_do_is_its_failure(desk: World) -> None:
    """The caller would have been refused."""
    desk.backends["old"] = structs.replace(desk.backends["old"], capabilities=("Tools",))
    shadow(desk, "new")
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert (await desk.ask(chat(tools=[tool]))).status == 200
    await until_told(desk, Compared=1)
    (pair,) = taken(desk).pairs
    assert pair.candidate.status == 400
    assert desk.seen("new") == []


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "mcp", "server_url": "https://example.com"}]},
        {"web_search_options": {"search_context_size": "low"}},
        {"store": True},
    ],
)
async def test_what_may_do_something_twice_is_not_sent_twice(
    desk: World, more: dict[str, Any]
) -> None:
    """Tools that run at the provider, and answers that it keeps."""
    capable = structs.replace(desk.backends["old"], capabilities=("Tools",))
    desk.backends["old"] = desk.backends["new"] = capable
    desk.backends["new"] = structs.replace(capable, name="new")
    shadow(desk, "new")
    await desk.ask(chat(**more))
    await until_told(desk, SideEffects=1)
    assert len(desk.seen("old")) == 1
    assert desk.seen("new") == []


async def test_a_callers_mistake_and_a_caller_that_left_say_nothing(desk: World) -> None:
    """400 is no answer to compare; nobody knows what who left would have got."""
    shadow(desk, "new")
    assert (await desk.ask({"model": "auto"})).status == 400
    assert (await desk.ask(chat(max_tokens=10**9))).status in {200, 400}
    gate = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()

    await desk.scripted("old", slow)
    shadow(desk, "new")
    seen = len(desk.seen("new"))
    async with desk.client() as client:
        await client.send(post(chat()))
        await until(lambda: desk.live.in_flight.get("old", 0) == 1)
    await until(lambda: not desk.live.in_flight)
    gate.set()
    assert len(desk.seen("new")) == seen


async def test_no_answer_waits_for_the_candidate(there: World) -> None:
    """It hangs: callers are answered, a few calls wait for it, the rest is counted as dropped."""
    await there.simulator("old")
    gate = asyncio.Event()
    asked = 0

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        await gate.wait()

    await there.scripted("new", hangs)
    shadow(there, "new")
    total = shadowing.AT_ONCE + shadowing.MOST_WAITING + 5
    for _ in range(total):
        assert (await there.ask()).status == 200
    await until(lambda: asked == shadowing.AT_ONCE)
    shadows = there.plane.arms.shadows
    assert shadows is not None
    assert outcomes(there) == {"Full": 5}
    assert shadows.held["waiting"] == shadowing.MOST_WAITING
    assert sum(pool.outstanding for pool in there.plane.pools._pools.values()) == asked
    there.plane.arms.close()
    await until(lambda: not there.live.in_flight)
    gate.set()
    assert outcomes(there) == {"Full": 5, "Dropped": shadowing.AT_ONCE + shadowing.MOST_WAITING}
    assert (await there.ask()).status == 200, "callers are served on"


async def test_a_drain_waits_for_no_shadow(there: World) -> None:
    """The last caller has been answered: the router ends."""
    await there.simulator("old")
    gate = asyncio.Event()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()

    await there.scripted("new", hangs)
    shadow(there, "new")
    await there.ask()
    await until(lambda: there.live.in_flight.get("new") == 1)
    async with asyncio.timeout(5):
        assert await there.plane.drain(60.0) == 0
    gate.set()
    assert there.live.in_flight == {}


async def test_money_is_set_aside_before_it_is_spent(desk: World) -> None:
    """A router has its share of the cap; what may cost more than is left is not sent."""
    price = (Price(input_pico=1_000_000, output_pico=1_000_000),)
    (port,) = [one.port for one in desk.live.endpoints["default/new:8000"]]
    desk.place("new", port, prices=price, context_window=1000)
    body = chat(max_tokens=10)
    shadow(desk, "new", max_spend_nano=400_000)
    for _ in range(20):
        await desk.ask(body)
    await settled(desk)
    assert sum(outcomes(desk).values()) == 20
    told = taken(desk)
    assert outcomes(desk).keys() == {"Compared", "SpendCap"}
    assert 0 < told.spent_nano <= 400_000
    assert told.spent_up
    pairs = (*told.pairs, *taken(desk).pairs)
    assert sum(pair.candidate.cost_nano for pair in pairs) == told.spent_nano
    assert len(desk.seen("new")) == outcomes(desk)["Compared"]
    assert not [line for line in scraped(desk).splitlines() if "cost" in line and '"new"' in line]
    asked = len(desk.seen("new"))
    shadow(desk, "new", max_spend_nano=0)
    for _ in range(5):
        await desk.ask(body)
    await until_told(desk, Compared=asked, SpendCap=25 - asked)
    shadow(desk, "new", max_spend_nano=0, began_ms=3)
    await desk.ask(body)
    await until_told(desk, SpendCap=1)
    assert taken(desk).spent_up
    desk.live.routers = 1000
    shadow(desk, "new", max_spend_nano=400_000, began_ms=1)
    await desk.ask(body)
    await until_told(desk, SpendCap=1)
    shadow(desk, "new", max_spend_nano=10**12, currency="EUR", began_ms=2)
    await desk.ask(body)
    await until_told(desk, OtherCurrency=1)


async def test_a_candidate_without_a_server_is_woken_and_not_waited_for(desk: World) -> None:
    """No caller's place in the line is taken."""
    how = Activation(mode="Hold", timeout_s=30.0, max_held=1)
    desk.place("new", activation=how)
    shadow(desk, "new")
    assert (await desk.ask()).status == 200
    await until_told(desk, NoServer=1)
    assert desk.live.missed["new"] >= 1
    assert desk.live.held == {}
    assert taken(desk).pairs == ()


async def test_a_candidate_with_a_queue_is_asked_while_there_is_room(there: World) -> None:
    """While its servers are full the shadow does not stand in their line, and counts as limited."""
    await there.simulator("old")
    gate = asyncio.Event()
    _, port = await there.simulated("new")
    line = Activation(mode="Hold", timeout_s=30.0, max_held=5, at_once=1)
    there.place("new", port, queue=line, max_concurrent=1)
    shadow(there, "new")
    await there.ask()
    await until_told(there, Compared=1)
    (pair,) = taken(there).pairs
    assert pair.candidate.status == 200

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await gate.wait()

    there.place("new", await there.scripted_port(hangs), queue=line, max_concurrent=1)
    shadow(there, "new")
    for _ in range(3):
        assert (await there.ask()).status == 200
    await until_told(there, Compared=1, Limited=2)
    assert there.live.held == {}
    assert there.live.missed == {}, "nothing has to be started for it"
    assert there.plane.holds.queues == {}
    assert there.metrics.internal_errors == 0
    there.plane.arms.close()
    await until(lambda: not there.live.in_flight)
    gate.set()


async def test_a_candidate_with_a_queue_and_no_server_is_woken(desk: World) -> None:
    """As one without a queue."""
    how = Activation(mode="Hold", timeout_s=30.0, max_held=1)
    line = structs.replace(how, at_once=1)
    desk.place("new", activation=how, queue=line, max_concurrent=1)
    shadow(desk, "new")
    assert (await desk.ask()).status == 200
    await until_told(desk, NoServer=1)
    assert desk.live.missed["new"] >= 1
    assert desk.live.held == {}


async def test_a_shadow_counts_for_no_caller(desk: World) -> None:
    """Neither in the ledger nor among the requests of a rule, a task, or an arm."""
    events: list[bytes] = []
    desk.plane.record = Recorder(events.append, desk.plane.wall)
    shadow(desk, "new")
    for _ in range(3):
        await desk.ask()
    await until_told(desk, Compared=3)
    text = scraped(desk)

    assert len(events) == 3
    assert all(json.loads(event).get("revision", "r1") == "r1" for event in events)
    names = {"policy": "desk", "rule": "default", "code": "200"}
    assert desk.count("requests_total", backend="new", **names) == 0
    assert desk.count("requests_total", backend="old", **names) == 3
    assert desk.plane.arms.told()["desk"].of_candidate.requests == 0
    assert desk.plane.arms.told()["desk"].of_stable.requests == 3
    assert 'pointsman_router_shadow_requests_total{outcome="Compared",policy="desk"} 3.0' in text
    assert sum(desk.metrics.tasks.values()) == 3


async def test_texts_are_bounded_expire_and_stand_nowhere(
    desk: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first; what nobody takes is let go of; no log and no metric has any."""
    caplog.set_level(logging.DEBUG)
    shadow(desk, "new")
    shadows_ask = {**chat(), "messages": [{"role": "user", "content": SECRET}]}
    for _ in range(MOST_PAIRS + 2):
        await desk.ask(shadows_ask)
    await until_told(desk, Compared=MOST_PAIRS + 2)
    assert SECRET not in scraped(desk)
    assert SECRET not in caplog.text
    assert SECRET not in repr(desk.plane.arms.told())
    assert len(taken(desk).pairs) == MOST_PAIRS
    shadows = desk.plane.arms.shadows
    assert shadows is not None
    later = desk.plane.clock() + shadowing.KEPT_S + 1
    desk.plane.clock = lambda: later
    assert taken(desk).pairs == ()
    assert outcomes(desk)["Expired"] == 2
    assert shadows._purge is None


@pytest.mark.slow
async def test_at_most_so_many_pairs_are_kept(desk: World) -> None:
    """Whatever nobody comes for."""
    shadow(desk, "new")
    for _ in range(shadowing.MOST_KEPT + 3):
        await desk.ask()
    await until(lambda: outcomes(desk).get("Compared") == shadowing.MOST_KEPT + 3)
    assert outcomes(desk)["Expired"] == 3


async def test_another_rollout_begins_anew_and_the_end_forgets(desk: World) -> None:
    """Of the same two revisions as well; without a shadow nothing is told."""
    shadow(desk, "new")
    await desk.ask()
    await until_told(desk, Compared=1)
    shadow(desk, "new", percent=50)
    assert outcomes(desk) == {"Compared": 1}, "another part of the same rollout"
    shadow(desk, "new", began_ms=5)
    assert taken(desk).pairs == ()
    assert outcomes(desk) == {}
    desk.route("old")
    assert desk.live.pairs("desk") is None
    assert "shadow_requests_total{" not in scraped(desk)


async def test_nothing_is_loaded_without_a_shadow(desk: World) -> None:
    """A canary alone needs none of it."""
    desk.live.table = compile_table(
        [compiled(desk, "old")], {"desk": Canary(compiled(desk, "new", revision="r2"), 50)}
    )
    desk.live.ready = True
    for number in range(8):
        await desk.ask({**chat(), "messages": [{"role": "user", "content": f"Q {number}"}]})
    assert desk.plane.arms.shadows is None
    assert desk.live.pairs("desk") is None
