"""Asks the ledger about reviews, beside the requests.

Guarantees a deadline on every question, that a question whose asker left is taken back, and that an
answer which is none of the ledger's counts as if it were away. Loads aiohttp with the first one: a
question may be taken back when more wait, which a thread's cannot.
"""

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import msgspec

from pointsman.events.reviews import (
    MAX_OPENING_BYTES,
    Answering,
    Decided,
    Ended,
    Ending,
    Opened,
    Opening,
    Taken,
    Taking,
    Waiting,
)
from pointsman.events.ship import Target
from pointsman.router.serve.review.ledger import Away, Barred, Full

if TYPE_CHECKING:
    import aiohttp

_ASK_S: Final = 5.0
_LATE_S: Final = 10.0
"""After the wait that was asked for."""
_MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Of `decided`: 8 MiB of texts, whose quotes and backslashes are written twice."""
_FULL_S: Final = 5.0
"""Until somebody may have decided."""
_CONNECTIONS: Final = 32
"""At once: a burst of requests waits here, not at the ledger."""
_PATH: Final = "/v1/reviews"
T = TypeVar("T", bound=msgspec.Struct)
_encode = msgspec.json.Encoder().encode


class LedgerReviews:
    """Of one router. Connects with the first question."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    async def find(self, caller: str, policy: str, request_hash: str) -> Opened | None:
        """The review that the same request attaches to."""
        query = {"caller": caller, "policy": policy, "request_hash": request_hash}
        status, body = await self._ask("GET", "", query=query)
        return None if status == 404 else _read(status, body, Opened)

    async def open(self, opening: Opening) -> Opened:
        """The new one, or the one that was there. Raises Full."""
        data = _encode(opening)
        if len(data) > MAX_OPENING_BYTES:  # text of quotes alone
            raise Away("its texts are too large for the ledger")
        status, body = await self._ask("POST", "", data)
        if status == 429:
            raise Full(_FULL_S)
        return _read(200 if status == 201 else status, body, Opened)

    async def decided(self, ids: tuple[str, ...], wait_s: float) -> Ended:
        """Those that have ended, as soon as one has."""
        data = _encode(Waiting(ids=ids, wait_s=wait_s))
        status, body = await self._ask("POST", "/decided", data, for_s=wait_s + _LATE_S)
        return _read(status, body, Ended)

    async def end(self, review: str) -> Decided | None:
        """Its deadline has passed: how it really is; None if nobody knows it."""
        data = _encode(Ending(state="TimedOut"))
        status, body = await self._ask("POST", f"/{_quoted(review)}/end", data)
        return None if status == 404 else _read(status, body, Decided)

    async def read(self, review: str, caller: str) -> Decided | None:
        """As its caller may see it; None if it is not this caller's."""
        status, body = await self._ask("GET", f"/{_quoted(review)}", query={"caller": caller})
        return None if status in (400, 404) else _read(status, body, Decided)

    async def take(self, review: str, holder: str) -> Taken | None:
        """The request, for its holder alone; None while another has it. Raises Barred."""
        data = _encode(Taking(holder=holder))
        status, body = await self._ask("POST", f"/{_quoted(review)}/take", data)
        if status == 404 or (status == 409 and _of(body, "code") != "Taken"):
            raise Barred
        return None if status == 409 else _read(status, body, Taken)

    async def answer(self, review: str, answering: Answering) -> None:
        """Keep what came of it; the first one stays."""
        status, body = await self._ask("POST", f"/{_quoted(review)}/answer", _encode(answering))
        if status not in (200, 404, 409):
            raise Away(f"HTTP {status}: {_text(body)}")

    async def delivered(self, review: str) -> None:
        """Its caller has the answer."""
        status, body = await self._ask("POST", f"/{_quoted(review)}/delivered", b"{}")
        if status not in (200, 204, 404, 409):
            raise Away(f"HTTP {status}: {_text(body)}")

    async def close(self) -> None:
        """Nothing is asked any more."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _ask(
        self,
        method: str,
        below: str,
        data: bytes | None = None,
        *,
        query: dict[str, str] | None = None,
        for_s: float = _ASK_S,
    ) -> tuple[int, bytes]:
        """(status, body). Raises Away."""
        import aiohttp  # noqa: PLC0415 - 15 MiB that few routers need

        try:
            session = self._session or self._connect()
            headers = self._target.headers() | {"content-type": "application/json"}
            url = self._target.url.rstrip("/") + _PATH + below
            async with (
                asyncio.timeout(for_s),
                session.request(
                    method, url, params=query, data=data, headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(-1)
                if len(body) > _MAX_ANSWER_BYTES:
                    raise Away("its answer is too large")
                return answer.status, body
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Away(str(error) or type(error).__name__) from error

    def _connect(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415 - as above

        tls: ssl.SSLContext | bool = True
        if self._target.ca_file is not None:
            tls = ssl.create_default_context(cafile=self._target.ca_file)
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=tls, keepalive_timeout=15.0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None), trust_env=False
        )
        return self._session


def _read(status: int, body: bytes, kind: type[T]) -> T:
    if status != 200:
        raise Away(f"HTTP {status}: {_text(body)}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Away(f"not what it should say: {error}") from None


def _quoted(review: str) -> str:
    """One step of a path, whatever a caller wrote."""
    return quote(review, safe="")


def _text(body: bytes) -> str:
    return _of(body, "reason")[:200] or body[:200].decode("utf-8", "replace")


def _of(body: bytes, name: str) -> str:
    """What a refusal says; empty if it does not."""
    try:
        return str(json.loads(body)[name])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
