"""Steady traffic over real sockets, every answer checked; ends by itself with its block.

Clients are closed loops with a pause, spread over all routers, with keep-alive. A failure is
anything but a complete 200: it is kept with its cause.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver

from tests.e2e.fleet import CALLER_KEY

SHORT = 4
"""Tokens of a usual answer."""
PROMPTS = (
    "How do I change my billing address?",
    "Fix this bug:\n```python\ndef f(x):\n    return x +\n```\nIt raises SyntaxError.",
    "Wie kann ich mein Passwort ändern, ohne die Daten meines Teams zu verlieren?",
)

_KEY: Mapping[str, str] = {"authorization": f"Bearer {CALLER_KEY}"}


@dataclass(slots=True)
class Seen:
    """What the clients saw so far."""

    answered: Counter[str] = field(default_factory=Counter)
    """By backend."""
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def total(self) -> int:
        """All requests that ended."""
        return sum(self.answered.values()) + len(self.failures)


class Sessions(Mapping[str, str]):
    """Headers of callers who begin a conversation with each request."""

    def __init__(self) -> None:
        self._ids = itertools.count()

    def __getitem__(self, key: str) -> str:
        return f"session-{next(self._ids)}"

    def __iter__(self) -> Iterator[str]:
        yield "x-session-id"

    def __len__(self) -> int:
        return 1


async def _client(
    number: int, urls: Sequence[str], seen: Seen, stop: asyncio.Event, *, pause_s: float,
    model: str, headers: Mapping[str, str], tokens: int, resolver: AbstractResolver | None,
    after_s: float,
) -> None:  # fmt: skip
    await asyncio.sleep(after_s)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(total=60),
    ) as session:
        for turn in itertools.count(number):
            if stop.is_set():
                return
            body = {
                "model": model,
                "messages": [{"role": "user", "content": PROMPTS[turn % len(PROMPTS)]}],
                "max_tokens": tokens,
                "stream": turn % 2 == 0 or tokens > SHORT,
            }
            url = urls[turn % len(urls)]
            began = time.monotonic()
            try:
                async with session.post(
                    f"{url}/chat/completions", json=body, headers={**_KEY, **headers}
                ) as answer:
                    text = await answer.text()
                    whole = "[DONE]" in text if body["stream"] else '"finish_reason"' in text
                    if answer.status == 200 and whole:
                        seen.answered[answer.headers["x-pointsman-backend"]] += 1
                    else:
                        seen.failures.append(f"{url}: {answer.status} {text[:300]}")
            except (aiohttp.ClientError, TimeoutError) as error:
                seen.failures.append(f"{url}: {error!r}")
            seen.slowest_s = max(seen.slowest_s, time.monotonic() - began)
            await asyncio.sleep(pause_s)


@asynccontextmanager
async def traffic(
    urls: Sequence[str],
    *,
    clients: int = 12,
    pause_s: float = 0.1,
    model: str = "auto",
    headers: Mapping[str, str] | None = None,
    tokens: int = SHORT,
    resolver: AbstractResolver | None = None,
    apart_s: float = 0.0,
) -> AsyncIterator[Seen]:
    """
    Send for as long as the block lasts; on leaving it every open request is awaited.

    Answers of more than a few `tokens` are all streamed; a `resolver` says where connections go.
    `headers` may be changed meanwhile; without an `authorization` the fleet's own caller asks.
    Clients begin `apart_s` one after the other: those that begin together end together, and who
    looks just then sees few of them.
    """
    seen, stop = Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(
                _client(
                    number,
                    urls,
                    seen,
                    stop,
                    pause_s=pause_s,
                    model=model,
                    headers=headers or {},
                    tokens=tokens,
                    resolver=resolver,
                    after_s=number * apart_s,
                )
            )
        try:
            yield seen
        finally:
            stop.set()


async def until(seen: Seen, more: int, *, deadline_s: float = 60) -> None:
    """Wait until `more` further requests have ended; raises TimeoutError."""
    goal = seen.total + more
    async with asyncio.timeout(deadline_s):
        while seen.total < goal:  # noqa: ASYNC110 - polling with a deadline is the point
            await asyncio.sleep(0.02)
