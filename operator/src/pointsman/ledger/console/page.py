"""What a page is made of, and what a handler may raise."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from pointsman.ledger.people.person import Role

if TYPE_CHECKING:
    from pointsman.ledger.console.visit import Visit

Handler = Callable[["Visit"], Awaitable[web.Response]]
PREFIX = "/console"


class Missing(Exception):
    """404: the text says what is not there."""


class Refused(Exception):
    """409: what was asked for cannot be done now; the text says why, and what is so instead."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path under /console. Who POSTs needs `least`; its form's token was checked before."""

    path: str
    """As aiohttp writes it: `/reviews/{id}`."""
    handler: Handler
    method: Literal["GET", "POST"] = "GET"
    least: Role = Role.VIEWER


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the navigation, with all its paths."""

    name: str
    """The label, and by lower case what `nav` of a template is."""
    path: str
    routes: tuple[Route, ...]
    said: Mapping[str, str] = field(default_factory=dict)
    """What is shown after a form was done, by the key that `visit.go` was given."""
    count: Callable[["Visit"], Awaitable[int]] | None = None
    """What waits for somebody, shown beside the label of every page; must be quick."""
