"""
Signing in: what is said to who is not, and OpenID Connect where there is a provider.

Guarantees that nobody signs in without a row in the audit log, and that nobody fills it: a row is
written for whom the provider knows and a role lets in, and for the end of a session once.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from msgspec.structs import replace

from pointsman.ledger.console.guarding import set_session
from pointsman.ledger.console.page import PREFIX, Missing
from pointsman.ledger.console.rendering import Templates
from pointsman.ledger.contract import StoreError
from pointsman.ledger.people.errors import Forbidden
from pointsman.ledger.people.identity import People
from pointsman.ledger.people.oidc import LOGIN_S, Login, Oidc
from pointsman.ledger.people.person import Person
from pointsman.ledger.people.sessions import MAX_COOKIE, Session

_log = logging.getLogger(__name__)
CALLBACK: Final = f"{PREFIX}/callback"
_LOGIN: Final = "pointsman_login"
_MOST_ENDED: Final = 1_000
"""Sessions whose end is remembered: their cookies still sign out, again and again."""


class Note(Protocol):
    """Writes a row of the audit log. Raises StoreError, TimeoutError."""

    async def __call__(
        self, person: Person, action: str, subject: str, detail: Mapping[str, object]
    ) -> None:
        """Returns once it is there."""


class Signing:
    """Begins sessions, and notes their end."""

    def __init__(self, people: People, templates: Templates, note: Note) -> None:
        self._people = people
        self._templates = templates
        self._note = note
        self._ended: dict[str, None] = {}
        settings = people.settings
        self._oidc = Oidc(settings.oidc, settings.console_url + CALLBACK) if settings.oidc else None

    async def close(self) -> None:
        """Give back connections."""
        if self._oidc is not None:
            await self._oidc.close()

    def ask(
        self,
        request: web.Request,
        frame: Mapping[str, object],
        status: HTTPStatus = HTTPStatus.UNAUTHORIZED,
    ) -> web.Response:
        """The page that says how to sign in."""
        settings = self._people.settings
        values = {
            **frame,
            "to": own_path(request.path_qs if request.method == "GET" else ""),
            "provider": urlsplit(settings.oidc.issuer).hostname if settings.oidc else "",
            "by_proxy": bool(settings.identity_header),
            "console_url": settings.console_url,
        }
        html = self._templates.render("sign-in.html", values)
        return web.Response(text=html, status=status, content_type="text/html")

    async def begin(
        self, request: web.Request, frame: Mapping[str, object], to: str
    ) -> web.Response:
        """
        To the provider, with what this browser keeps until it comes back.

        By a page that goes on by itself: browsers hold a form's redirect to `form-action 'self'`.
        """
        if self._oidc is None:
            raise Missing("no OpenID provider is set")
        address, login = await self._oidc.begin(own_path(to), int(self._people.clock_s()))
        sealed = self._people.sealing.seal(login, "login")
        if len(sealed) > MAX_COOKIE:
            sealed = self._people.sealing.seal(replace(login, to=f"{PREFIX}/"), "login")
        response = self._going(frame, "Signing in", address)
        response.set_cookie(
            self._people.cookie(request, _LOGIN), sealed, max_age=LOGIN_S,
            path="/",  # so that over TLS no other host of this domain can set it
            httponly=True, secure=self._people.is_https(request),
            samesite="Lax",  # Strict would not come back: the provider's site sends the browser
        )  # fmt: skip
        return response

    async def end(self, request: web.Request, frame: Mapping[str, object]) -> web.Response:
        """
        Signed in, or a reason why not; StoreError, TimeoutError if that cannot be noted.

        A page of ours that goes on by itself, not a redirect: the new cookie is Strict, and a
        redirect would still be part of what the provider's site began.
        """
        if self._oidc is None:
            raise Missing("no OpenID provider is set")
        people, now_s = self._people, int(self._people.clock_s())
        name = people.cookie(request, _LOGIN)
        login = people.sealing.unseal(request.cookies.get(name, ""), Login, "login")
        if login is None:
            raise Forbidden("this sign-in was not begun here: begin again")
        person = people.admit(*await self._oidc.end(request.query, login, now_s))
        await self._note(person, "session.begin", _about(person), {"provider": self._oidc.issuer})
        response = self._going(frame, "Signed in", login.to)
        set_session(people, request, response, people.sealing.begin(now_s, person))
        response.del_cookie(name, path="/", secure=people.is_https(request))
        return response

    async def ended(self, session: Session) -> None:
        """Noted, if it names a person; a store that is away keeps nobody signed in."""
        person = session.person
        if person is None or session.id in self._ended:
            return
        self._ended[session.id] = None
        if len(self._ended) > _MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        try:
            await self._note(person, "session.end", _about(person), {})
        except (StoreError, TimeoutError) as error:
            _log.warning("sign-out-not-noted", extra={"reason": str(error)})

    def _going(self, frame: Mapping[str, object], title: str, to: str) -> web.Response:
        html = self._templates.render("going.html", {**frame, "title": title, "to": to})
        return web.Response(text=html, content_type="text/html")


def _about(person: Person) -> str:
    return f"person/{person.name}"


def own_path(path: str) -> str:
    """Where to go on after signing in: a page of ours, whatever was asked for."""
    first = f"{PREFIX}/"
    plain = path.startswith(first) and "\\" not in path and path.isprintable()
    begins = (f"{PREFIX}/sign", CALLBACK)
    return path if plain and not path.startswith(begins) else first
