"""Who goes to a policy's candidate, and what is counted of both arms."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from pointsman.api.counted import DURATION_BOUNDS_S, MOST_ARMS, Arms
from pointsman.api.table import Fallback, PolicyBlob, Price, Route, Target
from pointsman.events.schema import Request, decode
from pointsman.router.serve.arms import in_candidate
from pointsman.router.serve.record import Recorder
from pointsman.routing import Canary, CompiledPolicy, compile_policy, compile_table
from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.test_fallback import JSON_HEAD, answers
from tests.router.serve.world import World, chat, until

CONVERSATIONS = st.binary(min_size=12, max_size=12)
PERCENTS = st.integers(1, 99)


@given(conversation=CONVERSATIONS, one=PERCENTS, other=PERCENTS)
def test_parts_are_nested(conversation: bytes, one: int, other: int) -> None:
    """Who is in a small part stays in each larger one."""
    small, large = sorted((one, other))
    if in_candidate(conversation, "desk-1", small):
        assert in_candidate(conversation, "desk-1", large)


@given(percent=PERCENTS, start=st.integers(0, 2**32))
def test_a_part_is_as_large_as_it_is_called(percent: int, start: int) -> None:
    """Within five standard deviations of a fair draw of 2,000."""
    drawn = [(start + n).to_bytes(12) for n in range(2000)]
    seen = sum(in_candidate(one, "desk-1", percent) for one in drawn)
    mean = 2000 * percent / 100

    assert abs(seen - mean) <= 5 * (mean * (1 - percent / 100)) ** 0.5 + 1


def test_another_revision_has_other_conversations() -> None:
    """The same people must not be first each time."""
    drawn = [n.to_bytes(12) for n in range(1000)]
    both = [n for n in drawn if in_candidate(n, "a", 10) and in_candidate(n, "b", 10)]

    assert len(both) < 40


@pytest.fixture
async def desk(there: World) -> World:
    """The stable revision goes to `old`, the candidate to `new`."""
    await there.simulator("old")
    await there.simulator("new")
    return there


def compiled(there: World, to: str, revision: str, name: str = "desk") -> CompiledPolicy:
    blob = PolicyBlob(
        namespace="default",
        name=name,
        revision=revision,
        model_names=("auto",) if name == "desk" else (name,),
        routes=(Route(name="default", targets=(Target(backend=to),)),),
        backends=there.backends,
    )
    return compile_policy(blob, f"digest-{revision}")


def roll(there: World, percent: int, *, candidate: str = "r2") -> None:
    """This part goes to the candidate."""
    there.live.table = compile_table(
        [compiled(there, "old", "r1")],
        {"desk": Canary(compiled(there, "new", candidate), percent)},
    )
    there.live.ready = True


def talk(number: int, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": f"Question {number}"}]
    return {**chat(), "messages": messages, **more}


async def revision(there: World, body: object, **headers: str) -> str:
    reply = await there.ask(body, **headers)
    found = reply.headers["x-pointsman-revision"]
    assert reply.headers["x-pointsman-backend"] == {"r1": "old"}.get(found, "new")
    return found


def scraped(there: World) -> str:
    return generate_latest(there.metrics.registry).decode()


def told(there: World) -> Arms:
    return there.plane.arms.told()["desk"]


async def test_a_conversation_stays_in_its_arm(desk: World) -> None:
    """By its first words, by its header, or by its metadata; the answer names its revision."""
    roll(desk, 50)
    first = [await revision(desk, talk(number)) for number in range(20)]
    assert {*first} == {"r1", "r2"}
    again = []
    for number in range(20):
        body: dict[str, Any] = talk(number)
        body["messages"] += [
            {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And then?"}
        ]  # fmt: skip
        again.append(await revision(desk, body))
    assert again == first
    roll(desk, 90)
    later = [await revision(desk, talk(number)) for number in range(20)]
    assert all(now == "r2" for now, before in zip(later, first, strict=True) if before == "r2")
    sessions = {await revision(desk, talk(number), x_session_id="s1") for number in range(8)}
    assert len(sessions) == 1
    named = {
        await revision(desk, talk(number, metadata={"conversation_id": "c1"}))
        for number in range(8)
    }
    assert len(named) == 1


async def test_nothing_is_counted_without_a_candidate(desk: World) -> None:
    """Nor kept when it has gone."""
    desk.route("old")
    await desk.ask()
    assert desk.plane.arms.told() == {}
    roll(desk, 50)
    await desk.ask()
    desk.route("old")

    assert desk.plane.arms.told() == {}
    assert "rollout_requests_total{" not in scraped(desk)


async def test_both_arms_are_counted(desk: World) -> None:
    """Requests, durations, what they cost; the ledger and the metrics name the arm's revision."""
    price = (Price(input_pico=1_000_000, output_pico=2_000_000),)
    desk.place("new", *[one.port for one in desk.live.endpoints["default/new:8000"]], prices=price)
    events: list[Request] = []

    def put(event: bytes) -> None:
        found = decode(event)
        assert isinstance(found, Request)
        events.append(found)

    desk.plane.record = Recorder(put, desk.plane.wall)
    roll(desk, 50)
    answered = [await revision(desk, talk(number)) for number in range(20)]
    await until(lambda: len(events) == 20)
    arms = told(desk)

    assert (arms.stable, arms.candidate) == ("r1", "r2")
    assert arms.of_candidate.requests == answered.count("r2")
    assert arms.of_stable.requests == answered.count("r1")
    assert sum(arms.of_candidate.durations) == arms.of_candidate.requests
    assert len(arms.of_candidate.durations) == len(DURATION_BOUNDS_S) + 1
    assert arms.of_candidate.errors == arms.of_stable.errors == 0
    assert arms.of_candidate.priced == arms.of_candidate.requests
    assert arms.of_candidate.cost > 0 == arms.of_stable.cost
    assert arms.of_candidate.cost_squares > 0
    assert sorted(one.revision for one in events) == sorted(answered)
    said = f'{{outcome="Ok",policy="desk",revision="r2"}} {answered.count("r2")}.0'
    assert said in scraped(desk)


async def test_what_a_caller_would_call_a_failure_is_an_error(desk: World) -> None:
    """500 of its backend, a backend that lacks what is asked for; not the caller's own mistake."""
    roll(desk, 99)
    bodies = [talk(n) for n in range(200)]
    mine = [body for body in bodies if await revision(desk, body) == "r2"][:3]
    before = told(desk).of_candidate
    assert before.errors == 0
    await desk.ask({**mine[0], "tools": [{"type": "function", "function": {"name": "f"}}]})
    assert told(desk).of_candidate.errors == 1, "no backend of the revision can call tools"
    await desk.ask({**mine[0], "max_tokens": "many"})
    assert told(desk).of_candidate.errors == 1, "a body that is none reaches no arm"
    there_s = desk.live.endpoints
    desk.live.replace_endpoints({key: v for key, v in there_s.items() if "/new:" not in key})
    reply = await desk.ask(mine[1])
    assert reply.status >= 500
    assert told(desk).of_candidate.errors == 2


async def test_a_backend_that_has_enough_has_failed(desk: World) -> None:
    """A candidate whose provider refuses all with 429 was promoted: no error, and quick."""
    roll(desk, 99)
    bodies = [talk(n) for n in range(20)]
    mine = [body for body in bodies if await revision(desk, body) == "r2"]
    before = told(desk).of_candidate
    desk.simulators["new"].faults.order(Fault(FaultMode.ERROR_429, retry_after_s=3600))
    assert (await desk.ask(mine[0])).status == 429
    after = told(desk).of_candidate
    assert (after.requests, after.errors) == (before.requests + 1, 1)


async def test_what_a_backend_refuses_is_counted_apart(desk: World) -> None:
    """A request that is wrong for every model, or for this one: who compares the arms can tell."""
    body = b'{"error":{"message":"no max_tokens","type":"t","param":"max_tokens","code":null}}'
    head = JSON_HEAD.replace(b"200 OK", b"400 Bad Request") + b"content-length: %d\r\n\r\n"
    await desk.scripted("new", answers(head % len(body), body))
    roll(desk, 50)
    replies = [await desk.ask(talk(number)) for number in range(20)]
    refused = sum(reply.status == 400 for reply in replies)
    arms = told(desk)
    assert (arms.of_candidate.requests, arms.of_candidate.errors) == (refused, 0)
    assert (arms.of_candidate.refused, arms.of_stable.refused) == (refused, 0)


async def test_counts_begin_anew_with_another_candidate_and_go_on_with_the_same(
    desk: World,
) -> None:
    """Another part of the same two is the same comparison."""
    roll(desk, 50)
    for number in range(10):
        await desk.ask(talk(number))
    since_ms = told(desk).since_ms
    roll(desk, 60)
    assert told(desk).since_ms == since_ms
    assert told(desk).of_stable.requests + told(desk).of_candidate.requests == 10
    await asyncio.sleep(0.002)
    roll(desk, 50, candidate="r3")

    assert told(desk).candidate == "r3"
    assert told(desk).of_stable.requests == 0


async def test_what_is_told_is_bounded(desk: World) -> None:
    """A line of the admin stream has a bound, whatever a table names."""
    many = [f"p{number:03}" for number in range(MOST_ARMS + 10)]
    desk.live.table = compile_table(
        [compiled(desk, "old", "r1", name) for name in many],
        {name: Canary(compiled(desk, "new", "r2", name), 5) for name in many},
    )

    assert len(desk.plane.arms.told()) == MOST_ARMS


async def test_a_fallback_in_the_arm_is_the_arms(desk: World) -> None:
    """Its own chain answers; a request that was answered is none that failed."""
    del desk.live.endpoints["default/new:8000"]  # type: ignore[attr-defined]
    blob = PolicyBlob(
        namespace="default",
        name="desk",
        revision="r2",
        model_names=("auto",),
        routes=(
            Route(
                name="default", targets=(Target(backend="new"),), fallback=Fallback(chain=("old",))
            ),
        ),
        backends=desk.backends,
    )
    candidate = Canary(compile_policy(blob, "digest-r2"), 99)
    desk.live.table = compile_table([compiled(desk, "old", "r1")], {"desk": candidate})
    desk.live.ready = True
    for number in range(10):
        reply = await desk.ask(talk(number))
        assert reply.headers["x-pointsman-backend"] == "old"

    assert told(desk).of_candidate.requests >= 8
    assert told(desk).of_candidate.errors == 0
