"""The ledger over HTTP: what it answers to good, bad, late and strange requests."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from prometheus_client import CollectorRegistry

from pointsman.events.schema import SCHEMA
from pointsman.ledger.access import Access, NoToken
from pointsman.ledger.batches import Batch
from pointsman.ledger.contract import BadData, StoreAway, Taken
from pointsman.ledger.service import Service
from pointsman.ledger.settings import Settings
from pointsman.ledger.stores.sqlite import SqliteStore
from pointsman.process.address import Address
from pointsman.process.connections import BOUNDS, Bounds
from tests.ledger.events import DAY_MS, NOW_MS, SPOOL, feedback, frame, request
from tests.support.crowd import turns

Json = dict[str, Any]


class Wayward(SqliteStore):
    """Does what a test wants instead of ingesting."""

    away = ""
    bad = ""
    """Decision of a request that it cannot keep."""
    gate: "asyncio.Event | None" = None
    groups: "list[int]"

    def ingest(self, batches: Sequence[Batch], now_ms: int) -> list[Taken]:
        """Counts how many come together."""
        self.groups = [*getattr(self, "groups", []), len(batches)]
        if self.away:
            raise StoreAway(self.away)
        for batch in batches:
            for part in batch.parts:
                if self.bad and any(self.bad in str(event) for _, event in part.events):
                    raise BadData("test")
        return super().ingest(batches, now_ms)


class Client:
    """One ledger in this process."""

    def __init__(
        self, session: aiohttp.ClientSession, port: int, service: Service, store: Wayward
    ) -> None:
        self.session = session
        self.port = port
        self.service = service
        self.store = store

    async def post(self, body: bytes, **headers: str) -> tuple[int, Json]:
        """To /v1/events."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post("/v1/events", data=body, headers=named) as answer:
            if answer.status == 503:
                assert int(answer.headers["Retry-After"]) >= 1
            return answer.status, await answer.json()

    async def metrics(self) -> str:
        """As a scrape gets them."""
        text: str = (await self.get("/metrics"))[1]
        return text

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """JSON if it is."""
        async with self.session.get(path, headers=headers) as answer:
            plain = answer.content_type != "application/json"
            return answer.status, await (answer.text() if plain else answer.json())


@asynccontextmanager
async def ledger(
    folder: Path, bounds: Bounds = BOUNDS, store: Wayward | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Listening, and writing."""
    settings = Settings(db=folder / "ledger.db", listen=Address("127.0.0.1", 0), **options)
    store = store or Wayward(folder / "ledger.db", keep_events_ms=30 * DAY_MS)
    store.open()
    service = Service(settings, store, CollectorRegistry(), bounds)
    stop = asyncio.Event()
    try:
        port = await service.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(service.run(stop))
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                yield Client(session, port, service, store)
            stop.set()
    finally:
        await service.close()
        store.close()


async def test_frames_are_taken_and_told(tmp_path: Path) -> None:
    """Plain and with gzip; the spool says what it wants; a summary says what it was."""
    async with ledger(tmp_path) as client:
        now = frame([request(1), request(2)])
        assert await client.post(now) == (200, {"next": 3})
        packed = gzip.compress(frame([feedback(1)], first=5))
        assert await client.post(packed, Content_Encoding="gzip") == (200, {"next": 6})
        assert await client.get(f"/v1/spools/{SPOOL}") == (200, {"next": 6, "lost": 2})
        assert await client.get("/v1/spools/other-spool") == (200, {"next": 1, "lost": 0})

        status, found = await client.get("/v1/summary?since=2026-01-01")
        assert status == 200
        assert found["lost"] == 2
        assert [line["requests"] for line in found["totals"]] == [2]
        assert [line["by"] for line in found["teams"]] == [{"team": "blue"}]
        status, found = await client.get("/v1/summary?since=2026-01-01&by=policy,task")
        assert status == 200
        assert [line["by"] for line in found["lines"]] == [{"policy": "support", "task": "coding"}]


async def test_whose_an_answer_was(tmp_path: Path) -> None:
    """Asked by a router before it takes feedback: an answer of somebody else is none."""
    async with ledger(tmp_path) as client:
        await client.post(frame([request(1), request(2, caller="")]))
        for query, status in (
            ("decision=d-1&caller=app", 200),
            ("response_id=resp-1&caller=app", 200),
            ("decision=d-2&caller=", 200),
            ("decision=d-1&caller=other", 404),
            ("decision=d-1", 404),
            ("decision=d-3&caller=app", 404),
            ("response_id=d-1&caller=app", 404),
            ("caller=app", 400),
            ("decision=d-1&response_id=resp-1&caller=app", 400),
            (f"decision={'x' * 300}&caller=app", 400),
        ):
            assert (await client.get(f"/v1/decision?{query}"))[0] == status, query


async def test_what_can_never_be_taken_says_so(tmp_path: Path) -> None:
    """400 for damage, 409 for what a newer ledger can take, 413 for too much; nothing is taken."""
    async with ledger(tmp_path, max_body_mib=0.01) as client:
        good = frame([request(1)])
        for bad in (b"", b"nonsense", good[:-1], good + good[:-1]):
            status, body = await client.post(bad)
            assert (status, set(body)) == (400, {"reason"})
        status, body = await client.post(good + frame([request(2)], first=2, version=SCHEMA + 1))
        assert status == 409
        assert "update the ledger" in body["reason"]
        for huge in (b"x" * 20_000, gzip.compress(bytes(20_000))):
            encoding = "gzip" if len(huge) < 20_000 else "identity"
            assert (await client.post(huge, Content_Encoding=encoding))[0] == 413
        assert await client.get(f"/v1/spools/{SPOOL}") == (200, {"next": 1, "lost": 0})


async def test_a_body_of_unknown_length_is_bounded_too(tmp_path: Path) -> None:
    """Chunks over the bound are refused as they come."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async with (
        ledger(tmp_path, max_body_mib=0.01) as client,
        client.session.post("/v1/events", data=endless()) as answer,
    ):
        assert answer.status == 413


async def test_a_length_with_zeros_before_it_is_a_length(tmp_path: Path) -> None:
    """However many there are: Python reads no number of 5,000 digits."""
    async with ledger(tmp_path) as client:
        for zeros in (10, 5_000):
            length = f"Content-Length: {'0' * zeros}1"
            head = f"POST /v1/events HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\nx"
            reader, writer = await _opened(client, head.encode())
            async with asyncio.timeout(10):
                assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
            writer.close()


async def test_a_store_that_is_away_is_no_loss(tmp_path: Path) -> None:
    """503 with Retry-After, without the store's words; afterwards the same body is taken."""
    async with ledger(tmp_path) as client:
        client.store.away = "disk of secret-host is full"
        status, body = await client.post(frame([request(1)]))
        assert status == 503
        assert "secret-host" not in str(body)
        client.store.away = ""
        assert await client.post(frame([request(1)])) == (200, {"next": 2})


async def test_one_value_that_the_store_cannot_keep_costs_one_event(tmp_path: Path) -> None:
    """The others of its frame are kept."""
    async with ledger(tmp_path) as client:
        client.store.bad = "d-37"
        events = [request(number) for number in range(1, 51)]
        assert await client.post(frame(events)) == (200, {"next": 51})
        found = client.store.query("SELECT first, events, reason FROM refused", ())
        assert found == [(37, 1, "OutOfRange")]
        _, told = await client.get("/v1/summary?since=2026-01-01")
        assert told["totals"][0]["requests"] == 49
        _, metrics = await client.get("/metrics")
        assert 'pointsman_ledger_refused_events_total{reason="OutOfRange"} 1.0' in metrics


async def test_many_at_once_are_committed_in_groups(tmp_path: Path) -> None:
    """And the same frame from 20 connections is taken once."""
    async with ledger(tmp_path) as client:
        body = frame([request(number) for number in range(1, 101)])
        answers = await asyncio.gather(*(client.post(body) for _ in range(20)))
        assert set(map(str, answers)) == {"(200, {'next': 101})"}
        assert max(client.store.groups) > 1
        _, told = await client.get("/v1/summary?since=2026-01-01")
        assert told["totals"][0]["requests"] == 100


async def test_more_than_the_bound_wait_outside(tmp_path: Path) -> None:
    """503, at once; those that were let in are answered."""
    async with ledger(tmp_path, waiting=2, concurrent=1) as client:
        opened = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield frame([request(1)])[:10]
            await opened.wait()
            yield frame([request(1)])[10:]

        async def post_slowly() -> int:
            async with client.session.post("/v1/events", data=slowly()) as answer:
                return answer.status

        held = [asyncio.create_task(post_slowly()) for _ in range(2)]
        async with asyncio.timeout(10):
            while (await client.metrics()).count("ledger_waiting 2.0") == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert (await client.post(frame([request(1)])))[0] == 503
        assert (await client.get("/readyz"))[0] == 200
        opened.set()
        assert await asyncio.gather(*held) == [200, 200]
        assert (await client.post(frame([request(2)], first=2)))[0] == 200


async def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    """408 after its deadline; its place is free."""
    async with ledger(tmp_path, concurrent=1, body_timeout_s=0.2) as client:

        async def never() -> AsyncIterator[bytes]:
            yield b"pointsman"
            await asyncio.sleep(60)

        async with client.session.post("/v1/events", data=never()) as answer:
            assert answer.status == 408
        assert (await client.post(frame([request(1)])))[0] == 200


async def test_the_token_is_asked_for(tmp_path: Path) -> None:
    """On everything that shows or takes data; a new one counts from the next request on."""
    token = tmp_path / "token"
    token.write_text("first-token\n")
    async with ledger(tmp_path, token_file=token) as client:
        body = frame([request(1)])
        for header in (
            "",
            "Bearer",
            "Bearer wrong",
            "Basic first-token",
            "first-token",
            "Bearer é",
        ):
            assert (await client.post(body, Authorization=header))[0] == 401
        for path in (f"/v1/spools/{SPOOL}", "/v1/summary"):
            assert (await client.get(path))[0] == 401
        assert (await client.get("/healthz"))[0] == (await client.get("/readyz"))[0] == 200
        assert (await client.post(body, Authorization="Bearer first-token"))[0] == 200
        token.write_text("the-second-token\n")
        assert (await client.post(body, Authorization="Bearer first-token"))[0] == 401
        assert (await client.post(body, Authorization="bearer the-second-token"))[0] == 200
        token.unlink()
        assert (await client.post(body, Authorization="Bearer the-second-token"))[0] == 200


def test_a_token_file_without_a_token_is_refused(tmp_path: Path) -> None:
    """Rather than letting everybody in, or nobody."""
    (tmp_path / "empty").write_text(" \n")
    for name in ("empty", "missing"):
        with pytest.raises(NoToken, match="--token-file"):
            Access(tmp_path / name)


async def test_requests_are_handed_out_as_they_were(tmp_path: Path) -> None:
    """By the window, and one by its decision id."""
    async with ledger(tmp_path) as client:
        await client.post(frame([request(1), request(2, at_ms=NOW_MS - DAY_MS)]))
        status, found = await client.get("/v1/requests?since=2026-11-01&until=2026-12-01")
        assert status == 200
        # The day of 2 is another table in the file: another page.
        more = (await client.get(
            f"/v1/requests?since=2026-11-01&until=2026-12-01&after={found['after']}"
        ))[1]  # fmt: skip
        told = [one["decision"] for one in (*found["requests"], *more["requests"])]
        assert told == ["d-2", "d-1"]
        assert more["after"] == ""

        status, one = await client.get("/v1/requests/d-1")
        assert (status, one["rule"], one["input_tokens"]) == (200, "code", 100)
        assert (await client.get("/v1/requests/d-9"))[0] == 404
        assert (await client.get("/v1/requests?since=2026-11-01&after=x"))[0] == 400
        assert (await client.get("/v1/requests?since=x"))[0] == 400


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=x",
        "since=2030-01-01&until=2030-02-01",
        "by=",
        "by=task,task",
        "by=x",
    ],
)
async def test_questions_that_mean_nothing_are_refused(tmp_path: Path, query: str) -> None:
    """With what would mean something."""
    async with ledger(tmp_path) as client:
        status, body = await client.get(f"/v1/summary?{query}")
        assert status == 400
        assert body["reason"]


@pytest.mark.slow
async def test_readiness_is_of_the_store(tmp_path: Path) -> None:
    """Ready while it answers; not ready, with a reason, once it does not."""
    async with ledger(tmp_path) as client:
        assert await client.get("/readyz") == (200, {"ready": True, "store": "sqlite"})
        client.store.close()
        async with asyncio.timeout(10):
            while (found := await client.get("/readyz"))[0] == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert found[1]["problem"]


async def test_no_metric_has_a_name_of_an_event(tmp_path: Path) -> None:
    """Labels are of fixed sets: 200 spools, policies and teams make no new series."""
    async with ledger(tmp_path) as client:
        await client.post(frame([request(0)], spool="spool-aaaa"))
        before = (await client.metrics()).count("\n")
        for number in range(200):
            body = frame([request(1, team=f"team-{number}")], spool=f"spool-{number:04}")
            assert (await client.post(body))[0] == 200
        after = (await client.get("/metrics"))[1]
        assert after.count("\n") == before
        assert "team-" not in after
        assert "spool-" not in after


async def test_a_ledger_without_a_clock_takes_nothing(tmp_path: Path) -> None:
    """Before 2020 every event would seem to be absurd, and be kept under a time that is."""
    async with ledger(tmp_path) as client:
        client.service.intake.clock = lambda: 5_000
        assert (await client.post(frame([request(1)])))[0] == 503


async def test_what_waits_for_the_store_is_bounded_in_size(tmp_path: Path) -> None:
    """One body in any case, and others as far as the bound; what is refused may come again."""
    async with ledger(tmp_path, concurrent=1, max_body_mib=0.5, waiting=32) as client:
        events = [request(number, finish="x" * 200) for number in range(1, 401)]
        bodies = [frame(events, spool=f"spool-{number:04}") for number in range(12)]
        answers = [status for status, _ in await asyncio.gather(*map(client.post, bodies))]
        assert set(answers) <= {200, 503}
        for body, status in zip(bodies, answers, strict=True):
            if status == 503:
                assert (await client.post(body))[0] == 200
        _, told = await client.get("/v1/summary?since=2026-01-01")
        assert told["totals"][0]["requests"] == 12 * 400


async def _opened(client: Client, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(said)
    return reader, writer


@pytest.mark.parametrize(
    "said", [b"", b"GET /healthz HT", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"]
)
async def test_a_connection_on_which_nobody_asks_is_cut(tmp_path: Path, said: bytes) -> None:
    """Before its first head is complete, too."""
    async with ledger(tmp_path, Bounds(head_s=0.1)) as client:
        reader, writer = await _opened(client, said)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        assert (await client.get("/healthz"))[0] == 200


async def test_more_connections_than_the_bound_are_cut(tmp_path: Path) -> None:
    """At once; a place that became free is taken."""
    async with ledger(tmp_path, Bounds(connections=3)) as client:
        held = [await _opened(client, b"") for _ in range(3)]
        reader, writer = await _opened(client, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        for one in [writer, *(writer for _, writer in held)]:
            one.close()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert (await client.get("/healthz"))[0] == 200
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.01)


def test_a_crowd_is_let_in_within_few_turns_of_the_loop(tmp_path: Path) -> None:
    """On the loop that images have, which takes one of each listening socket in a turn."""

    async def come() -> int:
        async with ledger(tmp_path) as client:
            connections = client.service._connections
            assert connections is not None
            return await turns(client.port, 160, lambda: len(connections._timers))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(come()) < 80
