"""What each answer carries, and what each form has to.

Guarantees that a page runs only our own script and style, is kept by no cache, is framed by nobody,
and that a form is obeyed only from our own page, in the session that it was written for.
"""

from typing import Final

from aiohttp import web

from pointsman.ledger.people.errors import Forbidden
from pointsman.ledger.people.identity import People
from pointsman.ledger.people.person import Person
from pointsman.ledger.people.sessions import Session

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
MAX_FORM_BYTES: Final = 3 * 1024 * 1024
"""An edited answer of 1 MiB, as a form writes it."""
MAX_SMALL_FORM_BYTES: Final = 64 * 1024
"""Of the frame's own forms, which are some words and a page's address."""
FIELD: Final = "form_token"


def dress(response: web.StreamResponse, *, kept: bool = False) -> None:
    """Add what every answer of the console carries; `kept`: by the mark in its address."""
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = _FOR_EVER if kept else "no-store"


def check_form(
    people: People, request: web.Request, form: dict[str, str], session: Session, person: Person
) -> None:
    """Raises Forbidden unless our own page in this session wrote the form."""
    says_where = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
    if people.is_foreign(request) or not says_where:
        people.turned("CrossSite")
        raise Forbidden("this form was not sent by the console's own page, and nothing was done")
    if not people.sealing.is_form_token(form.get(FIELD, ""), session, person):
        people.turned("BadForm")
        raise Forbidden("this form is out of date, and nothing was done: open its page again")


def set_session(people: People, request: web.Request, response: web.Response, new: Session) -> None:
    """For as long as the session lasts."""
    response.set_cookie(
        people.cookie(request),
        people.sealing.seal(new),
        max_age=people.sealing.life_s,
        httponly=True,
        samesite="Strict",
        secure=people.is_https(request),
        path="/",
    )
