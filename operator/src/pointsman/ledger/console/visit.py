"""One request of a signed-in person to one page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from pointsman.ledger.console.desk import Desk
from pointsman.ledger.console.page import PREFIX
from pointsman.ledger.console.rendering import Templates
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.people.sessions import Session

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Visit:
    """`form` has the first value of each field; it is empty for a GET."""

    request: web.Request
    desk: Desk
    person: Person
    session: Session
    templates: Templates
    frame: Mapping[str, object]
    """What the layout shows: navigation, theme, who is signed in."""
    form: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        """Of the address."""
        return self.request.query

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the route's path."""
        return self.request.match_info

    @property
    def now_ms(self) -> int:
        """Unix time."""
        return self.desk.now_ms()

    def may(self, least: Role) -> bool:
        """Whether to show what needs this role."""
        return self.person.role.may(least)

    async def ask(self, question: Callable[..., _T], *values: object) -> _T:
        """Of the store, in a thread: `await visit.ask(ask, visit.desk.store, from_ms, to_ms)`."""
        return await self.desk.asked(question, *values)

    def show(
        self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object
    ) -> web.Response:
        """The page; templates also have `person`, `now_ms`, `form_token` and the layout's own."""
        html = self.templates.render(template, {**self.frame, **values})
        return web.Response(text=html, status=status, content_type="text/html")

    def go(self, path: str, said: str = "") -> web.Response:
        """After a form: to this path under /console, where `said` (a key of Page.said) is shown."""
        mark = f"{'&' if '?' in path else '?'}said={said}" if said else ""
        return web.Response(
            status=HTTPStatus.SEE_OTHER, headers={"Location": f"{PREFIX}{path}{mark}"}
        )

    async def note(self, action: str, subject: str, detail: Mapping[str, object]) -> None:
        """In the audit log. Raises StoreError, TimeoutError: what cannot be noted is not done."""
        await self.desk.note(self.person, action, subject, detail)
