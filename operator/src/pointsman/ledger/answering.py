"""How the ledger reads a body and writes an answer."""

from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from pointsman.ledger.asking import number_of
from pointsman.ledger.intake import TooLarge

RETRY_AFTER_S: Final = 1


async def body_of(request: web.Request, bound: int) -> bytes:
    """Raises TooLarge before more than the bound is held."""
    if (number_of(request.headers.get("Content-Length", "")) or 0) > bound:
        raise TooLarge
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > bound:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def told(body: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """As JSON."""
    return web.Response(
        body=msgspec.json.encode(body) + b"\n", status=status, content_type="application/json"
    )


def refused(status: HTTPStatus, reason: str) -> web.Response:
    """With what else such an answer needs."""
    answer = told({"reason": reason}, status)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer
