"""The console in the ledger's server: paths, who may use them, and what an error looks like.

GET  /console/               the first page
GET  /console/...            pages (`pages/`)
POST /console/theme          light, dark, or what the system says
GET  /console/sign-in        how to sign in; POST begins with OpenID Connect
GET  /console/callback       where the provider sends back
POST /console/sign-out
GET  /console/static/NAME    style, script, icon
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote

from aiohttp import web

from pointsman.ledger.answering import body_of
from pointsman.ledger.asking import BadQuestion
from pointsman.ledger.console.desk import Desk
from pointsman.ledger.console.guarding import (
    FIELD,
    MAX_FORM_BYTES,
    MAX_SMALL_FORM_BYTES,
    check_form,
    dress,
    set_session,
)
from pointsman.ledger.console.page import PREFIX, Missing, Page, Refused, Route
from pointsman.ledger.console.pages import PAGES
from pointsman.ledger.console.rendering import STATIC, Templates
from pointsman.ledger.console.signing import Signing, own_path
from pointsman.ledger.console.visit import Visit
from pointsman.ledger.contract import BadData, StoreError
from pointsman.ledger.intake import TooLarge
from pointsman.ledger.people.errors import BadToken, Forbidden, ProviderAway
from pointsman.ledger.people.person import Person
from pointsman.ledger.people.sessions import Session
from pointsman.ledger.reviews.errors import ReviewError

_log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TooSlow(Exception):
    """A form did not come within its time."""


THEMES: Final = ("system", "light", "dark")
_PERSON: Final = web.RequestKey("person", Person)
_THEME_S: Final = 365 * 86_400
_MOST_FIELDS: Final = 100
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_AWAY: Final = "The store does not answer now. Nothing is lost: routers keep what they have."
_ERRORS: Final[tuple[tuple[tuple[type[Exception], ...], HTTPStatus, str, str], ...]] = (
    ((Forbidden,), HTTPStatus.FORBIDDEN, "Not allowed", ""),
    ((BadToken,), HTTPStatus.UNAUTHORIZED, "Not signed in", ""),
    ((Missing,), HTTPStatus.NOT_FOUND, "Not here", ""),
    ((Refused,), HTTPStatus.CONFLICT, "Not done", ""),
    ((BadQuestion,), HTTPStatus.BAD_REQUEST, "Not understood", ""),
    ((BadData,), HTTPStatus.BAD_REQUEST, "Not understood", "The store knows no such text."),
    ((TooLarge,), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large", "No form here is that large."),
    ((TooSlow,), HTTPStatus.REQUEST_TIMEOUT, "Too slow", "The form did not arrive in time."),
    ((ProviderAway,), HTTPStatus.SERVICE_UNAVAILABLE, "Sign-in does not work now", ""),
    ((StoreError, TimeoutError), HTTPStatus.SERVICE_UNAVAILABLE, "The store is away", _AWAY),
)
"""What a person reads instead of a page; no text: the error's own."""


class Console:
    """All of it; `add_to` makes it a part of the ledger's application."""

    def __init__(self, desk: Desk, pages: tuple[Page, ...] = PAGES) -> None:
        self._desk = desk
        self._pages = pages
        self._templates = Templates()
        self._static = {path.name: path.read_bytes() for path in STATIC.iterdir()}
        self._signing = Signing(desk.people, self._templates, desk.note)

    async def close(self) -> None:
        """Give back connections."""
        await self._signing.close()

    def add_to(self, app: web.Application) -> None:
        """Its paths; each answer is dressed, each error is a page."""
        router = app.router
        for path in (PREFIX, f"{PREFIX}/"):
            router.add_get(path, self._outer(self._first))
        router.add_get(f"{PREFIX}/static/{{name}}", self._asset)
        router.add_get(f"{PREFIX}/sign-in", self._outer(self._sign_in))
        router.add_post(f"{PREFIX}/sign-in", self._outer(self._begin))
        router.add_get(f"{PREFIX}/callback", self._outer(self._end))
        router.add_post(f"{PREFIX}/sign-out", self._outer(self._sign_out))
        router.add_post(f"{PREFIX}/theme", self._outer(self._choose_theme))
        for page in self._pages:
            for route in page.routes:
                handler = self._outer(self._inner(page, route))
                router.add_route(route.method, PREFIX + route.path, handler)
        router.add_route("*", f"{PREFIX}/{{rest:.*}}", self._outer(self._nowhere))

    async def _first(self, _: web.Request) -> web.Response:
        return _to(PREFIX + self._pages[0].path)

    async def _nowhere(self, request: web.Request) -> web.Response:
        if self._person(request) is None:
            return self._signing.ask(request, self._frame(request, None))
        raise Missing("there is no such page")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        body = self._static.get(name)
        if body is None:
            response = web.Response(status=HTTPStatus.NOT_FOUND, text="no such file\n")
            dress(response)
            return response
        kind = _KINDS["." + name.rpartition(".")[2]]
        response = web.Response(body=body, content_type=kind, charset="utf-8")
        dress(response, kept=True)
        return response

    def _inner(self, page: Page, route: Route) -> _Handler:
        async def visited(request: web.Request) -> web.StreamResponse:
            people = self._desk.people
            person = self._person(request)
            if person is None:
                return self._signing.ask(request, self._frame(request, None))
            session = people.session(request)
            new = session or people.sealing.begin(int(people.clock_s()))
            form: dict[str, str] = {}
            if route.method == "POST":
                form = await self._form_of(request, MAX_FORM_BYTES)
                check_form(people, request, form, new, person)
            if not person.role.may(route.least):
                people.turned("NoRole")
                raise Forbidden(f"this is for the role {route.least}; yours is {person.role}")
            visit = await self._visit(page, request, person, new, form)
            response = await route.handler(visit)
            if session is None:
                set_session(people, request, response, new)
            return response

        return visited

    async def _visit(
        self,
        page: Page,
        request: web.Request,
        person: Person,
        session: Session,
        form: Mapping[str, str],
    ) -> Visit:
        frame = self._frame(request, person)
        frame |= {
            "nav": page.name.lower(),
            "form_token": self._desk.people.sealing.form_token(session, person),
            "said": page.said.get(request.query.get("said", ""), ""),
        }
        visit = Visit(request, self._desk, person, session, self._templates, frame, form)
        if request.method == "GET":
            frame["counts"] = await self._counts(visit)
        return visit

    async def _counts(self, visit: Visit) -> dict[str, int]:
        """What waits, by page; a store that is away is told by the page itself."""
        found: dict[str, int] = {}
        for page in self._pages:
            if page.count is not None:
                try:
                    found[page.name] = await page.count(visit)
                except (StoreError, TimeoutError):
                    continue
        return found

    def _frame(self, request: web.Request, person: Person | None) -> dict[str, object]:
        theme = request.cookies.get("pointsman_theme", "")
        return {
            "pages": self._pages if person else (),
            "nav": "",
            "counts": {},
            "person": person,
            "theme": theme if theme in THEMES else THEMES[0],
            "themes": THEMES,
            "form_token": "",
            "field": FIELD,
            "said": "",
            "here": request.path_qs,
            "now_ms": self._desk.now_ms(),
            "away": self._desk.fleet.away() if person else "",
            "signs_out": self._desk.people.settings.oidc is not None and person is not None,
        }

    async def _sign_in(self, request: web.Request) -> web.Response:
        if self._person(request) is not None:
            return _to(f"{PREFIX}/")
        return self._signing.ask(request, self._frame(request, None), HTTPStatus.OK)

    async def _begin(self, request: web.Request) -> web.Response:
        if self._desk.people.is_foreign(request):
            raise Forbidden("sign in from the console's own page")
        form = await self._form_of(request)
        return await self._signing.begin(request, self._frame(request, None), form.get("to", ""))

    async def _end(self, request: web.Request) -> web.Response:
        return await self._signing.end(request, self._frame(request, None))

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._checked(request)
        response = _to(f"{PREFIX}/sign-in")
        people = self._desk.people
        if (session := people.session(request)) is not None:
            await self._signing.ended(session)
        response.del_cookie(
            people.cookie(request), path="/", secure=people.is_https(request), samesite="Strict"
        )
        return response

    async def _choose_theme(self, request: web.Request) -> web.Response:
        form = await self._checked(request)
        theme, back = form.get("theme", ""), form.get("to", "")
        response = _to(own_path(back))
        response.set_cookie(
            "pointsman_theme", theme if theme in THEMES else THEMES[0], max_age=_THEME_S,
            path=PREFIX, httponly=True, samesite="Strict",
            secure=self._desk.people.is_https(request),
        )  # fmt: skip
        return response

    async def _checked(self, request: web.Request) -> dict[str, str]:
        people = self._desk.people
        person, session = self._person(request), people.session(request)
        if person is None or session is None:
            raise Forbidden("this form is out of date: open its page again")
        form = await self._form_of(request)
        check_form(people, request, form, session, person)
        return form

    async def _form_of(
        self, request: web.Request, bound: int = MAX_SMALL_FORM_BYTES
    ) -> dict[str, str]:
        """
        The first value of each field. Raises BadQuestion, TooLarge and TooSlow.

        Who signs in is nobody yet: what is held for strangers is small, and for a short time.
        """
        if request.content_type != "application/x-www-form-urlencoded":
            raise BadQuestion("a form is sent as application/x-www-form-urlencoded")
        try:
            async with asyncio.timeout(self._desk.body_s):
                body = await body_of(request, bound)
        except TimeoutError:
            raise TooSlow from None
        except (web.RequestPayloadError, ConnectionError):  # or who sent it has left
            raise BadQuestion("this is no form") from None
        return _fields(body)

    def _person(self, request: web.Request) -> Person | None:
        """Remembered for the error page: who is refused is counted once. Raises Unknown."""
        person = self._desk.people.of(request)
        if person is not None:
            request[_PERSON] = person
        return person

    def _outer(self, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except web.HTTPException:
                raise
            except Exception as error:  # noqa: BLE001 - `_failed` logs what it does not know
                response = self._failed(request, error)
            dress(response)
            return response

        return guarded

    def _failed(self, request: web.Request, error: Exception) -> web.Response:
        status, title, text = explained(error)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("page-failed", extra={"path": request.path}, exc_info=error)
        person = request.get(_PERSON)
        frame = self._frame(request, person)
        session = self._desk.people.session(request)
        if person is not None and session is not None:
            frame["form_token"] = self._desk.people.sealing.form_token(session, person)
        values = {**frame, "title": title, "text": text, "status": int(status)}
        html = self._templates.render("error.html", values)
        response = web.Response(text=html, status=status, content_type="text/html")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = "2"
        return response


def explained(error: Exception) -> tuple[HTTPStatus, str, str]:
    """Status, title and text of the page that tells it."""
    if isinstance(error, ReviewError):
        return HTTPStatus(error.status), "Not done", str(error)
    for kinds, status, title, text in _ERRORS:
        if isinstance(error, kinds):
            return status, title, text or str(error)
    status, text = HTTPStatus.INTERNAL_SERVER_ERROR, "The ledger's log says what; all else goes on."
    return status, "Something is broken here", text


def _fields(body: bytes) -> dict[str, str]:
    """The first value of each. Raises BadQuestion."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS,
            encoding="utf-8", errors="strict",
        )  # fmt: skip
    except ValueError:
        raise BadQuestion("this is no form") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _to(address: str) -> web.Response:
    safe = quote(address, safe="/?&=%#:@!$'()*+,;~-._")
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": safe})
