"""A policy with a predictor, served: who answers, what is told of it, and who stays with whom."""

import dataclasses
import time
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pointsman.api.callers import Limits, digest_of
from pointsman.api.predicting import Choice, Chooser
from pointsman.api.profile import Parameter, Profile
from pointsman.api.table import Fallback, Match, Route, Target
from pointsman.events.schema import Request, decode
from pointsman.router.callers import Caller, callers_of
from pointsman.router.serve.choosing import Conversations
from pointsman.router.serve.record import Recorder
from tests.router.serve.world import Reply, World, chat, post, until
from tests.routing.learned import chooser

CODE = "Write a Python function that reverses a linked list."


@pytest.fixture
async def desk(there: World) -> World:
    """Three backends; a is the target of all."""
    for name in ("a", "b", "c"):
        await there.simulator(name)
    return there


def put(there: World, predictor: Chooser, *rules: Route) -> None:
    """Rules, then the default: to a, then b."""
    default = Route(name="default", targets=(Target(backend="a"),), fallback=Fallback(chain=("b",)))
    there.put(*rules, default, predictor=predictor)


def talk(*texts: str, **fields: object) -> dict[str, object]:
    """A conversation: the user's texts with an answer after each but the last."""
    messages: list[dict[str, str]] = []
    for text in texts:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]
    return {**chat(), "messages": messages[:-1], **fields}


async def who(there: World, body: object = None, **headers: str) -> str:
    """Who answered."""
    reply = await there.ask(body or talk(CODE), **headers)
    assert reply.status == 200
    return reply.headers["x-pointsman-backend"]


def told(reply: Reply) -> Choice:
    """What the debug header says."""
    return msgspec.json.decode(reply.headers["x-pointsman-predictor"], type=Choice)


async def test_the_predictor_chooses_and_its_second_best_follows_a_failure(desk: World) -> None:
    """A fallback goes on in its order."""
    put(desk, chooser({"a": 0.2, "b": 0.5, "c": 0.9}))
    assert await who(desk) == "c"
    desk.live.replace_endpoints(
        {key: found for key, found in desk.live.endpoints.items() if "/c:" not in key}
    )
    assert await who(desk) == "b"


async def test_one_structure_is_told_to_the_caller_and_kept(desk: World) -> None:
    """The header of who asks for it, and the event."""
    lines: list[bytes] = []
    desk.plane.record = Recorder(lines.append, time.time)
    put(desk, chooser({"b": 0.5, "c": 0.9}))
    plain = await desk.ask(talk(CODE))
    assert "x-pointsman-predictor" not in plain.headers
    reply = await desk.ask(talk(CODE + " Now."), x_pointsman_debug="true")
    await until(lambda: len(lines) == 2)
    event = decode(lines[1])
    assert isinstance(event, Request)
    assert event.choice == told(reply)
    assert (event.choice.backend, event.choice.why) == ("c", "Best")
    assert (event.task, event.complexity, event.domain) != ("Coding", "", "")


async def test_observing_changes_nothing_and_counts_agreement(desk: World) -> None:
    """By whom the rules chose and whom the predictor would have."""
    put(desk, chooser({"a": 0.2, "c": 0.9}, mode="Observe"))
    assert await who(desk) == "a"
    labels = {"policy": "desk", "target": "a", "predicted": "c", "outcome": "Best"}
    assert desk.count("predictions_total", **labels) == 1
    put(desk, chooser({"a": 0.2, "c": 0.9}, mode="Observe", min_confidence=0.9))
    assert await who(desk, talk("Another question.")) == "a"
    labels |= {"predicted": "", "outcome": "LowConfidence"}
    assert desk.count("predictions_total", **labels) == 1


async def test_whom_it_alone_chooses_is_counted_on_when_the_table_changes(desk: World) -> None:
    """No route names c: its counts began anew with each edit of any policy."""
    for _ in range(3):
        put(desk, chooser({"b": 0.5, "c": 0.9}))
        assert await who(desk) == "c"
    labels = {"policy": "desk", "rule": "default", "backend": "c", "code": "200"}
    assert desk.count("requests_total", **labels) == 3
    assert desk.count("attempts_total", backend="c", outcome="Ok") == 3


async def test_the_profile_of_whom_it_alone_chooses_counts_in_what_is_reserved(desk: World) -> None:
    """No route names c; it is asked for answers of 9,000 tokens, of which a minute has fewer."""
    profile = Profile(parameters=(Parameter(name="max_tokens", default="9000"),))
    desk.backends["c"] = replace(desk.backends["c"], profile=profile)
    caller = Caller("app", policies=None, digests=frozenset({digest_of(b"key")}))
    desk.live.callers = callers_of(
        [dataclasses.replace(caller, limits=Limits(tpm=8000))], complete=True
    )
    put(desk, chooser({"b": 0.5, "c": 0.9}))
    assert (await desk.ask(talk(CODE), authorization="Bearer key")).status == 429
    put(desk, chooser({"b": 0.9, "c": 0.5}))
    assert (await desk.ask(talk(CODE), authorization="Bearer key")).status == 200


async def test_a_rule_with_high_stakes_bypasses_it(desk: World) -> None:
    """And is not counted as a conversation."""
    rule = Route(
        name="high", targets=(Target(backend="b"),), match=Match(metadata={"stakes": "high"})
    )
    put(desk, chooser({"a": 0.2, "c": 0.9}), rule)
    assert await who(desk, talk(CODE, metadata={"stakes": "high"})) == "b"
    assert await who(desk, talk(CODE, "And in Go?")) == "c"


def better(by: float) -> Chooser:
    """c is better than b by this; a conversation stays up to 0.1."""
    return chooser({"b": 0.5, "c": 0.5 + by}, switch_margin=0.1)


@pytest.mark.parametrize("by", ["words", "header", "metadata"])
async def test_a_conversation_stays_with_its_backend(desk: World, by: str) -> None:
    """Until another is better by more than the margin; told by its beginning, or by a name."""
    headers = {"x_session_id": "s-1"} if by == "header" else {}
    fields: dict[str, Any] = {"metadata": {"conversation_id": "7"}} if by == "metadata" else {}
    first = CODE if by == "words" else "Another beginning."
    put(desk, better(-0.05))
    assert await who(desk, talk(CODE, **fields), **headers) == "b"
    put(desk, better(0.05))
    assert await who(desk, talk(first, "And in Go?", **fields), **headers) == "b"
    assert await who(desk, talk("Something else.", "And in Go?")) == "c"
    put(desk, better(0.15))
    assert await who(desk, talk(first, "And in Go?", "In C?", **fields), **headers) == "c"


async def test_what_targets_began_they_go_on_with(desk: World) -> None:
    """The predictor was not sure at first, and is not better by the margin now."""
    put(desk, chooser({"a": 0.5, "c": 0.55}, min_confidence=0.9, switch_margin=0.1))
    assert await who(desk, talk(CODE)) == "a"
    put(desk, chooser({"a": 0.5, "c": 0.55}, switch_margin=0.1))
    assert await who(desk, talk(CODE, "And in Go?")) == "a"


async def test_embeddings_are_not_chosen_for(desk: World) -> None:
    """Vectors of two models cannot be compared."""
    put(desk, chooser({"a": 0.2, "c": 0.9}))
    async with desk.client() as client:
        await client.send(post({"model": "auto", "input": "x"}, path="/v1/embeddings"))
        assert (await client.reply()).headers["x-pointsman-backend"] == "a"


async def test_a_predictor_that_breaks_leaves_it_to_the_rules(
    desk: World, errors: list[str]
) -> None:
    """Each request is answered; the bug is logged and counted."""
    put(desk, chooser({"a": 0.2, "c": 0.9}))
    compiled = desk.live.table.policies[0].chooser
    assert compiled is not None
    del compiled.predictor.weights
    assert await who(desk) == "a"
    assert desk.plane.metrics.internal_errors == 1
    assert "was not chosen for" in errors.pop()
    desk.plane.metrics.internal_errors = 0


def test_what_is_remembered_is_bounded() -> None:
    """The newest are there, the oldest are not."""
    kept = Conversations(10)
    for number in range(35):
        kept.keep(b"%d" % number, f"b{number}")
    assert kept.of(b"34") == "b34"
    assert kept.of(b"25") == "b25"
    assert kept.of(b"5") == ""
    assert len(kept._now) + len(kept._before) <= 20
