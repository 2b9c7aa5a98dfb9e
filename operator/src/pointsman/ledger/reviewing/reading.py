"""Bodies of reviews, and how what goes wrong is told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from pointsman.ledger.answering import body_of, refused, told
from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.contract import BadData, StoreError
from pointsman.ledger.intake import TooLarge
from pointsman.ledger.reviews.errors import ReviewError

_log = logging.getLogger(__name__)
_BODY_S: Final = 30.0
_FULL_S: Final = 5
_T = TypeVar("_T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def whole(request: web.Request, bound: int) -> bytes:
    """Raises TooLarge, TimeoutError."""
    async with asyncio.timeout(_BODY_S):
        return await body_of(request, bound)


def as_json(body: bytes, kind: type[_T]) -> _T:
    """Raises BadQuestion."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadQuestion(str(error)) from None


async def translated(  # noqa: PLR0911 - a table
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """What the handler answers, or what it raised, as an answer."""
    try:
        return await handler(request)
    except ReviewError as error:
        return _told(error)
    except BadQuestion as error:
        return refused(HTTPStatus.BAD_REQUEST, str(error))
    except BadData:
        return refused(HTTPStatus.BAD_REQUEST, "the store cannot keep one of its texts")
    except TooLarge:
        return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
    except TimeoutError:
        return refused(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time")
    except StoreError as error:
        _log.warning("store-away", extra={"reason": str(error)})
        return refused(HTTPStatus.SERVICE_UNAVAILABLE, "the store cannot be used now")


def _told(error: ReviewError) -> web.Response:
    """Its text for people, its code and what it knows for programs."""
    known = {"state": str, "by": str, "until_ms": int, "where": str}
    facts = {name: getattr(error, name) for name in known if getattr(error, name, None)}
    status = HTTPStatus(error.status)
    answer = told({"reason": str(error), "code": error.code, **facts}, status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        answer.headers["Retry-After"] = str(_FULL_S)
    return answer
