"""Texts are kept where the policy says so, as it says, and nobody waits for it."""

import asyncio
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from pointsman.api.table import Capture, Route, Target
from pointsman.events.schema import Request, Text, decode
from pointsman.router.serve.capture import Captor
from pointsman.router.serve.record import Recorder
from pointsman.router.wire.excerpt import HEAD_BYTES, TAIL_BYTES
from tests.router.serve.world import Handler, World, chat, post, until

FULL = Capture(mode="Full", keep_s=60)
ASKED = "user: Which train leaves first?"


class Texts:
    """What was recorded of the requests so far."""

    def __init__(self, world: World) -> None:
        self.lines: list[bytes] = []
        self._world = world
        self.recorder = Recorder(self.lines.append, time.time)
        world.plane.record = self.recorder

    def keep(self, capture: Capture | None, name: str = "small") -> None:
        """Put a policy in force that sends all to one backend."""
        route = Route(name="default", targets=(Target(backend=name),))
        self._world.put(route, capture=capture)

    @property
    def captor(self) -> Captor:
        return self.recorder.captor

    async def events(self, count: int) -> list[Request]:
        """All, once there are so many; nothing is held for them any more."""
        await until(lambda: len(self.lines) >= count)
        assert len(self.lines) == count
        assert self.recorder.failures == 0
        assert self.captor.held_bytes == 0
        found = [decode(line) for line in self.lines]
        return [event for event in found if isinstance(event, Request)]

    async def one(self) -> Text:
        """The text of the only one."""
        (event,) = await self.events(1)
        assert event.text is not None
        return event.text


@pytest.fixture
async def texts(there: World) -> AsyncIterator[Texts]:
    """One backend, `small`."""
    await there.simulator("small")
    found = Texts(there)
    yield found
    assert await asyncio.to_thread(found.captor.finish, 10)


@pytest.mark.parametrize("stream", [False, True])
async def test_full_keeps_what_was_asked_and_answered(
    there: World, texts: Texts, stream: bool
) -> None:
    """Of a stream, the deltas in one."""
    texts.keep(FULL)
    reply = await there.ask(chat(stream=stream))
    text = await texts.one()
    assert text == Text(how="Full", prompt=ASKED, answer=reply.content, keep_s=60)
    assert len(reply.content) > 20
    assert texts.captor.kept == {"Full": 1}


@pytest.mark.parametrize("stream", [False, True])
async def test_without_a_policy_nothing_is_kept(there: World, texts: Texts, stream: bool) -> None:
    """And no thread runs."""
    texts.keep(None)
    await there.ask(chat(stream=stream))
    (event,) = await texts.events(1)
    assert event.text is None
    assert texts.captor._hand is None


async def test_a_hash_tells_the_same_text_again(there: World, texts: Texts) -> None:
    """SHA-256 of what Full would have kept, without what is redacted."""
    texts.keep(Capture(mode="Hash", keep_s=60, built_in=("Email",)))
    for name in ("ann@example.org", "bob@example.org", "nobody"):
        body = chat()
        body["messages"] = [{"role": "user", "content": f"Mail {name}"}]
        await there.ask(body)
    ann, bob, nobody = [event.text for event in await texts.events(3)]
    assert ann is not None
    assert bob is not None
    assert nobody is not None
    assert ann.how == "Hash"
    assert ann.prompt == hashlib.sha256(b"user: Mail [redacted]").hexdigest() == bob.prompt
    assert nobody.prompt == hashlib.sha256(b"user: Mail nobody").hexdigest()
    assert len(ann.answer) == 64


async def test_a_sample_is_a_share_of_the_requests(there: World, texts: Texts) -> None:
    """By the decision's id: told again, it is told the same."""
    texts.keep(Capture(mode="Sampled", percent=30, keep_s=60))
    async with there.client() as client:
        for _ in range(200):
            await client.send(post(chat()))
            await client.reply()
    events = await texts.events(200)
    capture = there.live.table.policies[0].capture
    assert capture is not None
    kept = {event.decision for event in events if event.text is not None}
    assert kept == {e.decision for e in events if capture.takes(e.decision.encode())}
    assert 30 <= len(kept) <= 90, "0.3 of 200 and four standard deviations"


async def test_secrets_are_gone_from_both_texts(there: World, texts: Texts) -> None:
    """Whatever kind, and the policy's own patterns."""
    secrets = ["sk-abcdefghijklmnopqrst", "Bearer abc.def-ghi", "x.y@example.org", "ACME-4711"]
    secrets += ["4111 1111 1111 1111", "password=hunter22"]
    known = ("ApiKey", "BearerToken", "Email", "CreditCard")
    texts.keep(Capture(mode="Full", keep_s=60, built_in=known, patterns=(r"ACME-\d+", "here")))
    body = chat()
    content = [{"type": "text", "text": f"< {secret} >"} for secret in secrets]
    body["messages"] = [{"role": "user", "content": content}]
    reply = await there.ask(body)
    text = await texts.one()
    assert text.prompt == "user: " + "\n".join(["< [redacted] >"] * len(secrets))
    assert text.answer == reply.content.replace("here", "[redacted]") != reply.content


async def test_a_long_text_is_cut_and_its_edge_leaks_nothing(there: World, texts: Texts) -> None:
    """Head and tail are kept; a key that lies across the cut is gone, not halved."""
    key = "sk-" + "k" * 3000
    begin = "b" * (HEAD_BYTES - 1000 - len("user: ")) + " "
    end = " " + "e" * (TAIL_BYTES - 1000)
    texts.keep(Capture(mode="Full", keep_s=60, built_in=("ApiKey",)))
    body = chat()
    body["messages"] = [{"role": "user", "content": begin + key + " x" * 50_000 + " " + key + end}]
    await there.ask(body)
    text = await texts.one()
    assert text.cut
    assert "kkk" not in text.prompt
    assert text.prompt.startswith("user: bbb")
    assert text.prompt.endswith("eee")
    assert "bytes left out]" in text.prompt
    assert len(text.prompt) < HEAD_BYTES + TAIL_BYTES + 100


async def test_a_client_that_leaves_has_heard_what_is_kept(there: World, texts: Texts) -> None:
    """What was sent until then."""
    await there.simulator("slow", tokens_per_second=20.0, output_tokens=1000)
    texts.keep(FULL, "slow")
    async with there.client() as client:
        await client.send(post(chat(stream=True)))
        await client.read_until(b"model-slow")
    text = await texts.one()
    assert text.prompt == ASKED
    assert text.answer.startswith("model-slow")


async def test_streams_share_bounded_memory(there: World, texts: Texts) -> None:
    """What exceeds it is relayed all the same, and counted."""
    texts.recorder.captor = Captor(texts.lines.append, most_bytes=500)
    texts.keep(FULL)
    reply = await there.ask(chat(stream=True))
    (event,) = await texts.events(1)
    assert reply.content.startswith("model-small")
    assert event.output_tokens == 8 or event.estimated
    assert texts.captor.dropped == {"MemoryFull": 1}
    assert event.text is None or event.text.cut


def saying(text: str) -> Handler:
    """A server that answers so to everything."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        said = {"choices": [{"index": 0, "message": {"content": text}}]}
        body = json.dumps(said).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(f"{head}\r\n\r\n".encode() + body)
        await reader.read()

    return handle


async def test_an_answer_that_is_not_held_is_marked(there: World, texts: Texts) -> None:
    """Beyond the bound up to which the router holds whole answers, it has no text to keep."""
    long = "a" * 400_000
    await there.scripted("long", saying(long))
    texts.keep(FULL, "long")
    assert (await there.ask(chat())).content == long
    text = await texts.one()
    assert (text.prompt, text.answer, text.cut) == (ASKED, "", True)


@pytest.mark.slow
async def test_texts_that_outgrow_an_event_go_without_it(there: World, texts: Texts) -> None:
    """The request is recorded: control characters take six bytes each in JSON."""
    await there.scripted("wild", saying("a\x01" * 35_000))
    texts.keep(Capture(mode="Full", keep_s=60, patterns=("a",)), "wild")
    body = chat()
    body["messages"] = [{"role": "user", "content": "a\x01" * 100_000}]
    await there.ask(body)
    (event,) = await texts.events(1)
    assert event.text is None
    assert event.outcome == "Ok"
    assert texts.captor.dropped == {"TooLarge": 1}


@pytest.mark.slow
async def test_an_expensive_pattern_holds_up_nobody(there: World, texts: Texts) -> None:
    """It costs its own texts time: requests are answered while the thread searches."""
    worst = "a{0,99}" * 17 + "b"
    texts.keep(Capture(mode="Full", keep_s=60, patterns=(worst,)))
    body = chat()
    body["messages"] = [{"role": "user", "content": "a" * 70_000}]
    assert (await there.ask(body)).status == 200
    for _ in range(3):
        assert (await there.ask(chat())).status == 200
        assert texts.lines == [], "the first text is still searched"
    await texts.events(4)


async def test_no_event_waits_long_for_its_text(there: World, texts: Texts) -> None:
    """What the thread does not get to in time goes without, and is counted."""
    texts.recorder.captor = Captor(texts.lines.append, longest_s=0.0)
    texts.keep(FULL)
    for _ in range(3):
        await there.ask(chat())
    assert [event.text for event in await texts.events(3)] == [None] * 3
    assert texts.captor.dropped == {"Late": 3}


@pytest.mark.slow
async def test_an_end_in_the_middle_of_a_search_loses_no_event(there: World, texts: Texts) -> None:
    """The one that is searched, and those behind it, each once."""
    texts.keep(Capture(mode="Full", keep_s=60, patterns=("a{0,99}" * 17 + "b",)))
    body = chat()
    body["messages"] = [{"role": "user", "content": "a" * 70_000}]
    for wanted in (body, chat(), chat()):
        assert (await there.ask(wanted)).status == 200
    thread = texts.captor._hand
    assert thread is not None
    assert not await asyncio.to_thread(texts.captor.finish, 0.01)
    assert [event.text for event in await texts.events(3)] == [None] * 3
    assert texts.captor.dropped == {"Ending": 3}
    await asyncio.to_thread(thread.join, 20)
    await asyncio.sleep(0)
    assert len(await texts.events(3)) == 3


async def test_what_is_taken_at_the_end_is_told(there: World, texts: Texts) -> None:
    """`finish` waits for the thread; later requests are recorded without text."""
    texts.keep(FULL)
    await there.ask(chat())
    await asyncio.to_thread(texts.captor.finish, 10)
    await texts.one()
    await there.ask(chat())
    assert [event.text is None for event in await texts.events(2)] == [False, True]
    assert texts.captor.dropped == {"Ending": 1}


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
def test_a_process_ends_well_while_a_text_is_searched(told: bool) -> None:
    """With its own exit status; RE2 gives the interpreter's lock back in the midst of its end."""
    done = subprocess.run(
        [sys.executable, "-c", ENDING, str(told)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")


ENDING = """
import asyncio, sys, types
from pointsman.api.table import Capture
from pointsman.events.schema import Request
from pointsman.router.serve.capture import Captor
from pointsman.router.wire.openai import read_chat
from pointsman.router.wire.shapes import NO_ANSWER
from pointsman.router.wire.operation import CHAT
from pointsman.routing.capture import compile_capture

async def main():
    body = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"a " * 35_000)
    captor = Captor(lambda line: None)
    capture = compile_capture(Capture(mode="Full", keep_s=1, patterns=("a",)), "desk")
    request = types.SimpleNamespace(body=body)
    exchange = types.SimpleNamespace(
        heard=None, said=NO_ANSWER, end=b"", operation=CHAT, request=request, committed=False,
        asked=read_chat(body), code=0,
    )
    event = Request(
        decision="d", at_ms=1, policy="p", revision="r", rule="u", status=200, outcome="Ok"
    )
    for _ in range(100):
        captor.take(exchange, capture, event)
    await asyncio.sleep(0.2)
    if sys.argv[1] == "True":
        assert not await asyncio.to_thread(captor.finish, 0.01)

asyncio.run(main())
sys.exit(3)
"""
