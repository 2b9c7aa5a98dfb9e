"""Model servers with slots and prefix caches behind routers that do not know of each other.

Virtual time. A server reads prompts one after another, skips what its cache holds of the
conversation, and writes answers side by side, slower the more there are; what finds no slot waits
in its line. Caches forget the conversation that was used longest ago.
"""

import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tests.sim.balancing.traffic import Request


@dataclass(frozen=True, slots=True)
class Engine:
    """About an 8B model on one GPU of 24 GB, as vLLM serves it."""

    slots: int = 32
    prefill_tokens_s: float = 8_000.0
    token_s: float = 0.020
    """Of one answer alone; twice as much when all slots are taken."""
    cache_tokens: int = 60_000


class Choosing(Protocol):
    """A way to choose; each router has one of its own."""

    def pick(self, request: Request, outstanding: Sequence[int]) -> int:
        """Index of who takes it; `outstanding` is what this router has there."""


@dataclass(slots=True)
class _Running:
    request: Request
    router: int
    first_s: float = 0.0


@dataclass(slots=True)
class _Server:
    engine: Engine
    running: int = 0
    reads_until_s: float = 0.0
    line: deque[_Running] = field(default_factory=deque)
    cache: OrderedDict[int, int] = field(default_factory=OrderedDict)
    cached: int = 0

    def begin(self, job: _Running, now_s: float) -> tuple[float, int]:
        """When it ends, and how many tokens of its prompt were not read again."""
        engine, request = self.engine, job.request
        self.running += 1
        known = min(self.cache.get(request.conversation, 0), request.shared_tokens)
        self.reads_until_s = max(self.reads_until_s, now_s) + (
            (request.context_tokens - known) / engine.prefill_tokens_s
        )
        job.first_s = self.reads_until_s
        token_s = engine.token_s * (1 + self.running / engine.slots)
        return self.reads_until_s + request.generated_tokens * token_s, known

    def end(self, job: _Running) -> None:
        """Keep what it has read and written."""
        self.running -= 1
        request = job.request
        tokens = request.context_tokens + request.generated_tokens
        self.cached += tokens - self.cache.pop(request.conversation, 0)
        self.cache[request.conversation] = tokens
        while self.cached > self.engine.cache_tokens:
            self.cached -= self.cache.popitem(last=False)[1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of each request, and what the caches saved."""

    first_s: list[float]
    """From the arrival to the first token."""
    total_s: list[float]
    hit_share: float
    """Of the tokens that some cache could have held."""


ROUTERS: Final = 2


def play(
    requests: Sequence[Request], ways: Sequence[Choosing], servers: int, engine: Engine, seed: int
) -> Outcome:
    """Each request comes to one of the routers, by dice, and goes where that one's way says."""
    dice = random.Random(seed)
    fleet = [_Server(engine) for _ in range(servers)]
    outstanding = [[0] * servers for _ in ways]
    ends: list[tuple[float, int, int, _Running]] = []
    first: list[float] = []
    total: list[float] = []
    known = number = 0

    def begin(job: _Running, at: int, now_s: float) -> None:
        nonlocal known, number
        end_s, saved = fleet[at].begin(job, now_s)
        known += saved
        number += 1
        heapq.heappush(ends, (end_s, number, at, job))

    def until(now_s: float) -> None:
        while ends and ends[0][0] <= now_s:
            end_s, _, at, job = heapq.heappop(ends)
            fleet[at].end(job)
            outstanding[job.router][at] -= 1
            first.append(job.first_s - job.request.at_s)
            total.append(end_s - job.request.at_s)
            if fleet[at].line:
                begin(fleet[at].line.popleft(), at, end_s)

    for request in requests:
        until(request.at_s)
        router = dice.randrange(len(ways))
        at = ways[router].pick(request, outstanding[router])
        outstanding[router][at] += 1
        job = _Running(request, router)
        if fleet[at].running < engine.slots:
            begin(job, at, request.at_s)
        else:
            fleet[at].line.append(job)
    until(float("inf"))
    possible = sum(each.shared_tokens for each in requests)
    return Outcome(first, total, known / possible if possible else 0.0)
