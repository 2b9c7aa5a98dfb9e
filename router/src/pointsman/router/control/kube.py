"""A small Kubernetes client: GET, POST and one watch stream, each with a deadline.

Guarantees that every failure is an ApiError (the server said no) or Unreachable (it said nothing
usable), and that neither ever quotes what a successful answer held. NotFound is never said by a
balancer's page. Refuses redirects and lines over 8 MiB.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from pointsman.api.kube_status import Status
from pointsman.router.control.http_client import Answer, Broken, HttpClient
from pointsman.router.control.kube_config import ApiServer, ConfigError

_T = TypeVar("_T")
MAX_LINE_BYTES = 8 * 1024 * 1024
"""An object has at most 1.5 MB in etcd; escaped and with managedFields far less than this."""
_MAX_STATUS_BYTES = 64 * 1024
REQUEST_S = 20.0
"""For a whole request that is no watch; kube-apiserver itself gives up after 60 s."""
CONNECT_S = 5.0
"""With the TLS handshake."""


class ApiError(Exception):
    """The API server refused: `status` is HTTP's, the text is its Status message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class NotFound(ApiError):
    """
    There is no such object: a Status with reason NotFound names it and its kind.

    Any other 404 may come from whatever is before the API server, and says nothing of the object.
    """


class Unreachable(Exception):
    """No usable answer; whether a write was done is unknown."""


def _denies(status: Status, path: str) -> bool:
    """True if it says that the object at this path does not exist."""
    *_, plural, name = path.split("/")
    return status.denies(plural, unquote(name))


class KubeClient:
    """One connection pool to one API server; an async context manager."""

    def __init__(self, server: ApiServer, *, request_s: float = REQUEST_S) -> None:
        self._server = server
        self._request_s = request_s
        self._http = HttpClient(server.url, server.tls, connect_s=CONNECT_S, trust=server.trust)

    async def __aenter__(self) -> "KubeClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        """Body of a 200; ApiError or Unreachable otherwise."""
        return await self._whole("GET", path, params, None)

    async def post(self, path: str, body: bytes) -> bytes:
        """Body of a 2xx; ApiError or Unreachable otherwise."""
        return await self._whole("POST", path, None, body)

    async def watch(
        self, path: str, params: Mapping[str, str], *, watch_s: float, inactivity_s: float
    ) -> AsyncGenerator[list[bytes], None]:
        """Lines as they come, those of one packet together; ends after `watch_s` or earlier."""
        query = dict(params) | {"watch": "1", "timeoutSeconds": str(math.ceil(watch_s))}
        ends_at = asyncio.get_running_loop().time() + watch_s
        async with self._open("GET", path, query, None) as answer:
            rest = b""
            while (left_s := ends_at - asyncio.get_running_loop().time()) > 0:
                try:
                    async with asyncio.timeout(min(inactivity_s, left_s)):
                        chunk = await answer.some()
                except TimeoutError as error:
                    if left_s <= inactivity_s:
                        return
                    raise Unreachable("silence") from error
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > MAX_LINE_BYTES:
                    raise Unreachable("a line of the watch is too long")
                if lines:
                    yield lines

    async def _whole(
        self, method: str, path: str, params: Mapping[str, str] | None, body: bytes | None
    ) -> bytes:
        try:
            async with (
                asyncio.timeout(self._request_s),
                self._open(method, path, params, body) as answer,
            ):
                return await answer.all()
        except TimeoutError as error:
            raise Unreachable("no answer in time") from error

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
    ) -> AsyncIterator[Answer]:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._request_s):
                    answer = await stack.enter_async_context(
                        self._http.request(
                            method, path, query=params, headers=self._headers(), body=body
                        )
                    )
                if answer.status >= 300:
                    raise await _refusal(answer, path)
                yield answer
        except TimeoutError as error:
            raise Unreachable("no answer in time") from error
        except Broken as error:
            raise Unreachable(str(error)) from error
        except (OSError, ConfigError) as error:
            raise Unreachable(type(error).__name__) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token := self._server.bearer():
            headers["Authorization"] = f"Bearer {token}"
        return headers


async def _refusal(answer: Answer, path: str) -> ApiError:
    text = b""
    async with asyncio.timeout(CONNECT_S):
        while len(text) < _MAX_STATUS_BYTES and (more := await answer.some()):
            text += more
    try:
        status = msgspec.json.decode(text, type=Status)
    except (msgspec.DecodeError, RecursionError):
        status = Status()
    kind = NotFound if answer.status == HTTPStatus.NOT_FOUND and _denies(status, path) else ApiError
    return kind(answer.status, status.message or status.reason)


def decode(body: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    """`kind` from JSON; Unreachable if the answer is something else, without quoting it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreachable("the answer is not what Kubernetes sends") from error
