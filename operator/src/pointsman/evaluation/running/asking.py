"""
One chat completion over HTTP, and what became of it.

Guarantees one deadline for each call, its retries among it, a bound on what is read, and that
whatever a server answers becomes a value; only `Denied` is raised, for what every further call
would meet as well.
"""

import asyncio
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any, Final

import aiohttp
import msgspec

from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Usage

MAX_BODY: Final = 4 * 1024 * 1024
RETRIES: Final = 2
"""More tries after 429, 503 or no connection, if the deadline leaves room for them."""
_PAUSE_S: Final = 0.5
BACKEND_HEADER: Final = "x-pointsman-backend"


class Denied(Exception):
    """401, 403, 404, no URL: a key, a name or an address is wrong, and asking on is no help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where chat completions are; `url` is an SDK's base URL, such as https://host/v1."""

    url: str
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    """More, such as the backend that a router shall ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came; `missing` says why there is no answer. `usage` None: not stated."""

    missing: Missing | None = None
    why: str = ""
    again: bool = False
    text: str = ""
    declined: bool = False
    finish: str = ""
    latency_s: float = 0.0
    usage: Usage | None = None
    backend: str = ""
    model: str = ""
    fingerprint: str = ""


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    finish_reason: str | None = None


_Tokens = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class _Cached(msgspec.Struct):
    cached_tokens: _Tokens | None = None


class _Reasoning(msgspec.Struct):
    reasoning_tokens: _Tokens | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0
    total_tokens: _Tokens | None = None
    prompt_tokens_details: _Cached | None = None
    completion_tokens_details: _Reasoning | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    model: str | None = None
    system_fingerprint: str | None = None


_decoder: Final = msgspec.json.Decoder(_Completion)


class _Error(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error | str = ""


def read_completion(body: bytes) -> Reply:
    """The answer that a body of status 200 holds, or why it holds none."""
    try:
        found = _decoded(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Reply(missing=Missing.UNREADABLE, why=f"no chat completion: {str(error)[:200]}")
    return replace(
        _read(found),
        usage=_usage(found.usage),
        model=_clean(found.model or "")[:200],
        fingerprint=_clean(found.system_fingerprint or "")[:200],
    )


def _decoded(body: bytes) -> _Completion:
    """msgspec refuses half a surrogate pair, which models do write and every SDK takes."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        if value is None:
            raise
        return msgspec.convert(value, _Completion)


def _read(found: _Completion) -> Reply:
    if not found.choices:
        return Reply(missing=Missing.UNREADABLE, why="no choice in it")
    choice = found.choices[0]
    content = choice.message.content
    text = content if isinstance(content, str) else "".join(p.text for p in content or ())
    finish = (choice.finish_reason or "")[:40]
    declined = bool(choice.message.refusal) or finish == "content_filter"
    text = _clean(text or choice.message.refusal or "")
    if not text.strip() and not declined:
        why = "no text in it" + (f" (finish_reason {finish})" if finish else "")
        return Reply(missing=Missing.UNREADABLE, why=why, finish=finish)
    return Reply(text=text, declined=declined, finish=finish)


def _usage(stated: _Usage | None) -> Usage | None:
    if stated is None:
        return None
    cached, thought = stated.prompt_tokens_details, stated.completion_tokens_details
    return Usage(
        input=stated.prompt_tokens,
        # What some models thought is in the sum alone (docs/providers.md).
        output=max(stated.completion_tokens, (stated.total_tokens or 0) - stated.prompt_tokens),
        cached=(cached.cached_tokens or 0) if cached else 0,
        reasoning=(thought.reasoning_tokens or 0) if thought else 0,
    )


def _clean(text: str) -> str:
    """Half of a surrogate pair, which JSON can escape and UTF-8 cannot hold, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def refusal(status: int, body: bytes) -> Reply:
    """What a status that is not 200 means."""
    why = f"{status}: {_said(body)}".removesuffix(": ")
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}:
        return Reply(missing=Missing.TIMED_OUT, why=why)
    busy = status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    if busy or 400 <= status < 500:
        return Reply(missing=Missing.REFUSED, why=why, again=busy)
    return Reply(missing=Missing.ERROR, why=why, again=True)


def _said(body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return _clean(error if isinstance(error, str) else error.message)[:300]


class Asker:
    """Asks; `async with` it. `limit` connections at most."""

    def __init__(self, *, limit: int, deadline_s: float) -> None:
        self._limit = limit
        self._deadline_s = deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Asker":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit),
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Reply:
        """The reply, within the deadline. Raises Denied."""
        end_s = time.monotonic() + self._deadline_s
        for tried in range(RETRIES + 1):
            reply, pause_s = await self._once(endpoint, body, end_s - time.monotonic())
            wait_s = max(pause_s, _PAUSE_S * 2**tried)
            if not reply.again or tried == RETRIES or time.monotonic() + wait_s >= end_s:
                break
            await asyncio.sleep(wait_s)
        return reply

    async def _once(
        self, endpoint: Endpoint, body: Mapping[str, Any], left_s: float
    ) -> tuple[Reply, float]:
        """A reply, and how long the server asks to wait."""
        assert self._session is not None, "enter first"
        url = endpoint.url.rstrip("/") + "/chat/completions"
        headers = {"content-type": "application/json", **endpoint.headers}
        if endpoint.key:
            headers["authorization"] = f"Bearer {endpoint.key}"
        question = msgspec.json.encode(body)
        begun_s = time.monotonic()
        try:
            async with (
                asyncio.timeout(left_s),
                self._session.post(
                    url, data=question, headers=headers, allow_redirects=False
                ) as answer,
            ):
                data = await _bounded(answer.content)
        except TimeoutError:
            why = f"no whole answer within {self._deadline_s:g} s"
            return Reply(missing=Missing.TIMED_OUT, why=why), 0.0
        except (aiohttp.InvalidURL, UnicodeError):  # the latter of a host that is no name
            raise Denied(f"{url[:300]} is no address") from None
        except (aiohttp.ClientError, OSError) as error:
            return Reply(missing=Missing.ERROR, why=f"{url}: {error}"[:300], again=True), 0.0
        latency_s = time.monotonic() - begun_s
        if data is None:
            why = f"longer than {MAX_BODY:,} bytes"
            return Reply(missing=Missing.UNREADABLE, why=why, latency_s=latency_s), 0.0
        if answer.status in {401, 403, 404}:
            raise Denied(f"{url} says {answer.status}: {_said(data) or 'nothing more'}")
        read = read_completion(data) if answer.status == 200 else refusal(answer.status, data)
        backend = answer.headers.get(BACKEND_HEADER, "")[:253]
        read = replace(read, latency_s=latency_s, backend=backend)
        return read, _pause(answer.headers)


def _pause(headers: Mapping[str, str]) -> float:
    """Of Retry-After in seconds; a date is not read. For ever if the server says so."""
    if headers.get("x-should-retry", "").lower() == "false":
        return math.inf
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


async def _bounded(stream: aiohttp.StreamReader) -> bytes | None:
    """The body; None if it is longer than MAX_BODY."""
    parts, size = [], 0
    async for part in stream.iter_chunked(65536):
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
