"""Puts the desk together: its ways in, its webhooks, its figures."""

import asyncio

from aiohttp import web
from prometheus_client import CollectorRegistry

from pointsman.ledger.contract import Store
from pointsman.ledger.intake import now_ms
from pointsman.ledger.reviewing.calling import Calls
from pointsman.ledger.reviewing.desk import Desk
from pointsman.ledger.reviewing.figures import Figures
from pointsman.ledger.reviewing.for_people import ForPeople, Identity
from pointsman.ledger.reviewing.for_routers import ForRouters
from pointsman.ledger.reviewing.webhooks import Webhooks
from pointsman.ledger.settings import Settings


class Reviewing:
    """One for a process."""

    def __init__(
        self, store: Store, settings: Settings, registry: CollectorRegistry, people: Identity
    ) -> None:
        figures = Figures(registry)
        calls = Calls(store)
        self.desk = Desk(calls, figures)
        self._webhooks = Webhooks(
            calls,
            figures,
            now_ms,
            keys=settings.webhook_keys,
            allow_loopback=settings.listen.is_loopback,  # then it is on somebody's own machine
        )
        self._ways = (ForRouters(self.desk), ForPeople(self.desk, people))

    def add_to(self, router: web.UrlDispatcher) -> None:
        """What routers and people ask for."""
        for way in self._ways:
            way.add_to(router)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run())
            group.create_task(self._webhooks.run())
