"""What the leader asks of routers beside their streams: pairs to compare, and a judge's verdicts.

Guarantees that a router which does not answer, or answers something else, costs its time and is
counted; that no text reaches a log or a metric; and bounds of what is read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from pointsman.api.names import HEADER_PIN
from pointsman.api.pairs import MOST_BYTES, Pairs, decode_pairs
from pointsman.api.statuses import label_of
from pointsman.operator import metrics

TAKE_S: Final = 10.0
ASK_S: Final = 60.0
"""A judge reads two answers, and may think."""
MOST_ANSWER_BYTES: Final = 1024 * 1024


class Fleet(Protocol):
    """The routers that run."""

    def doors(self) -> Mapping[str, str]:
        """Base URLs of their admin ports, by the pod's uid."""

    def headers(self) -> dict[str, str]:
        """What lets the leader in."""


class Verdict(NamedTuple):
    """What a judge said, and the tokens that it took, if it tells them."""

    text: str
    input_tokens: int | None
    output_tokens: int | None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer).decode


def read_verdict(body: bytes) -> Verdict | None:
    """Of a chat completion; None for what is none."""
    try:
        answer = _answer(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    message = answer.choices[0].message if answer.choices else None
    usage = answer.usage or _Usage()
    text = message.content if message is not None else None
    return Verdict(text or "", usage.prompt_tokens, usage.completion_tokens)


class Doors:
    """`close` it in the end; a connection is made when something is asked."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def pairs(self, policy: str) -> dict[str, Pairs]:
        """What each router has of a policy's shadow, by the pod's uid; its pairs are taken."""
        doors = self._fleet.doors()
        path = f"/admin/policies/{quote(policy)}/pairs"
        said = await asyncio.gather(*(self._post(base + path, TAKE_S) for base in doors.values()))
        told = {
            uid: decode_pairs(data)
            for uid, data in zip(doors, said, strict=True)
            if data is not None
        }
        return {uid: one for uid, one in told.items() if one is not None}

    async def ask(
        self, backend: str, messages: Sequence[Mapping[str, str]], max_tokens: int
    ) -> Verdict | None:
        """The answer of this backend, by some router; None if there is none."""
        bases = [*self._fleet.doors().values()]
        if not bases:
            return None
        self._turn += 1
        body = {"model": backend, "messages": messages, "max_tokens": max_tokens}
        data = await self._post(
            f"{bases[self._turn % len(bases)]}/v1/chat/completions",
            ASK_S,
            body=msgspec.json.encode(body),
            headers={HEADER_PIN: backend, "content-type": "application/json"},
        )
        return read_verdict(data) if data is not None else None

    async def _post(
        self,
        url: str,
        seconds: float,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> bytes | None:
        """The body of an answer with status 200; None without one."""
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        most = MOST_ANSWER_BYTES if body else MOST_BYTES
        try:
            async with self._session.post(
                url,
                data=body,
                headers={**self._fleet.headers(), **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
            ) as response:
                if response.status != HTTPStatus.OK:
                    if response.status != HTTPStatus.NOT_FOUND:
                        metrics.ROUTER_FAULTS.labels(f"Http{label_of(response.status)}").inc()
                    return None
                found = bytearray()
                async for piece in response.content.iter_chunked(65_536):
                    found += piece
                    if len(found) > most:
                        metrics.ROUTER_FAULTS.labels("TooLarge").inc()
                        return None
                return bytes(found)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.ROUTER_FAULTS.labels(type(error).__name__).inc()
            return None
