"""The admin port: health, readiness, metrics, the table, the stream, and who may see them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from pointsman.api.counted import ArmCounts, Arms
from pointsman.api.pairs import Pair, Pairs, Side, decode_pairs
from pointsman.api.table import AdminEvent, BudgetUse, Order, Served, decode_event, digest
from pointsman.router.control.admin import MAX_ORDERS
from pointsman.router.control.kube_config import ApiServer
from pointsman.router.control.stream import LOAD_EVERY_S, MAX_READERS, MAX_WAITING
from tests.router.control.objects import by_digest, entry, manifest, policy
from tests.router.control.router import OPERATOR, Router, running_router, until
from tests.support.fake_api import FakeApi

TOKEN = {"Authorization": "Bearer good"}


@asynccontextmanager
async def _router(
    *, token: bool = False, heartbeat_s: float = 5.0, order_s: float = 15.0
) -> AsyncIterator[Router]:
    async with FakeApi() as api:
        api.tokens["good"] = (OPERATOR, ("pointsman-router",))
        api.tokens["other"] = ("system:serviceaccount:demo:default", ("pointsman-router",))
        server = ApiServer(api.url)
        async with running_router(
            server, token=token, heartbeat_s=heartbeat_s, order_s=order_s
        ) as router:
            yield router


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def _offer(router: Router, serial: int, revision: str = "r1", *, epoch: int = 1) -> None:
    blob = policy(revision=revision)
    wanted = manifest(serial, entry(blob, revision=revision), epoch=epoch)
    router.feed.offer(wanted, by_digest(blob))


async def _read(answer: aiohttp.ClientResponse) -> AdminEvent:
    async with asyncio.timeout(30):
        return decode_event(await answer.content.readline())


async def test_readiness_means_a_table_and_no_drain(session: aiohttp.ClientSession) -> None:
    """Its body says what is in force and what is wrong."""
    async with _router() as router:

        async def ready() -> tuple[int, dict[str, object]]:
            async with session.get(f"{router.url}/readyz") as answer:
                return answer.status, await answer.json()

        assert (await ready())[0] == 503
        _offer(router, 3)
        status, body = await ready()
        assert (status, body["table"], body["epoch"], body["serial"]) == (200, "confirmed", 1, 3)
        router.live.draining = True
        assert (await ready())[0] == 503
        async with session.get(f"{router.url}/healthz") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"Origin": "https://evil.example.com"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_without_a_token_no_page_of_another_site_is_answered(
    session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    """Under whatever name it leads here; programs are, and with a token its owner is."""
    paths = ("/admin/table", "/admin/stream", "/v1/models")
    async with _router() as router:
        for path in paths:
            async with session.get(router.url + path, headers=headers) as answer:
                assert answer.status == 403, path
        async with session.get(f"{router.url}/admin/table") as answer:
            assert answer.status == 200
    async with (
        _router(token=True) as router,
        session.get(f"{router.url}/admin/table", headers=headers | TOKEN) as answer,
    ):
        assert answer.status == 200


async def test_metrics_tell_what_is_in_force(session: aiohttp.ClientSession) -> None:
    """Position, policies by state, verdicts of offers."""
    async with _router() as router:
        _offer(router, 3)
        _offer(router, 2)
        async with session.get(f"{router.url}/metrics") as answer:
            text = await answer.text()

    assert "pointsman_router_table_serial 3.0" in text
    assert 'pointsman_router_policies{state="current"} 1.0' in text
    assert 'pointsman_router_table_offers_total{verdict="Older"} 1.0' in text


async def test_the_stream_says_hello_then_every_switch(session: aiohttp.ClientSession) -> None:
    """With all acks each time, so that a reader who missed one has lost nothing."""
    async with _router() as router:
        _offer(router, 1)
        router.live.begin("small")
        async with session.get(f"{router.url}/admin/stream") as answer:
            hello = await _read(answer)
            _offer(router, 2, "r2")
            ack = await _read(answer)

    assert (hello.type, hello.router, hello.epoch, hello.serial) == ("Hello", "router-0", 1, 1)
    assert hello.in_flight == {"small": 1}
    assert [(a.policy, a.revision) for a in hello.acks] == [("support", "r1")]
    assert (ack.type, ack.serial) == ("Ack", 2)
    assert [a.blob for a in ack.acks] == [digest(policy(revision="r2"))]


async def test_a_change_of_load_is_told(session: aiohttp.ClientSession) -> None:
    """Many changes make few lines, the last of which is the state."""
    async with _router() as router, session.get(f"{router.url}/admin/stream") as answer:
        await _read(answer)
        loop = asyncio.get_running_loop()
        began = loop.time()
        lines = 0
        for number in range(1, 51):
            for _ in range(100):
                router.live.begin("small")
            async with asyncio.timeout(30):
                event = await _read(answer) if number % 10 == 0 else None
            lines += event is not None
        while event is None or event.in_flight != {"small": 5000}:
            event = await _read(answer)
            lines += 1
        took_s = loop.time() - began

    assert event.type == "Load"
    assert lines <= took_s / LOAD_EVERY_S + 2


async def test_a_request_shorter_than_the_interval_is_counted(
    session: aiohttp.ClientSession,
) -> None:
    """Up and down again between two lines: the operator learns how many came all the same."""
    async with _router() as router:
        assert router.live.load_listeners == []
        async with session.get(f"{router.url}/admin/stream") as answer:
            assert (await _read(answer)).finished == {}
            router.live.begin("small")
            router.live.end("small")
            event = await _read(answer)
            assert (event.type, event.in_flight, event.finished) == ("Load", {}, {"small": 1})
            router.live.begin("large")
            event = await _read(answer)
            assert (event.in_flight, event.finished) == ({"large": 1}, {"small": 1})
        await until(lambda: router.live.load_listeners == [], "the reader to be forgotten")


@pytest.mark.slow
async def test_what_ended_by_rule_is_told_seldom(session: aiohttp.ClientSession) -> None:
    """At first, in silence, and with a change of load where 5 s have passed: never with each."""
    counts: list[int] = []

    def served() -> Served:
        counts.append(len(counts))
        return {"p": {"default": {"small": (len(counts), 0.5)}}}

    async with _router(heartbeat_s=0.5) as router:
        use = BudgetUse("b", "app", 0, 100, 7)
        router.live.served = served
        router.live.budgets = lambda: {"p": (use,)}
        router.live.failing = lambda: {"large": "Reset"}
        async with session.get(f"{router.url}/admin/stream") as answer:
            hello = await _read(answer)
            assert hello.served == {"p": {"default": {"small": (1, 0.5)}}}
            assert hello.budgets == {"p": (use,)}
            assert hello.failing == {"large": "Reset"}
            found = []
            for _ in range(4):
                router.live.begin("small")
                found.append(await _read(answer))
            silence = await _read(answer)

    assert [one.type for one in found] == ["Load"] * 4
    assert sum(one.served is not None for one in found) <= 1
    assert silence.type == "Heartbeat"
    assert silence.served is not None
    assert silence.budgets is not None
    assert all((one.served is None) is (one.budgets is None) for one in found)
    assert all((one.served is None) is (one.failing is None) for one in found)


@pytest.mark.slow
async def test_what_arms_did_is_told_each_two_seconds(session: aiohttp.ClientSession) -> None:
    """At first, in silence, and with a change of load: a rollout waits for it. None without one."""
    told = Arms(stable="r1", candidate="r2", since_ms=1, of_candidate=ArmCounts(requests=3))
    async with _router(heartbeat_s=0.5) as router:
        router.live.arms = lambda: {"p": told}
        async with session.get(f"{router.url}/admin/stream") as answer:
            assert (await _read(answer)).arms == {"p": told}
            found = []
            for _ in range(24):
                router.live.begin("small")
                found.append(await _read(answer))
            silence = await _read(answer)
            router.live.arms = dict
            later = await _read(answer)

    assert {one.type for one in found} == {"Load"}
    assert 1 <= sum(one.arms is not None for one in found) <= 2
    assert silence.arms == {"p": told}
    assert later.arms is None


async def test_pairs_are_for_the_leader_alone(session: aiohttp.ClientSession) -> None:
    """They hold texts: a token and an epoch are asked for, and a router without any says so."""
    given = Pairs(
        stable="r1",
        candidate="r2",
        since_ms=1,
        pairs=(Pair(question="Why?", control=Side(status=200), candidate=Side(status=500)),),
    )
    leader = {**TOKEN, "x-pointsman-epoch": "3"}
    async with _router(token=True) as router:
        _offer(router, 1, epoch=3)
        router.live.pairs = lambda name: given if name == "desk" else None

        async def post(name: str, headers: dict[str, str]) -> tuple[int, bytes]:
            url = f"{router.url}/admin/policies/{name}/pairs"
            async with session.post(url, headers=headers) as answer:
                return answer.status, await answer.read()

        refused = [
            await post("desk", {"x-pointsman-epoch": "3"}),
            await post("desk", {"Authorization": "Bearer other", "x-pointsman-epoch": "3"}),
            await post("desk", {**TOKEN, "x-pointsman-epoch": "2"}),
            await post("desk", TOKEN),
            await post("other", leader),
        ]
        status, body = await post("desk", leader)

    assert [status for status, _ in refused] == [401, 403, 409, 403, 404]
    assert all(b"Why" not in said for _, said in refused)
    assert status == 200
    assert decode_pairs(body) == given


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"stable": 1}', b"\xff", b"[" * 10_000])
def test_what_is_no_answer_about_pairs_is_none(data: bytes) -> None:
    """Whoever answers in a router's place."""
    assert decode_pairs(data) is None


async def test_an_ack_says_nothing_about_load(session: aiohttp.ClientSession) -> None:
    """Who took its empty fields for none in flight would scale down at every edit."""
    async with _router() as router:
        router.live.begin("small")
        async with session.get(f"{router.url}/admin/stream") as answer:
            await _read(answer)
            _offer(router, 1)
            event = await _read(answer)

    assert (event.type, event.in_flight, event.finished) == ("Ack", {}, None)


async def test_silence_is_broken_by_heartbeats(session: aiohttp.ClientSession) -> None:
    """So that a dead connection can be told from an idle router."""
    async with _router(heartbeat_s=0.01) as router:
        router.live.begin("small")
        async with session.get(f"{router.url}/admin/stream") as answer:
            events = [await _read(answer) for _ in range(3)]

    assert [event.type for event in events] == ["Hello", "Heartbeat", "Heartbeat"]
    assert events[2].in_flight == {"small": 1}


async def test_the_ninth_stream_is_refused(session: aiohttp.ClientSession) -> None:
    """And a place is free again when a reader has gone."""
    async with _router() as router, AsyncExitStack() as stack:
        url = f"{router.url}/admin/stream"
        streams = []
        for _ in range(MAX_READERS):
            streams.append(await stack.enter_async_context(session.get(url)))
            await _read(streams[-1])
        async with session.get(url) as ninth:
            assert ninth.status == 429
        streams[0].close()
        await until(lambda: router.metrics.streams._value.get() < MAX_READERS, "a free place")
        async with session.get(url) as again:
            assert again.status == 200


async def test_a_reader_that_lags_is_dropped() -> None:
    """What it missed it gets by Hello; the others wait for nobody."""
    async with _router() as router:
        slow, quick = router.admin.broadcast.join(0), router.admin.broadcast.join(0)
        for serial in range(1, MAX_WAITING + 2):
            _offer(router, serial)
            assert await quick.next_line(30) is not None

        assert (slow.ended, quick.ended) == ("Slow", "")
        assert not slow.waiting


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic good"}, 401),
        ({"Authorization": "Bearer other"}, 403),
        (TOKEN, 200),
        (TOKEN | {"x-pointsman-epoch": "5"}, 200),
        (TOKEN | {"x-pointsman-epoch": "4"}, 409),
        (TOKEN | {"x-pointsman-epoch": "-1"}, 400),
        (TOKEN | {"x-pointsman-epoch": "9" * 40}, 400),
    ],
)
async def test_only_the_operator_of_this_epoch_may_look(
    session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    """The epoch in force here is 5."""
    async with _router(token=True) as router:
        _offer(router, 1, epoch=5)
        async with session.get(f"{router.url}/admin/table", headers=headers) as answer:
            assert answer.status == status
        async with session.get(f"{router.url}/readyz") as answer:
            assert answer.status == 200


async def test_a_newer_leader_ends_the_streams_of_an_older(
    session: aiohttp.ClientSession,
) -> None:
    """And from then on the older one is refused, though no table of the new one came yet."""
    async with _router(token=True) as router:
        url = f"{router.url}/admin/stream"
        old, new = TOKEN | {"x-pointsman-epoch": "1"}, TOKEN | {"x-pointsman-epoch": "2"}
        async with session.get(url, headers=old) as first:
            await _read(first)
            async with session.get(url, headers=new) as second:
                await _read(second)
                async with asyncio.timeout(30):
                    assert await first.content.read() == b""
            async with session.get(url, headers=old) as third:
                assert third.status == 409


async def test_a_token_that_cannot_be_judged_is_refused_for_now(
    session: aiohttp.ClientSession,
) -> None:
    """503: the operator comes again; who was verified before is still let in."""
    async with FakeApi() as api:
        api.tokens["good"] = api.tokens["new"] = (OPERATOR, ("pointsman-router",))
        async with running_router(ApiServer(api.url), token=True) as router:
            url = f"{router.url}/admin/table"
            statuses = []
            for token in ("good", "good", "new"):
                headers = {"Authorization": f"Bearer {token}"}
                async with session.get(url, headers=headers) as answer:
                    statuses.append(answer.status)
                await api.stop()

    assert statuses == [200, 200, 503]


async def _order(session: aiohttp.ClientSession, router: Router, body: bytes) -> int:
    async with session.put(f"{router.url}/admin/backends/m", data=body) as answer:
        return answer.status


async def test_an_order_is_in_force_until_the_next_and_told(session: aiohttp.ClientSession) -> None:
    """`holding` says which backends are held; one that fails to start is not."""
    async with _router() as router, session.get(f"{router.url}/admin/stream") as answer:
        assert (await _read(answer)).holding == ()
        assert await _order(session, router, b'{"hold":true}') == 204
        assert (await _read(answer)).holding == ("m",)
        assert router.live.orders == {"m": Order(hold=True)}
        assert await _order(session, router, b'{"failure":"CrashLoopBackOff"}') == 204
        assert (await _read(answer)).holding == ()
        assert await _order(session, router, b"{}") == 204
        assert router.live.orders == {}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"hold":1}', b'{"hold":true', b"\xff" * 9999])
async def test_what_is_no_order_changes_nothing(
    session: aiohttp.ClientSession, body: bytes
) -> None:
    """400; the order before it stays."""
    async with _router() as router:
        assert await _order(session, router, b'{"hold":true}') == 204
        assert await _order(session, router, body) == 400
        assert router.live.orders == {"m": Order(hold=True)}


async def test_an_order_lapses_when_it_is_not_repeated(session: aiohttp.ClientSession) -> None:
    """A leader that is gone holds up nobody."""
    async with _router(order_s=0.05) as router:
        assert await _order(session, router, b'{"hold":true}') == 204
        await until(lambda: not router.live.orders, "the end of the order")


@pytest.mark.slow
async def test_orders_have_a_bound(session: aiohttp.ClientSession) -> None:
    """One for a backend that has one is taken."""
    async with _router() as router:
        for number in range(MAX_ORDERS):
            url = f"{router.url}/admin/backends/b{number}"
            async with session.put(url, data=b'{"hold":true}') as answer:
                assert answer.status == 204
        assert await _order(session, router, b'{"hold":true}') == 429
        async with session.put(url, data=b'{"hold":true}') as answer:
            assert answer.status == 204


async def test_only_the_operator_gives_orders(session: aiohttp.ClientSession) -> None:
    """As for all of /admin."""
    async with _router(token=True) as router:
        assert await _order(session, router, b'{"hold":true}') == 401
        assert router.live.orders == {}
