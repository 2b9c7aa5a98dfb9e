"""Reviews and the audit trail over HTTP, for people, whose identity `Identity` finds.

GET  /v1/people/reviews?state=&policy=&limit=&after=   the queue          viewer
GET  /v1/people/reviews/ID                             one, with texts    reviewer
POST /v1/people/reviews/ID/claim                       5 minutes          reviewer
POST /v1/people/reviews/ID/release                                        reviewer
POST /v1/people/reviews/ID/decide                      approve, edit, reject
GET  /v1/people/audit?since=&until=&subject=&limit=&after=                viewer
GET  /v1/people/audit/check                            does the chain hold?
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import web

from pointsman.events.reviews import MAX_OPENING_BYTES
from pointsman.ledger.answering import refused, told
from pointsman.ledger.asking import BadQuestion, count_of, number_of, when
from pointsman.ledger.auditing import MOST as MOST_ENTRIES
from pointsman.ledger.intake import now_ms
from pointsman.ledger.people.errors import BadToken, Forbidden
from pointsman.ledger.people.person import Person
from pointsman.ledger.reviewing.desk import Desk
from pointsman.ledger.reviewing.reading import as_json, whole
from pointsman.ledger.reviews import storing
from pointsman.ledger.reviews.review import Decision
from pointsman.ledger.rows import MAX_NAME

PREFIX: Final = "/v1/people/"
_Answer = Callable[[web.Request, Person], Awaitable[web.StreamResponse]]


class Identity(Protocol):
    """Who sends a request."""

    def of(self, request: web.Request) -> Person | None:
        """None: not signed in. Raises Forbidden and BadToken."""


class ForPeople:
    """`add_to` the application's router; errors are `reading.translated`."""

    def __init__(self, desk: Desk, people: Identity) -> None:
        self._desk = desk
        self._people = people

    def add_to(self, router: web.UrlDispatcher) -> None:
        """All of the above."""
        for method, path, answer in (
            ("GET", "reviews", self._listed),
            ("GET", "reviews/{id}", self._shown),
            ("POST", "reviews/{id}/claim", self._claim),
            ("POST", "reviews/{id}/release", self._release),
            ("POST", "reviews/{id}/decide", self._decide),
            ("GET", "audit", self._audited),
            ("GET", "audit/check", self._checked),
        ):
            router.add_route(method, PREFIX + path, self._for(answer))

    def _for(self, answer: _Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                person = self._people.of(request)
            except Forbidden as error:
                return refused(HTTPStatus.FORBIDDEN, str(error))
            except BadToken as error:
                return refused(HTTPStatus.UNAUTHORIZED, str(error))
            if person is None:
                return refused(HTTPStatus.UNAUTHORIZED, "nobody is signed in")
            return await answer(request, person)

        return handler

    async def _listed(self, request: web.Request, person: Person) -> web.StreamResponse:
        state = storing.state_of(request.query.get("state", ""))
        policy = request.query.get("policy", "")
        if state is None or len(policy) > MAX_NAME:
            raise BadQuestion("state is one that a review has, Ended, or left out")
        limit = count_of(request.query, "limit", storing.USUAL, storing.MOST)
        try:
            found = await self._desk.listed(
                person,
                state=state,
                policy=policy,
                limit=limit,
                after=request.query.get("after", ""),
            )
        except ValueError:
            raise BadQuestion("after is what the page before gave") from None
        return told(found)

    async def _shown(self, request: web.Request, person: Person) -> web.StreamResponse:
        return told(await self._desk.shown(person, request.match_info["id"]))

    async def _claim(self, request: web.Request, person: Person) -> web.StreamResponse:
        return told(await self._desk.claim(person, request.match_info["id"]))

    async def _release(self, request: web.Request, person: Person) -> web.StreamResponse:
        return told(await self._desk.release(person, request.match_info["id"]))

    async def _decide(self, request: web.Request, person: Person) -> web.StreamResponse:
        decision = as_json(await whole(request, MAX_OPENING_BYTES), Decision)
        return told(await self._desk.decide(person, request.match_info["id"], decision))

    async def _audited(self, request: web.Request, person: Person) -> web.StreamResponse:
        query, now = request.query, now_ms()
        after = number_of(query.get("after", "0"))
        if after is None:
            raise BadQuestion("after is the seq of the last one")
        found = await self._desk.audited(
            person,
            (
                when(query.get("since", "168h"), now),
                when(query["until"], now) if "until" in query else now + 1,
            ),
            subject=query.get("subject", "")[:MAX_NAME],
            after=after,
            limit=count_of(query, "limit", storing.USUAL, MOST_ENTRIES),
        )
        return told({"entries": found})

    async def _checked(self, _: web.Request, person: Person) -> web.StreamResponse:
        return told(await self._desk.checked(person))
