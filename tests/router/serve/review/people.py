"""A real ledger in this process, and people who decide there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from pointsman.api.reviewing import HumanReview, Review
from pointsman.api.table import Route, Target
from pointsman.events.ship import Target as LedgerTarget
from pointsman.ledger.opening import make
from pointsman.ledger.people.settings import PeopleSettings
from pointsman.ledger.service import Service
from pointsman.ledger.settings import Settings
from pointsman.process.address import Address
from pointsman.router.reviews import LedgerReviews
from tests.ledger.reviewing.desks import people_file
from tests.router.serve.world import PATIENCE_S, World

Json = dict[str, Any]


class Desk:
    """What reviewers see and do."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self._session = session

    async def ask(
        self, method: str, path: str, body: object = None, who: str = "ada"
    ) -> tuple[int, Any]:
        """Status and JSON."""
        headers = {"Authorization": f"Bearer token of {who}"} if who else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def pending(self, count: int = 1) -> list[Json]:
        """So many, once they wait."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                _, found = await self.ask("GET", "/v1/people/reviews?state=Pending&limit=200")
                if len(found["reviews"]) >= count:
                    listed: list[Json] = found["reviews"]
                    return listed
                await asyncio.sleep(0.01)

    async def decide(
        self, review: Json, verdict: str, *, message: str = "", edited: str = "", who: str = "ada"
    ) -> int:
        """Claim and decide; the status of the latter."""
        path = f"/v1/people/reviews/{review['id']}"
        await self.ask("POST", f"{path}/claim", who=who)
        body = {"verdict": verdict, "request_hash": review["request_hash"], "message": message}
        if edited:
            body["edited"] = edited
        status, _ = await self.ask("POST", f"{path}/decide", body, who=who)
        return status

    async def shown(self, review: Json) -> Json:
        """Its texts."""
        _, found = await self.ask("GET", f"/v1/people/reviews/{review['id']}")
        told: Json = found["texts"]
        return told


@asynccontextmanager
async def ledger(there: World, folder: Path) -> AsyncIterator[Desk]:
    """Beside the data plane, which asks it."""
    settings = Settings(
        db=folder / "ledger.sqlite",
        listen=Address("127.0.0.1", 0),
        people=PeopleSettings(people_file=people_file(folder)),
    )
    store = make(settings)
    store.open()
    service = Service(settings, store, CollectorRegistry())
    port = await service.start()
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop))
    there.plane.reviews = LedgerReviews(LedgerTarget(url=f"http://127.0.0.1:{port}"))
    try:
        async with aiohttp.ClientSession() as session:
            yield Desk(port, session)
    finally:
        stop.set()
        await running
        await service.close()
        store.close()


def reviewed(
    there: World,
    review: Review | None,
    *names: str,
    human: HumanReview | None = None,
    data_class: str = "",
    **timeouts: float,
) -> None:
    """A table in force whose only rule asks for this review."""
    route = Route(
        name="default",
        targets=(Target(backend=names[0] if names else "small"),),
        review=review,
        data_class=data_class,
        **timeouts,  # type: ignore[arg-type]
    )
    there.put(route, review=human or HumanReview(deadline_s=60.0))
