"""Reviews over HTTP, for routers, who show the ledger's token.

POST /v1/reviews                a held request    -> 201 new, 200 the one that is there; 429
POST /v1/reviews/decided        ids and a wait    -> those that have ended
GET  /v1/reviews/ID?caller=                       -> how it is; 404 for another caller's
POST /v1/reviews/ID/take        holder            -> the approved request; 409
POST /v1/reviews/ID/answer      what it was answered -> the answer that counts
POST /v1/reviews/ID/end         TimedOut, Withdrawn  -> how it really ended
POST /v1/reviews/ID/delivered                     -> its caller has it
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from pointsman.events.reviews import (
    MAX_OPENING_BYTES,
    Answering,
    Ending,
    Taking,
    Waiting,
)
from pointsman.ledger.answering import refused, told
from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.reviewing.desk import Desk
from pointsman.ledger.reviewing.reading import as_json, whole
from pointsman.ledger.reviews.opening import BadOpening, read
from pointsman.ledger.rows import MAX_NAME

_SMALL: Final = 256 * 1024


class ForRouters:
    """`add_to` the application's router; errors are `reading.translated`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, router: web.UrlDispatcher) -> None:
        """All of the above."""
        router.add_post("/v1/reviews", self._open)
        router.add_get("/v1/reviews", self._attached)
        router.add_post("/v1/reviews/decided", self._decided)
        router.add_get("/v1/reviews/{id}", self._one)
        router.add_post("/v1/reviews/{id}/take", self._take)
        router.add_post("/v1/reviews/{id}/answer", self._answer)
        router.add_post("/v1/reviews/{id}/end", self._end)
        router.add_post("/v1/reviews/{id}/delivered", self._delivered)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = read(await whole(request, MAX_OPENING_BYTES))
        except BadOpening as error:
            return refused(HTTPStatus.BAD_REQUEST, f"no opening of a review: {error}")
        opened, new = await self._desk.open(asked)
        return told(opened, HTTPStatus.CREATED if new else HTTPStatus.OK)

    async def _attached(self, request: web.Request) -> web.StreamResponse:
        asked = [request.query.get(name, "") for name in ("caller", "policy", "request_hash")]
        if max(map(len, asked)) > MAX_NAME:
            raise BadQuestion(f"names have at most {MAX_NAME} characters")
        return told(await self._desk.attached(*asked))

    async def _decided(self, request: web.Request) -> web.StreamResponse:
        asked = as_json(await whole(request, _SMALL), Waiting)
        return told(await self._desk.ended(asked, lambda: _has_left(request)))

    async def _one(self, request: web.Request) -> web.StreamResponse:
        caller = request.query.get("caller", "")
        return told(await self._desk.told(request.match_info["id"], caller))

    async def _take(self, request: web.Request) -> web.StreamResponse:
        asked = as_json(await whole(request, _SMALL), Taking)
        return told(await self._desk.take(request.match_info["id"], asked.holder))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = as_json(await whole(request, MAX_OPENING_BYTES), Answering)
        return told(await self._desk.answer(request.match_info["id"], asked))

    async def _end(self, request: web.Request) -> web.StreamResponse:
        asked = as_json(await whole(request, _SMALL), Ending)
        return told(await self._desk.end(request.match_info["id"], asked.state))

    async def _delivered(self, request: web.Request) -> web.StreamResponse:
        await self._desk.delivered(request.match_info["id"])
        return told({"delivered": True})


def _has_left(request: web.Request) -> bool:
    """Nobody reads the answer."""
    return request.transport is None or request.transport.is_closing()
