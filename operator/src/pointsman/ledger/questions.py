"""Questions about what the ledger knows: each reads its query, asks the store, and tells."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from aiohttp import web

from pointsman.ledger import evaluations, labels, recent
from pointsman.ledger.answering import refused, told
from pointsman.ledger.asking import (
    BadQuestion,
    ask,
    ask_evaluations,
    ask_labels,
    ask_recent,
    ask_traffic,
    by_what,
    count_of,
    policy_of,
    when,
    window_of,
)
from pointsman.ledger.contract import PAGE, Page, Store
from pointsman.ledger.intake import now_ms
from pointsman.ledger.rows import MAX_NAME, event_of

MAX_SPOOL: Final = 63
_T = TypeVar("_T")


class Ask(Protocol):
    """Runs a question in a thread, bounded as all questions are. Raises StoreError."""

    async def __call__(self, question: Callable[..., _T], *values: object) -> _T:
        """What the question returns."""


class Questions:
    """`add_to` the application's router; `look_up` is for what routers wait for."""

    def __init__(self, store: Store, ask: Ask, look_up: Ask) -> None:
        self._store = store
        self._ask = ask
        self._look_up = look_up

    def add_to(self, router: web.UrlDispatcher) -> None:
        """All of them."""
        router.add_get("/v1/spools/{spool}", self._spool)
        router.add_get("/v1/requests", self._page)
        router.add_get("/v1/requests/{decision}", self._recorded)
        router.add_get("/v1/decision", self._decision)
        router.add_get("/v1/summary", self._summary)
        router.add_get("/v1/labels", self._labels)
        router.add_get("/v1/recent", self._recent)
        router.add_get("/v1/evaluations", self._evaluations)
        router.add_get("/v1/traffic", self._traffic)

    async def _spool(self, request: web.Request) -> web.StreamResponse:
        spool = request.match_info["spool"]
        if len(spool) > MAX_SPOOL:
            return refused(HTTPStatus.NOT_FOUND, "no spool has such a name")
        wanted, lost = await self._look_up(self._store.spool, spool)
        return told({"next": wanted, "lost": lost})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        from_ms, to_ms = window_of(request.query, now_ms())
        after = request.query.get("after", "")
        try:
            found, last = await self._ask(self._store.page, from_ms, to_ms, after, PAGE)
        except ValueError:
            return refused(HTTPStatus.BAD_REQUEST, "after is what the page before gave")
        return told(Page([event_of(row) for row in found], last))

    async def _recorded(self, request: web.Request) -> web.StreamResponse:
        found = await self._ask(self._store.recorded, request.match_info["decision"][:MAX_NAME])
        if not found:
            return refused(HTTPStatus.NOT_FOUND, "no such decision")
        return told(event_of(found[0]))

    async def _decision(self, request: web.Request) -> web.StreamResponse:
        asked = [request.query.get(name, "") for name in ("decision", "response_id", "caller")]
        decision, response_id, caller = asked
        if bool(decision) == bool(response_id) or max(map(len, asked)) > MAX_NAME:
            return refused(HTTPStatus.BAD_REQUEST, "one of decision and response_id is asked for")
        found = await self._look_up(self._store.find, decision, response_id)
        if any(one.caller == caller for one in found):
            return told({"known": True})
        return refused(HTTPStatus.NOT_FOUND, "no such decision of this caller")

    async def _summary(self, request: web.Request) -> web.StreamResponse:
        from_ms, to_ms = window_of(request.query, now_ms())
        by = by_what(request.query.get("by", "backend,task"))
        found = await self._ask(ask, self._store, from_ms, to_ms, by)
        return told(found)

    async def _labels(self, request: web.Request) -> web.StreamResponse:
        policy, now = policy_of(request.query), now_ms()
        from_ms = when(request.query.get("since", "168h"), now)
        each = count_of(request.query, "each", labels.USUAL_EACH, labels.MOST_EACH)
        return told(await self._ask(ask_labels, self._store, policy, from_ms, now, each))

    async def _recent(self, request: web.Request) -> web.StreamResponse:
        policy, now = policy_of(request.query), now_ms()
        from_ms = when(request.query.get("since", "24h"), now)
        limit = count_of(request.query, "limit", recent.USUAL, recent.MOST)
        return told(await self._ask(ask_recent, self._store, policy, from_ms, now, limit))

    async def _evaluations(self, request: web.Request) -> web.StreamResponse:
        by = {name: request.query.get(name, "") for name in ("suite", "content", "backend", "task")}
        from_ms = when(request.query.get("since", "168h"), now_ms())
        limit = count_of(request.query, "limit", evaluations.USUAL, evaluations.MOST)
        if max(map(len, by.values())) > MAX_NAME:
            raise BadQuestion(f"names have at most {MAX_NAME} characters")
        return told(await self._ask(ask_evaluations, self._store, by, from_ms, limit))

    async def _traffic(self, request: web.Request) -> web.StreamResponse:
        return told(await self._ask(ask_traffic, self._store, *window_of(request.query, now_ms())))
