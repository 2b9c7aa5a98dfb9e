"""What callers do tells something, apart from what they say."""

import time

import pytest

from pointsman.api.table import Route, Signals, Target
from pointsman.events.schema import Feedback, Request, decode
from pointsman.router.serve.record import Recorder
from pointsman.router.serve.signals import Watcher
from tests.router.serve.world import World, post, until

BOTH = Signals(retry_window_s=300.0, abandoned=True)
QUESTION = "How do I get a refund for a train ticket that I bought last week?"


class Seen:
    """What was recorded."""

    def __init__(self, world: World) -> None:
        self.lines: list[bytes] = []
        self._world = world
        world.plane.record = self.recorder = Recorder(self.lines.append, time.time)

    def watch(self, signals: Signals | None, backend: str = "small") -> None:
        """Put a policy in force that sends all to one backend."""
        route = Route(name="default", targets=(Target(backend=backend),))
        self._world.put(route, signals=signals)

    async def ask(self, *messages: str, **more: object) -> str:
        """The decision of a conversation whose last message is the question."""
        roles = ("user", "assistant")
        said = [{"role": roles[i % 2], "content": text} for i, text in enumerate(messages)]
        reply = await self._world.ask({"model": "auto", "messages": said, **more})
        assert reply.status == 200
        return reply.headers["x-pointsman-decision-id"]

    def feedback(self) -> list[tuple[str, str]]:
        """(decision, signal)."""
        assert self.recorder.failures == 0
        found = [decode(line) for line in self.lines]
        said = [one for one in found if isinstance(one, Feedback)]
        assert all(one.score is None and one.good is None and one.verdict is None for one in said)
        assert len({one.id for one in said}) == len(said)
        return [(one.decision, one.signal) for one in said]


@pytest.fixture
async def seen(there: World) -> Seen:
    """One backend, `small`."""
    await there.simulator("small")
    return Seen(there)


@pytest.mark.parametrize(
    "again",
    [
        QUESTION,
        QUESTION.upper(),
        "How can I get a refund for a train ticket that I bought last week?",
        "Please tell me: " + QUESTION,
    ],
)
async def test_the_same_question_is_a_retry(seen: Seen, again: str) -> None:
    """Also one that was only put differently; told about the answer that did not do."""
    seen.watch(BOTH)
    first = await seen.ask(QUESTION)
    await seen.ask(again)
    assert seen.feedback() == [(first, "Retry")]


@pytest.mark.parametrize(
    "other",
    [
        "How do I get from here to the station before the last train of today leaves?",
        "What is a refund?",
        "x" * 50_000,
    ],
)
async def test_another_question_is_none(seen: Seen, other: str) -> None:
    """Though it shares some words."""
    seen.watch(BOTH)
    await seen.ask(QUESTION)
    await seen.ask(other)
    assert seen.feedback() == []


async def test_short_words_are_the_same_only_at_the_same_place(seen: Seen) -> None:
    """`Go on` after another answer is no retry."""
    seen.watch(BOTH)
    await seen.ask("Count.", "One.", "Go on")
    await seen.ask("Count.", "One.", "Go on", "Two.", "Go on")
    assert seen.feedback() == []
    second = await seen.ask("Sing.", "La.", "Go on")
    await seen.ask("Sing.", "La.", "Go on")
    assert seen.feedback() == [(second, "Retry")]


async def test_a_script_without_spaces(seen: Seen) -> None:
    """Is compared by its characters."""
    seen.watch(BOTH)
    first = await seen.ask("上周购买的火车票如何办理退款手续需要哪些材料和证件请详细说明")
    await seen.ask("上周购买的火车票怎么办理退款手续需要哪些材料和证件请详细说明")
    await seen.ask("请为我写一首关于秋天落叶的诗要求每句七个字并且押韵不要太长可以吗")
    assert seen.feedback() == [(first, "Retry")]


async def test_each_answer_is_told_once(seen: Seen) -> None:
    """Asked three times: the first two answers did not do."""
    seen.watch(BOTH)
    asked = [await seen.ask(QUESTION) for _ in range(3)]
    assert seen.feedback() == [(asked[0], "Retry"), (asked[1], "Retry")]


async def test_end_users_are_told_apart(seen: Seen) -> None:
    """By OpenAI's fields: an application asks for many with one key."""
    seen.watch(BOTH)
    first = await seen.ask(QUESTION, user="ann")
    await seen.ask(QUESTION, user="bob")
    await seen.ask(QUESTION, safety_identifier="eve")
    assert seen.feedback() == []
    await seen.ask(QUESTION, user="ann")
    assert seen.feedback() == [(first, "Retry")]


async def test_a_question_after_the_window_is_new(there: World, seen: Seen) -> None:
    """The window begins with the answer's end."""
    seen.watch(Signals(retry_window_s=60.0))
    clock = there.plane.clock
    first = await seen.ask(QUESTION)
    there.plane.clock = lambda: clock() + 61
    second = await seen.ask(QUESTION)
    assert seen.feedback() == []
    there.plane.clock = lambda: clock() + 100
    await seen.ask(QUESTION)
    assert seen.feedback() == [(second, "Retry")]
    assert first != second


async def test_questions_at_once_are_no_retries(there: World, seen: Seen) -> None:
    """Programs ask in parallel: nobody can have been unhappy with an answer to come."""
    await there.simulator("slow", ttft_s=0.3)
    seen.watch(BOTH, "slow")
    body = {"model": "auto", "messages": [{"role": "user", "content": QUESTION}]}
    async with there.client() as one, there.client() as other:
        await one.send(post(body))
        await other.send(post(body))
        assert (await one.reply()).status == (await other.reply()).status == 200
    assert seen.feedback() == []


async def test_a_stream_that_its_reader_left(there: World, seen: Seen) -> None:
    """Once it had begun; one that was not streamed tells nothing."""
    await there.simulator("slow", tokens_per_second=20.0, output_tokens=1000)
    seen.watch(BOTH, "slow")
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    for stream in (True, False):
        async with there.client() as client:
            await client.send(post({**body, "stream": stream}))
            if stream:
                await client.read_until(b"data: ")
        await until(lambda: not there.plane._running)
    events = [decode(line) for line in seen.lines]
    asked = [event for event in events if isinstance(event, Request)]
    assert [event.outcome for event in asked] == ["ClientGone"] * 2
    assert seen.feedback() == [(asked[0].decision, "Abandoned")]


@pytest.mark.parametrize("signals", [None, Signals()])
async def test_nothing_is_told_where_nobody_asked(
    there: World, seen: Seen, signals: Signals | None
) -> None:
    """And nothing is remembered."""
    seen.watch(signals)
    await seen.ask(QUESTION)
    await seen.ask(QUESTION)
    assert seen.feedback() == []
    assert not seen.recorder._watcher._asked


async def test_memory_is_bounded(seen: Seen) -> None:
    """Who asked longest ago is forgotten."""
    seen.watch(BOTH)
    seen.recorder._watcher = watcher = Watcher(most_askers=3)
    for number in range(5):
        await seen.ask(QUESTION, user=f"user-{number}")
    assert len(watcher._asked) == 3
    await seen.ask(QUESTION, user="user-0")
    assert seen.feedback() == []
