"""A ledger with a console in this process, and browsers of a sort: they keep cookies and forms."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from html import unescape
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from prometheus_client import CollectorRegistry

from pointsman.ledger.contract import StoreAway, Transaction
from pointsman.ledger.people.roles import read_grant
from pointsman.ledger.people.settings import PeopleSettings
from pointsman.ledger.rows import Row
from pointsman.ledger.service import Service
from pointsman.ledger.settings import Settings
from pointsman.ledger.stores.sqlite import SqliteStore
from pointsman.process.address import Address
from tests.ledger.events import DAY_MS

_T = TypeVar("_T")
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"
"""Loopback has many addresses: one is the trusted proxy's, one is anybody's."""
GRANTS = tuple(map(read_grant, ("operator=platform", "reviewer=reviewers", "viewer=readers")))
BY_PROXY = PeopleSettings(
    identity_header="X-Forwarded-User",
    groups_header="X-Forwarded-Groups",
    trusted_proxies=(ip_network(f"{PROXY}/32"),),
    roles=GRANTS,
)


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def form_token(self) -> str:
        """Of the page's first form."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.text)
        assert found, self.text
        return unescape(found[1])


class Visitor:
    """Keeps cookies; `name` and `groups` are what its proxy says."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str = "", groups: str = ""
    ) -> None:
        self._session = session
        self.url = url
        self._identity = {"X-Forwarded-User": name, "X-Forwarded-Groups": groups} if name else {}

    async def get(self, path: str, **headers: str) -> Answer:
        """No redirect is followed."""
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        """As its own page would send it."""
        named = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        return await self._ask("POST", path, form, named | headers)

    async def _ask(
        self, method: str, path: str, form: dict[str, str] | None, headers: dict[str, str]
    ) -> Answer:
        named = self._identity | {
            name.replace("_", "-"): value for name, value in headers.items() if value
        }
        url = self.url + path if path.startswith("/") else path
        async with self._session.request(
            method, url, data=form, headers=named, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.text())


class Absent(SqliteStore):
    """Away while `away` says why."""

    away = ""

    def query(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Raises StoreAway."""
        if self.away:
            raise StoreAway(self.away)
        return super().query(sql, values)

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Raises StoreAway."""
        if self.away:
            raise StoreAway(self.away)
        return super().transact(work)

    def look_up(self, sql: str, values: Sequence[object]) -> list[Row]:
        """Raises StoreAway."""
        if self.away:
            raise StoreAway(self.away)
        return super().look_up(sql, values)


class Console:
    """One ledger; `visitor` gives browsers of their own."""

    def __init__(self, service: Service, store: Absent, port: int) -> None:
        self.service = service
        self.store = store
        self.url = f"http://127.0.0.1:{port}"
        self._sessions: list[aiohttp.ClientSession] = []

    def visitor(self, name: str = "", groups: str = "", *, at: str = PROXY) -> Visitor:
        """Who comes from this address."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(at, 0)),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )
        self._sessions.append(session)
        return Visitor(session, self.url, name, groups)

    def turned(self, why: str) -> float:
        """How often somebody was refused for this."""
        value: float = self.service.metrics.turned.labels(why)._value.get()
        return value

    async def close(self) -> None:
        """All connections."""
        for session in self._sessions:
            await session.close()
        await self.service.close()


@asynccontextmanager
async def console(
    folder: Path, people: PeopleSettings = BY_PROXY, *, body_timeout_s: float = 30.0
) -> AsyncIterator[Console]:
    """A ledger on an empty store."""
    store = Absent(folder / "ledger.db", keep_events_ms=30 * DAY_MS)
    store.open()
    settings = Settings(
        db=folder / "ledger.db",
        listen=Address("127.0.0.1", 0),
        people=people,
        body_timeout_s=body_timeout_s,
    )
    service = Service(settings, store, CollectorRegistry())
    there = Console(service, store, await service.start())
    try:
        yield there
    finally:
        await there.close()
        store.close()
