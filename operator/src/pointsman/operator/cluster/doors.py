"""What the leader asks of routers beside their streams: pairs to compare, and a judge's verdicts.

Guarantees that a router which does not answer, or answers something else, costs its time and is
counted; that no text reaches a log or a metric; and bounds of what is read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
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


UNANSWERED: Final = Verdict("", None, None)
"""A judge may have been asked: nobody knows what it took."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer).decode


def asked_nobody(status: int) -> bool:
    """Whether a router that says so has refused: no backend was asked, or none took it."""
    return 300 <= status < 499 or status == HTTPStatus.SERVICE_UNAVAILABLE


def read_verdict(body: bytes) -> Verdict:
    """Of a chat completion; UNANSWERED for what is none."""
    try:
        answer = _answer(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return UNANSWERED
    message = answer.choices[0].message if answer.choices else None
    usage = answer.usage or _Usage()
    text = message.content if message is not None else None
    told = usage.completion_tokens
    if told is not None:  # what some models thought is in the sum alone (docs/providers.md)
        told = max(told, (usage.total_tokens or 0) - (usage.prompt_tokens or 0))
    return Verdict(text or "", usage.prompt_tokens, told)


class _Nothing(Enum):
    """What a router that has no answer did not do."""

    ASKED = 1
    ANSWERED = 2


class Doors:
    """`close` it in the end; a connection is made when something is asked."""

    def __init__(self, fleet: Fleet, *, ask_s: float = ASK_S) -> None:
        self._fleet = fleet
        self._ask_s = ask_s
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0

    async def close(self) -> None:
        """Drop all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def pairs(self, policy: str) -> dict[str, Pairs | None]:
        """
        What each router has of a policy's shadow, by the pod's uid; its pairs are taken.

        None: it runs, and has none, or did not answer.
        """
        doors = self._fleet.doors()
        path = f"/admin/policies/{quote(policy)}/pairs"
        said = await asyncio.gather(*(self._post(base + path, TAKE_S) for base in doors.values()))
        return {
            uid: decode_pairs(data) if isinstance(data, bytes) else None
            for uid, data in zip(doors, said, strict=True)
        }

    async def ask(
        self, backend: str, messages: Sequence[Mapping[str, str]], max_tokens: int
    ) -> Verdict | None:
        """The answer of this backend, by some router; None if nobody was asked."""
        bases = [*self._fleet.doors().values()]
        if not bases:
            return None
        self._turn += 1
        body = {"model": backend, "messages": messages, "max_tokens": max_tokens}
        data = await self._post(
            f"{bases[self._turn % len(bases)]}/v1/chat/completions",
            self._ask_s,
            body=msgspec.json.encode(body),
            headers={HEADER_PIN: backend, "content-type": "application/json"},
        )
        if isinstance(data, bytes):
            return read_verdict(data)
        return None if data is _Nothing.ASKED else UNANSWERED

    async def _post(
        self,
        url: str,
        seconds: float,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> "bytes | _Nothing":
        """The body of an answer with status 200."""
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
                    refused = asked_nobody(response.status)
                    return _Nothing.ASKED if refused else _Nothing.ANSWERED
                found = bytearray()
                async for piece in response.content.iter_chunked(65_536):
                    found += piece
                    if len(found) > most:
                        metrics.ROUTER_FAULTS.labels("TooLarge").inc()
                        return _Nothing.ANSWERED
                return bytes(found)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.ROUTER_FAULTS.labels(type(error).__name__).inc()
            away = isinstance(error, aiohttp.ClientConnectorError)
            return _Nothing.ASKED if away else _Nothing.ANSWERED
