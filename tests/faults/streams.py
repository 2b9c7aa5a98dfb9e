"""Streams through a router whose next router ends: `python -m tests.faults.streams`.

    clients (--streams 1000, for --seconds 60) -> router -> two routers -> model server

A quarter in, one of the two is ended as a rollout ends it (SIGTERM) and comes again; at three
quarters the other is killed. The commit rule says what may be lost: nothing by the first; by the
second only streams that had begun there, each with an error event and without `[DONE]`. Everything
else is answered to its last byte. 1 if a promise was broken.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import h11

from tests.perf import processes
from tests.perf.processes import Child, line

DRAIN_S: Final = 30.0
"""Of a router that is asked to end; longer than a stream takes."""
TOKENS: Final = 16
PER_S: Final = 4.0
RAMP_S: Final = 3.0
"""Over which the streams begin, so that they do not end together."""
READ_S: Final = 30.0
_BODY: Final = json.dumps(
    {
        "model": "auto",
        "stream": True,
        "messages": [{"role": "user", "content": "Which train leaves first?"}],
    }
).encode()


@dataclass(frozen=True, slots=True)
class Stream:
    """What a client saw of one; moments are of `time.monotonic`."""

    begun_s: float
    ended_s: float
    status: int
    text: str
    done: bool
    error: str
    """Code of the error event; empty if there was none."""
    whole: bool
    """The body ended in good form."""


@dataclass(slots=True)
class Seen:
    """All of a run."""

    ended: int = 0
    most_at_once: int = 0
    cut: int = 0
    broken: list[str] = field(default_factory=list)
    """Promises that were not kept; the first few of each sort."""
    sorts: dict[str, int] = field(default_factory=dict)


def judge(streams: list[Stream], text: str, killed_s: float) -> tuple[int, list[tuple[str, str]]]:
    """How many were cut as the rule allows, and what was broken: (sort, which)."""
    cut, broken = 0, []
    for one in streams:
        where = f"begun {one.begun_s - killed_s:+.2f} s from the kill, {one.text[-20:]!r}"
        if one.status != 200:
            broken.append((f"status {one.status}", where))
        elif not one.whole:
            broken.append(("a body without its end", where))
        elif one.done and one.error:
            broken.append(("[DONE] behind an error", where))
        elif one.done:
            if one.text != text:
                broken.append(("another text", where))
        elif not one.error:
            broken.append(("a silent end", where))
        elif not one.text:
            broken.append(("cut before its first content", where))
        elif not one.begun_s <= killed_s <= one.ended_s:
            broken.append((f"{one.error} without a kill", where))
        elif not text.startswith(one.text):
            broken.append(("another text before its error", where))
        else:
            cut += 1
    return cut, broken


async def ask(port: int) -> Stream:
    """One stream on a connection of its own, to its end."""
    begun_s = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = h11.Connection(h11.CLIENT)
    status, body, whole = 0, b"", False
    try:
        head = [("host", "x"), ("content-type", "application/json"), ("connection", "close")]
        head.append(("content-length", str(len(_BODY))))
        for part in (
            h11.Request(method="POST", target="/v1/chat/completions", headers=head),
            h11.Data(data=_BODY),
            h11.EndOfMessage(),
        ):
            writer.write(client.send(part) or b"")
        with contextlib.suppress(h11.RemoteProtocolError, ConnectionError):
            while not whole:
                event = client.next_event()
                if event is h11.NEED_DATA:
                    async with asyncio.timeout(READ_S):
                        client.receive_data(await reader.read(65_536))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    whole = isinstance(event, h11.EndOfMessage)
                    break
    finally:
        writer.close()
    text, done, error = _read(body)
    return Stream(begun_s, time.monotonic(), status, text, done, error, whole)


def _read(body: bytes) -> tuple[str, bool, str]:
    """The text of a stream's events, whether it is done, and the code of its error."""
    text, done, error = "", False, ""
    for event in body.split(b"\n\n"):
        data = event.removeprefix(b"data: ")
        if data == b"[DONE]":
            done = True
        elif data.startswith(b"{"):
            said = json.loads(data)
            error = said["error"]["code"] if "error" in said else error
            for choice in said.get("choices", ()):
                text += choice["delta"].get("content") or ""
    return text, done, error


async def clients(
    port: int, count: int, until_s: float, pause_s: float
) -> tuple[int, list[Stream]]:
    """So many at once until then; the most that were open, and all of them."""
    open_now = most = 0
    found: list[Stream] = []

    async def again(after_s: float) -> None:
        nonlocal open_now, most
        await asyncio.sleep(after_s)
        while time.monotonic() < until_s:
            open_now += 1
            most = max(most, open_now)
            try:
                found.append(await ask(port))
            finally:
                open_now -= 1
            await asyncio.sleep(pause_s)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(again(RAMP_S * number / count))
    return most, found


class Routers:
    """One in front and two behind it; those can be ended and come again on their ports."""

    def __init__(self, stack: ExitStack, core: str, model: int) -> None:
        self._stack, self._core, self._model = stack, core, model
        self._behind = [self._start([model]) for _ in range(2)]
        self._ports = [int(line(child)) for child in self._behind]
        self.port = int(line(self._start(self._ports)))
        self.signaled_s = 0.0
        """When the last of them was asked to end, or killed."""

    def _start(self, ports: list[int], listen: int = 0) -> Child:
        command = [sys.executable, "-m", "tests.perf.plane", "plain", *map(str, ports)]
        command += [f"--listen={listen}", f"--drain={DRAIN_S}"]
        return self._stack.enter_context(processes.started(self._core, *command))

    def end(self, which: int, number: signal.Signals) -> int:
        """End one of the two and start it again; the status that it ended with."""
        child = self._behind[which]
        child.send_signal(number)
        self.signaled_s = time.monotonic()
        status = child.wait(DRAIN_S + 10)
        self._behind[which] = self._start([self._model], self._ports[which])
        line(self._behind[which])
        return status


async def play(routers: Routers, count: int, seconds: float) -> Seen:
    """The whole of it."""
    reference = await ask(routers.port)
    assert reference.done, reference
    begun_s = time.monotonic()
    asking = asyncio.create_task(clients(routers.port, count, begun_s + seconds, 0.05))
    await asyncio.sleep(seconds / 4)
    status = await asyncio.to_thread(routers.end, 0, signal.SIGTERM)
    await asyncio.sleep(max(0.0, begun_s + seconds * 3 / 4 - time.monotonic()))
    await asyncio.to_thread(routers.end, 1, signal.SIGKILL)
    most, streams = await asking
    seen = Seen(ended=len(streams), most_at_once=most)
    seen.cut, broken = judge(streams, reference.text, routers.signaled_s)
    seen.sorts = dict(Counter(sort for sort, _ in broken))
    seen.broken = [f"{sort}: {where}" for sort, where in broken[:10]]
    if status != 0:
        seen.broken.append(f"the router that was asked to end ended with {status}")
    if not seen.cut:
        seen.broken.append("the kill cut no stream: it proved nothing")
    return seen


def run(count: int, seconds: float) -> Seen:
    """With processes of its own, which end with it."""
    every = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    with ExitStack() as stack:
        model = [sys.executable, "-m", "pointsman.simulator", "--model=m", "--host=127.0.0.1"]
        model += ["--port=0", f"--output-tokens={TOKENS}", f"--tokens-per-second={PER_S}"]
        model += [f"--max-concurrency={2 * count}"]
        server = stack.enter_context(processes.started(every, *model))
        port = int(line(server).rpartition(":")[2].split("/")[0])
        return asyncio.run(play(Routers(stack, every, port), count, seconds))


def main() -> int:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seen = run(options.streams, options.seconds)
    print(f"{seen.ended:,} streams, {seen.most_at_once:,} at once; {seen.cut:,} cut by the kill")
    for problem in seen.broken:
        print(f"!! {problem}")
    if seen.sorts:
        print(f"!! broken: {seen.sorts}")
    if options.json:
        options.json.write_text(json.dumps(asdict(seen), indent=1) + "\n")
    return 1 if seen.broken else 0


if __name__ == "__main__":
    sys.exit(main())
