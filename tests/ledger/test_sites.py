"""A ledger without a token: programs of this machine use it, pages in its browser do not."""

import asyncio
from pathlib import Path

import pytest

from pointsman.cli.ledger import LedgerProcess
from pointsman.events import ship
from pointsman.router.reviews import LedgerReviews
from tests.ledger.events import SPOOL, frame, request
from tests.ledger.test_service import ledger

QUESTIONS = ("/v1/requests", "/v1/requests/d-1", "/v1/summary", "/v1/labels?policy=support")


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com:{port}"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example.com"},
    ],
)
async def test_a_page_of_another_site_neither_sends_nor_reads(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """403 whatever it asks, and nothing is kept; each is counted."""
    async with ledger(tmp_path) as client:
        sent = {name: value.format(port=client.port) for name, value in headers.items()}
        named = {name.replace("-", "_"): value for name, value in sent.items()}
        status, told = await client.post(frame([request(1)]), Content_Type="text/plain", **named)
        assert status == 403
        assert told["reason"]
        for path in QUESTIONS:
            assert (await client.get(path, **sent))[0] == 403, path
        assert await client.get(f"/v1/spools/{SPOOL}") == (200, {"next": 1, "lost": 0})
        counted = f'refused_people_total{{reason="CrossSite"}} {1.0 + len(QUESTIONS)}'
        assert counted in await client.metrics()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_programs_of_this_machine_say_nothing_of_pages(tmp_path: Path, name: str) -> None:
    """Routers, the operator and commands as they are; a page of the ledger's own, and a person."""
    async with ledger(tmp_path) as client:
        url = f"http://{name}:{client.port}"
        assert await client.post(frame([request(1)])) == (200, {"next": 2})
        read = LedgerProcess(url).summary
        assert len((await asyncio.to_thread(read, "2026-01-01", "2026-12-01")).totals) == 1
        target = ship.Target(url=url)
        assert await asyncio.to_thread(ship.get, target, f"/v1/spools/{SPOOL}", {}) == 200
        assert (await asyncio.to_thread(ship.post, target, "/v1/leases", b"{}"))[0] == 400
        reviews = LedgerReviews(target)
        assert await reviews.find("app", "support", "x" * 64) is None
        await reviews.close()
        for said in ("none", "same-origin"):
            own = {"Sec-Fetch-Site": said, "Origin": f"http://127.0.0.1:{client.port}"}
            assert (await client.get("/v1/summary", **own))[0] == 200


async def test_with_a_token_any_name_may_be_used(tmp_path: Path) -> None:
    """A Service has one, and no page knows the token."""
    (tmp_path / "token").write_text("a-token")
    async with ledger(tmp_path, token_file=tmp_path / "token") as client:
        sent = {"Host": "pointsman-ledger.models:9903", "Authorization": "Bearer a-token"}
        assert (await client.get("/v1/summary", **sent))[0] == 200
        assert (await client.get("/v1/summary", Origin="https://evil.example.com"))[0] == 401
