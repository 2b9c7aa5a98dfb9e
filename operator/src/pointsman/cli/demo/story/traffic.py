"""Callers of the story: questions about code at a steady rate, and what came back."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from pointsman.api.v1alpha1 import Cost
from pointsman.cli.demo.story.stages import MODEL

PER_SECOND: Final = 40
MAX_OPEN: Final = 128
DEADLINE_S: Final = 30.0
_ASKED: Final = (
    "Write a Python function that sorts the rows of table {} by their last column.",
    "Mend this Python line so that it does not raise IndexError: print(rows[{}])",
    "Write a SQL query for the {} oldest orders of each customer.",
    "Write a Python function that counts the lines of {} log files.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One request; `error` says why there is no answer. `cost` is in the currency of the prices."""

    at_s: float
    backend: str = ""
    right: bool = False
    cost: float = 0.0
    error: str = ""


class _Simulated(msgspec.Struct):
    correct: bool = False


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)
    simulator: _Simulated = msgspec.field(default_factory=_Simulated)


class Traffic:
    """`now_s` is the story's clock."""

    def __init__(self, url: str, prices: Mapping[str, Cost], now_s: Callable[[], float]) -> None:
        self._url = f"{url}/chat/completions"
        self._prices = prices
        self._now_s = now_s
        self.answers: list[Answer] = []

    async def run(self) -> None:
        """Until it is cancelled: requests leave on time, whether or not others were answered."""
        gate = asyncio.Semaphore(MAX_OPEN)
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        connector = aiohttp.TCPConnector(limit=MAX_OPEN)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            next_s = time.monotonic()
            for number in itertools.count():
                await gate.acquire()
                asking = group.create_task(self._one(session, number))
                asking.add_done_callback(lambda _: gate.release())
                next_s = max(next_s + 1 / PER_SECOND, time.monotonic() - 1.0)
                await asyncio.sleep(max(0.0, next_s - time.monotonic()))

    def shares(self, since_s: float) -> dict[str, float]:
        """By backend, the part of the answers since then."""
        counts = Counter(
            one.backend for one in self.answers if one.at_s >= since_s and not one.error
        )
        whole = counts.total()
        return {name: count / whole for name, count in counts.items()}

    def failures(self) -> list[Answer]:
        """Requests without an answer."""
        return [one for one in self.answers if one.error]

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": _ASKED[number % 4].format(number)}],
            "max_tokens": 64,
            # For the simulated model alone: no rule of the policy sees it.
            "metadata": {"pointsman-simulator-task": "Coding"},
        }
        at_s = self._now_s()
        try:
            async with session.post(self._url, json=body) as reply:
                data, headers = await reply.read(), reply.headers
            if reply.status != 200:
                self.answers.append(Answer(at_s, error=f"{reply.status}: {data[:200]!r}"))
                return
            found = msgspec.json.decode(data, type=_Completion)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            self.answers.append(Answer(at_s, error=f"{type(error).__name__}: {error}"))
            return
        backend = headers.get("x-pointsman-backend", "")
        cost = _cost(self._prices.get(backend), found.usage)
        self.answers.append(Answer(at_s, backend, found.simulator.correct, cost))


def _cost(price: Cost | None, usage: _Usage) -> float:
    if price is None:
        return 0.0
    per_million: list[Any] = [price.input_per_million or 0, price.output_per_million or 0]
    counts = (usage.prompt_tokens, usage.completion_tokens)
    return sum(float(p) * count for p, count in zip(per_million, counts, strict=True)) / 1e6
