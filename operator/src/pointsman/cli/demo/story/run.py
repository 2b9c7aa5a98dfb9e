"""`pointsman demo --drift`: a provider makes a model worse without a word, and the rest follows.

One `pointsman up` on a copy of crds/examples/drift-story, with callers beside it. Exit status 1,
and which stage it was, if one does not come in time or a caller gets no answer.
"""

import asyncio
import contextlib
import importlib.util
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from pointsman.api.table import Endpoint
from pointsman.cli.demo.run import DemoFailed, backends, before, example, prices, usual_port
from pointsman.cli.demo.story.stages import (
    BARGAIN,
    BASELINE,
    CODER,
    EDITED,
    GENERALIST,
    LEARNED,
    MODEL,
    Stage,
    found,
)
from pointsman.cli.demo.story.traffic import Traffic
from pointsman.cli.unheard import say
from pointsman.cli.up import run, stop_event
from pointsman.local.session import Refused, Session

FOLDER: Final = "drift-story"
WORSE: Final = 0.45
"""What the coder's quality falls to, from 0.9."""
READY_S: Final = 60.0
AFTER_S: Final = 10.0
"""How long callers go on at the end, to see who answers then."""
_LOOK_S: Final = 0.05


class Story:
    """What was said so far, with times, and what is waited for."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.lines: list[str] = []
        self.marks: list[tuple[float, str]] = []
        self._seen = 0

    def now_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_s

    def say(self, line: str) -> None:
        """A line of the fleet, as it comes."""
        self.lines.append(line)
        say(f"{self.now_s():6.1f} s  {line}")

    def mark(self, name: str) -> None:
        """Something of the story happened just now."""
        self.marks.append((self.now_s(), name))
        say(f"{self.now_s():6.1f} s  == {name}")

    async def tell(self, stages: Sequence[Stage], *, ordered: bool = True) -> None:
        """Wait for them one after the other. Raises DemoFailed at the first that is late."""
        since = self._seen
        for stage in stages:
            end_s = time.monotonic() + stage.deadline_s
            while (line := found(self.lines, stage, since)) is None:
                if time.monotonic() > end_s:
                    raise DemoFailed(f"missed: {stage.name} within {stage.deadline_s:g} s")
                await asyncio.sleep(_LOOK_S)
            self._seen = max(self._seen, line + 1)
            since = line + 1 if ordered else since
            self.mark(stage.name)

    def turn(self) -> None:
        """What was said by now belongs to what was."""
        self._seen = len(self.lines)


async def worsen(endpoint: Endpoint, quality: float) -> None:
    """As its provider might, without a word: by the simulator's control."""
    url = f"http://{endpoint.host}:{endpoint.port}/simulator/settings"
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.put(url, json={"quality": {"Coding": quality}}) as answer,
    ):
        if answer.status != 200:
            raise DemoFailed(f"{url} says {answer.status}: {await answer.text()}")


def to_bargain(policy: Path) -> None:
    """The edit of somebody who reads the price list only."""
    before_, _, after = policy.read_text().partition(f"- backendRef: {{name: {CODER}}}")
    policy.write_text(f"{before_}- backendRef: {{name: {BARGAIN}}}{after}")


async def _told(story: Story, session: Session, folder: Path, traffic: Traffic) -> None:
    await story.tell(BASELINE, ordered=False)
    endpoint = session.endpoint(CODER)
    if endpoint is None:
        raise DemoFailed(f"{CODER} is not there")
    story.turn()
    await worsen(endpoint, WORSE)
    story.mark(f"{CODER} gets worse")
    await story.tell(LEARNED)
    await asyncio.sleep(AFTER_S)
    story.turn()
    to_bargain(folder / "policy.yaml")
    story.mark("somebody edits the policy")
    await story.tell(EDITED)
    rolled_back_s = story.now_s()
    await asyncio.sleep(AFTER_S)
    # What began before the rollback may be answered after it, not what began later.
    shares = traffic.shares(rolled_back_s + 1.0)
    if shares.get(GENERALIST, 0.0) < 1.0:
        raise DemoFailed(f"after the rollback {GENERALIST} should answer alone: {shares}")


async def _drift(*, once: bool, host: str, port: int, picture: Path, chosen_open: bool) -> int:
    stop, story = stop_event(), Story()
    source = example(FOLDER)
    with tempfile.TemporaryDirectory(prefix="pointsman-drift-") as name:
        folder = Path(shutil.copytree(source, Path(name) / FOLDER))
        known = prices(backends(folder))
        session = Session(
            [folder], say=story.say, ledger=Path(name) / "ledger.db", chosen_open=chosen_open
        )
        async with session.serve(host, port) as bound:
            shown = f"[{host}]" if ":" in host else host
            story.say(f"listening on http://{shown}:{bound}/v1 for {MODEL}")
            story.say("the suite runs every 10 s and steps last seconds; no clock is bent")
            traffic = Traffic(f"http://{_near(host)}:{bound}/v1", known, story.now_s)
            try:
                async with asyncio.timeout(READY_S):
                    await session.ready()
            except TimeoutError:
                raise DemoFailed(f"the fleet was not ready within {READY_S:g} s") from None
            calling = asyncio.create_task(traffic.run(), name="callers")
            try:
                await before(stop, _told(story, session, folder, traffic), "the end of the story")
            finally:
                calling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await calling
                currency = next(iter(known.values())).currency
                _draw(traffic, story, currency, picture)
            failed = traffic.failures()
            say(f"{len(traffic.answers)} requests, {len(failed)} without an answer")
            for one in failed[:3]:
                say(f"failed: {one.error}")
            if not once:
                say("Serving until Ctrl-C.")
                await stop.wait()
    return 1 if failed else 0


def _near(host: str) -> str:
    """Where callers on this machine find it."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{near}]" if ":" in near else near


def _draw(traffic: Traffic, story: Story, currency: str, path: Path) -> None:
    from pointsman.cli.demo.story.figure import draw  # noqa: PLC0415

    try:
        draw(traffic.answers, story.marks, currency, path)
    except (OSError, ValueError) as error:
        raise DemoFailed(f"--picture: {error}") from None
    say(f"picture: {path}")


def drift(*, once: bool, host: str, port: int | None, picture: Path, chosen_open: bool) -> int:
    """1 if a stage was missed, a request failed, or it cannot begin."""
    if importlib.util.find_spec("matplotlib") is None:
        print("--drift draws with matplotlib: pip install matplotlib", file=sys.stderr)
        return 1
    logging.getLogger("pointsman").setLevel(logging.ERROR)
    chosen = usual_port(host) if port is None else port
    telling = _drift(once=once, host=host, port=chosen, picture=picture, chosen_open=chosen_open)
    status = 1
    try:
        status = run(telling)
    except* (DemoFailed, Refused) as group:
        for error in _leaves(group):
            print(f"pointsman demo --drift: {error}", file=sys.stderr)
    return status


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for one in group.exceptions:
        yield from _leaves(one) if isinstance(one, BaseExceptionGroup) else (one,)
