"""The fleet against a router's admin stream, over real sockets on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pointsman.api import table
from pointsman.api.counted import ArmCounts, Arms
from pointsman.operator.cluster.lines import StreamBroken, lines_of
from pointsman.operator.cluster.observe import RouterPod, router_pods
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.cluster.routers import RouterFleet
from pointsman.operator.errors import Broken
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.settings import Settings

pytestmark = pytest.mark.local
GOOD = table.Ack(policy="desk", revision="desk-1", blob="aa")


class FakeRouter:
    """Speaks what it is told to; remembers how it was asked."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.asked: list[tuple[str, str]] = []
        self.orders: asyncio.Queue[tuple[str, table.Order]] = asyncio.Queue()
        self.port = 0
        self.newest_epoch = 0

    def say(self, kind: str, *acks: table.Ack, unreachable: tuple[str, ...] = ()) -> None:
        event = table.AdminEvent(type=kind, acks=acks, unreachable=unreachable)  # type: ignore[arg-type]
        self.lines.put_nowait(table.encode(event) + b"\n")

    def tell(self, kind: str, load: int, finished: dict[str, int] | None) -> None:
        event = table.AdminEvent(type=kind, in_flight={"a": load}, finished=finished)  # type: ignore[arg-type]
        self.lines.put_nowait(table.encode(event) + b"\n")

    def hold(self, *backends: str, held: int = 0, in_flight: int = 0, missed: int = 0) -> None:
        """A Load that tells of `a`."""
        event = table.AdminEvent(
            type="Load",
            holding=backends,
            held={"a": held} if held else {},
            in_flight={"a": in_flight} if in_flight else {},
            missed={"a": missed} if missed else {},
        )
        self.lines.put_nowait(table.encode(event) + b"\n")

    async def order(self, request: web.Request) -> web.StreamResponse:
        said = table.decode_order(await request.read())
        self.orders.put_nowait((request.match_info["name"], said))
        return web.Response(status=204)

    def hang_up(self) -> None:
        self.lines.put_nowait(None)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        self.asked.append((headers.get("authorization", ""), headers["x-pointsman-epoch"]))
        if (epoch := int(headers["x-pointsman-epoch"])) < self.newest_epoch:
            reason = f"epoch {epoch} is older than {self.newest_epoch}"
            return web.json_response({"reason": reason}, status=409)
        response = web.StreamResponse()
        await response.prepare(request)
        while (line := await self.lines.get()) is not None:
            await response.write(line)
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/admin/stream", self.stream)
        app.router.add_put("/admin/backends/{name}", self.order)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


@asynccontextmanager
async def following(
    router: FakeRouter,
    tmp_path: Path,
    *,
    silence_s: float = 15.0,
    on_reach: Callable[[str], None] = lambda _: None,
    on_load: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[RouterFleet, asyncio.Event]]:
    """A fleet that follows one router, and an event that is set at every change."""
    token, changed = tmp_path / "token", asyncio.Event()
    token.write_text("first\n")
    async with asyncio.timeout(20), router.serving(), asyncio.TaskGroup() as group:
        settings = Settings(
            namespace="ai",
            router_admin_port=router.port,
            router_token_file=token,
            router_silence_s=silence_s,
        )
        fleet = RouterFleet(settings, changed.set, on_reach=on_reach, on_load=on_load)
        fleet.start(group, 7)
        fleet.set_pods([RouterPod("r1", "u1", "127.0.0.1")])
        try:
            yield fleet, changed
        finally:
            fleet.set_pods([])
            await fleet.close()


async def next_change(changed: asyncio.Event) -> None:
    await changed.wait()
    changed.clear()


async def test_acks_are_heard_with_their_time(tmp_path: Path) -> None:
    """Token and epoch are shown; Hello and Ack both say all that is run."""
    router = FakeRouter()
    async with following(router, tmp_path) as (fleet, changed):
        router.say("Hello")
        await next_change(changed)
        before = time.time()
        router.say("Ack", GOOD)
        await next_change(changed)
        view = fleet.views()[0]
        at = fleet.ack_times("desk", "aa")["r1"]

    assert (view.pod, view.silent, view.acks) == ("r1", False, {"desk": GOOD})
    assert at is not None
    assert before <= at <= time.time()
    assert router.asked[0] == ("Bearer first", "7")


async def test_a_policy_that_is_no_longer_acked_is_no_longer_run(tmp_path: Path) -> None:
    """Else a policy deleted and made anew would count as programmed by its predecessor's acks."""
    router = FakeRouter()
    async with following(router, tmp_path) as (fleet, changed):
        router.say("Hello", GOOD)
        await next_change(changed)
        router.say("Ack")
        await next_change(changed)

        assert fleet.views()[0].acks == {}


async def test_a_new_dial_shows_the_token_of_the_day(tmp_path: Path) -> None:
    """The kubelet has rotated it in between."""
    router = FakeRouter()
    async with following(router, tmp_path) as (_, changed):
        router.say("Hello")
        await next_change(changed)
        (tmp_path / "token").write_text("second")
        router.hang_up()
        router.say("Hello", GOOD)
        await next_change(changed)

    assert router.asked[-1][0] == "Bearer second"


async def test_a_silent_router_is_no_data(tmp_path: Path) -> None:
    """What it said before counts no more, and the change is told."""
    router = FakeRouter()
    async with following(router, tmp_path, silence_s=0.3) as (fleet, changed):
        router.say("Hello", GOOD)
        await next_change(changed)
        while not fleet.views()[0].silent:
            await next_change(changed)


async def test_a_pod_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    """It no longer counts, whatever it said."""
    router = FakeRouter()
    async with following(router, tmp_path) as (fleet, changed):
        router.say("Hello", GOOD)
        await next_change(changed)
        fleet.set_pods([])

        assert fleet.views() == []
        assert fleet.blobs_in_use() == set()


async def test_a_router_that_does_not_listen_yet_is_pending(tmp_path: Path) -> None:
    """A pod has its address before its process listens: no news until it is late."""
    router = FakeRouter()
    async with following(router, tmp_path, silence_s=0.5) as (fleet, changed):
        fleet.set_pods([RouterPod("r1", "u1", "127.0.0.1"), RouterPod("r2", "u2", "127.0.0.9")])
        router.say("Hello")
        await next_change(changed)
        late = fleet.views()[1]
        while not fleet.views()[1].silent:
            await next_change(changed)

        assert (late.pod, late.pending, late.silent) == ("r2", True, False)
        assert not fleet.views()[1].pending


async def test_the_leader_overtakes_an_epoch_that_a_backup_forgot(tmp_path: Path) -> None:
    """After a restore of etcd routers know a newer one, and would refuse every dial for ever."""
    router = FakeRouter()
    router.newest_epoch = 40
    async with following(router, tmp_path) as (fleet, changed):
        router.say("Hello", GOOD)
        while not fleet.views()[0].acks:
            await next_change(changed)

        assert fleet.epoch == 41
    assert [epoch for _, epoch in router.asked] == ["7", "41"]


async def test_who_does_not_surely_lead_overtakes_nobody() -> None:
    """A router knows a newer epoch because there is a newer leader."""

    def fence() -> None:
        raise Broken("LeaseLost")

    fleet = RouterFleet(Settings(namespace="ai"), lambda: None, fence)
    fleet.epoch = 7
    with pytest.raises(Broken):
        fleet._overtake(b'{"reason":"epoch 7 is older than 8"}')
    fleet._overtake(b"<html>epoch x is older than y</html>")
    fleet._overtake(b'{"reason":"epoch 7 is older than 99999999999999999999"}')

    assert fleet.epoch == 7


@pytest.mark.parametrize("token", [b"\xff\xfe", b"two words", b"line\nbreak", b""])
async def test_a_token_file_of_any_content_ends_nothing(tmp_path: Path, token: bytes) -> None:
    """It is no token; the router decides what that means."""
    router = FakeRouter()
    async with following(router, tmp_path) as (_, changed):
        (tmp_path / "token").write_bytes(token)
        router.hang_up()
        while len(router.asked) < 2:
            router.say("Hello", GOOD)
            await next_change(changed)

    assert router.asked[-1][0] == ""


async def test_nonsense_ends_the_stream_and_it_is_dialed_again(tmp_path: Path) -> None:
    """A router of another release, perhaps."""
    router = FakeRouter()
    async with following(router, tmp_path) as (fleet, changed):
        for line in (b"<html>", b'{"type": "\xff"}', b'{"a":' + b"[" * 50_000):
            router.lines.put_nowait(line + b"\n")
            router.hang_up()
        router.say("Hello", GOOD)
        while not fleet.views()[0].acks:
            await next_change(changed)


async def test_a_line_may_come_in_pieces_and_may_not_be_endless() -> None:
    """Bounded memory, whatever is sent."""

    class Pieces:
        def __init__(self, *pieces: bytes) -> None:
            self._pieces = list(pieces)

        async def readany(self) -> bytes:
            return self._pieces.pop(0) if self._pieces else b""

    found: list[bytes] = []

    async def read(pieces: Pieces) -> None:
        async for line in lines_of(pieces, 1):
            found.append(line)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(StreamBroken, match="Closed"):
        await read(Pieces(b"a", b"b\nc", b"\n\n"))
    with pytest.raises(StreamBroken, match="LineTooLong"):
        await read(Pieces(*[b"x" * 1024 * 1024] * 20))

    assert found == [b"ab", b"c"]


def test_pods_on_their_way_out_or_without_an_address_do_not_count() -> None:
    """`there` means: has an address, has not ended, is not being deleted."""
    there = {"metadata": {"name": "a", "uid": "1"}, "status": {"podIP": "10.0.0.1"}}
    pending = {"metadata": {"name": "b", "uid": "2"}, "status": {"phase": "Pending"}}
    leaving = {**there, "metadata": {"name": "c", "uid": "3", "deletionTimestamp": "x"}}
    failed = {**there, "status": {"podIP": "10.0.0.1", "phase": "Failed"}}

    assert router_pods([there, pending, leaving, failed]) == [RouterPod("a", "1", "10.0.0.1")]


@pytest.mark.parametrize(
    ("states", "runs"),
    [
        ([], True),
        ([{"running": {}}], True),
        ([{"waiting": {"reason": "CrashLoopBackOff"}}], False),
        ([{"terminated": {}}], False),
        ([{"waiting": {}}, {"running": {}}], True),
    ],
)
def test_what_runs_is_the_kubelets_word(states: list[dict[str, Any]], runs: bool) -> None:
    """Without a word it may run."""
    status = {"podIP": "10.0.0.1", "containerStatuses": [{"state": one} for one in states]}

    assert [one.runs for one in router_pods([{"metadata": {}, "status": status}])] == [runs]


async def test_a_backend_is_asked_about_again_until_all_reach_it(tmp_path: Path) -> None:
    """Not answered yet, no endpoint, reached: each word calls for the backend that asked."""
    router = FakeRouter()
    asked_again: list[str] = []
    async with following(router, tmp_path, on_reach=asked_again.append) as (fleet, changed):
        assert fleet.unreached("late") == "r1 has not answered yet"
        router.say("Hello", unreachable=("late", "other"))
        await next_change(changed)
        assert asked_again == ["late"]
        assert fleet.unreached("late") == "r1 has no endpoint of it yet"
        router.say("Ack", unreachable=("other",))
        await next_change(changed)
        assert asked_again == ["late", "late"]
        assert fleet.unreached("late") == ""
        router.say("Ack")
        await next_change(changed)
    assert asked_again == ["late", "late"]


async def test_a_router_that_is_gone_or_silent_is_not_waited_for(tmp_path: Path) -> None:
    """Its pod may be on a node that died; others answer meanwhile."""
    router = FakeRouter()
    asked_again: list[str] = []
    async with following(router, tmp_path, on_reach=asked_again.append) as (fleet, _):
        assert fleet.unreached("late")
        fleet.set_pods([])
        assert asked_again == ["late"]
        assert fleet.unreached("late") == ""
    async with following(router, tmp_path, silence_s=0.05) as (fleet, changed):
        await next_change(changed)
        assert fleet.unreached("late") == ""


async def test_before_the_first_look_no_router_is_known(tmp_path: Path) -> None:
    """A leader that has just begun does not take "none known" for "none there"."""
    asked_again: list[str] = []
    fleet = RouterFleet(Settings(namespace="ai"), lambda: None, on_reach=asked_again.append)
    async with asyncio.TaskGroup() as group:
        fleet.start(group, 1)
        assert fleet.unreached("late") == "the routers are not known yet"
        fleet.set_pods([])
        assert asked_again == ["late"]
        assert fleet.unreached("late") == ""
        await fleet.close()


async def test_what_routers_say_of_budgets_is_news_by_the_percent(tmp_path: Path) -> None:
    """A status is written when a budget has moved by one, and not before."""
    router, told = FakeRouter(), asyncio.Event()
    async with following(router, tmp_path, on_load=told.set) as (fleet, changed):

        async def hear(used: int) -> bool:
            use = table.BudgetUse("b", "", 0, 1000, used)
            event = table.AdminEvent(type="Heartbeat", budgets={"desk": (use,)})
            router.lines.put_nowait(table.encode(event) + b"\n")
            await next_change(told)
            assert fleet.budgets("desk") == [use]
            assert fleet.budgets("other") == []
            await asyncio.sleep(0)
            news = changed.is_set()
            changed.clear()
            return news

        assert [await hear(used) for used in (10, 10, 19, 20)] == [True, False, False, True]


async def test_what_was_served_is_kept_until_it_is_told_again(tmp_path: Path) -> None:
    """Most lines do not tell it; older routers never do."""
    router, told = FakeRouter(), asyncio.Event()
    served = {"p": {"default": {"a": (3, 1.5)}}}
    async with following(router, tmp_path, on_load=told.set) as (fleet, _):
        assert fleet.served() == {"u1": {}}
        event = table.AdminEvent(type="Hello", served=served)
        router.lines.put_nowait(table.encode(event) + b"\n")
        await next_change(told)
        assert fleet.served() == {"u1": served}
        router.tell("Load", 4, None)
        await next_change(told)
        assert fleet.served() == {"u1": served}


async def test_arms_are_kept_until_they_are_told_again(tmp_path: Path) -> None:
    """By the pod's uid; a candidate's blob is in use as well as the other."""
    router, told = FakeRouter(), asyncio.Event()
    arms = {"p": Arms(stable="p-1", candidate="p-2", since_ms=1)}
    async with following(router, tmp_path, on_load=told.set) as (fleet, _):
        ack = table.Ack("p", "p-1", "aa", candidate="bb", weight_percent=5)
        event = table.AdminEvent(type="Hello", arms=arms, acks=(ack,))
        router.lines.put_nowait(table.encode(event) + b"\n")
        await next_change(told)
        assert fleet.arms("p") == {"u1": arms["p"]}
        assert fleet.arms("other") == {}
        assert fleet.blobs_in_use() == {"aa", "bb"}
        router.tell("Load", 4, None)
        await next_change(told)
        assert fleet.arms("p") == {"u1": arms["p"]}


async def test_arms_of_a_release_with_other_buckets_count_for_nothing(tmp_path: Path) -> None:
    """They cannot be added to the others'; what else that router says is heard."""
    router, told = FakeRouter(), asyncio.Event()
    counts = ArmCounts(requests=2, durations=(1, 1))
    odd = Arms(stable="p-1", candidate="p-2", since_ms=1, of_candidate=counts)
    async with following(router, tmp_path, on_load=told.set) as (fleet, _):
        event = table.AdminEvent(type="Hello", arms={"p": odd}, acks=(table.Ack("p", "p-1", "aa"),))
        router.lines.put_nowait(table.encode(event) + b"\n")
        await next_change(told)
        assert fleet.arms("p") == {}
        assert fleet.blobs_in_use() == {"aa"}


async def test_a_load_is_known_while_its_stream_is_open(tmp_path: Path) -> None:
    """What a router said before it fell silent is not what is; an Ack says nothing of it."""
    router, told = FakeRouter(), asyncio.Event()
    async with following(router, tmp_path, on_load=told.set) as (fleet, changed):
        assert fleet.loads("a") == [None]
        assert (fleet.mute(), fleet.totals()) == (["r1"], None)
        router.tell("Hello", 3, {"a": 7})
        await next_change(told)
        assert fleet.loads("a") == [RouterReport("r1", 0, 3, 7)]
        assert fleet.loads("b") == [RouterReport("r1", 0, 0, 0)]
        assert (fleet.in_flight("a"), fleet.mute(), fleet.totals()) == (3, [], {"a": 3})
        changed.clear()
        router.say("Ack", GOOD)
        await next_change(changed)
        assert fleet.in_flight("a") == 3
        router.tell("Load", 4, None)
        await next_change(told)
        assert fleet.loads("a") == [RouterReport("r1", 0, 4, None)]
        router.hang_up()
        await next_change(told)
        assert (fleet.loads("a"), fleet.totals()) == ([None], None)
        router.tell("Hello", 0, {})
        await next_change(told)
        assert fleet.loads("a") == [RouterReport("r1", 0, 0, 0)]
        fleet.set_pods([])
        assert (fleet.loads("a"), fleet.totals()) == ([], {})


async def test_a_router_that_does_not_start_has_no_load(tmp_path: Path) -> None:
    """One pod in CrashLoopBackOff must not stop all scaling; one that runs and is silent does."""
    router, told = FakeRouter(), asyncio.Event()
    async with following(router, tmp_path, on_load=told.set) as (fleet, _):
        router.tell("Hello", 3, {})
        await next_change(told)
        broken = RouterPod("r2", "u2", "127.0.0.9", runs=False)
        fleet.set_pods([RouterPod("r1", "u1", "127.0.0.1"), broken])
        assert (len(fleet.loads("a")), fleet.mute()) == (1, [])
        fleet.set_pods([RouterPod("r1", "u1", "127.0.0.1"), replace(broken, runs=True)])
        assert (len(fleet.loads("a")), fleet.mute()) == (2, ["r2"])
        assert fleet.in_flight("a") == 3, "the other stream is the same"


async def test_a_backend_is_held_once_every_router_says_so_and_has_none_left(
    tmp_path: Path,
) -> None:
    """A router that has still a request, or is not heard, confirms nothing."""
    router, told, reached = FakeRouter(), asyncio.Event(), asyncio.Queue[str]()
    async with following(router, tmp_path, on_load=told.set, on_reach=reached.put_nowait) as (
        fleet,
        _,
    ):
        router.hold()
        await next_change(told)
        fleet.orders.hold("a")
        assert await router.orders.get() == ("a", table.Order(hold=True))
        assert not fleet.orders.is_held("a")
        for left in ({"in_flight": 1}, {"held": 1}):
            router.hold("a", **left)
            await next_change(told)
            assert not fleet.orders.is_held("a")
        assert reached.empty()
        router.hold("a")
        assert await reached.get() == "a"
        assert fleet.orders.is_held("a")
        told.clear()
        router.hang_up()
        await next_change(told)
        assert not fleet.orders.is_held("a")
        router.hold("a")
        await next_change(told)
        fleet.orders.lapse("a")
        assert router.orders.empty()
        assert not fleet.orders.is_held("a")
        fleet.orders.end("a")  # the lapsing one would hold up a new server
        assert await router.orders.get() == ("a", table.Order())


async def test_an_order_is_told_again_and_again() -> None:
    """A router that began anew hears it, too; what has lapsed is told no more."""
    told: asyncio.Queue[tuple[str, table.Order]] = asyncio.Queue()

    async def put(backend: str, order: table.Order) -> None:
        told.put_nowait((backend, order))

    orders = Orders(lambda _: False, put, lambda _: None, repeat_s=0.02)
    async with asyncio.timeout(20):
        running = asyncio.create_task(orders.run())
        orders.fail("a", "ImagePullBackOff")
        for _ in range(3):
            assert await told.get() == ("a", table.Order(failure="ImagePullBackOff"))
        orders.lapse("a")
        orders.fail("b", "Unschedulable")
        while (await told.get())[0] == "a":
            pass
        for _ in range(3):
            assert (await told.get())[0] == "b"
        running.cancel()


async def test_a_request_that_met_no_server_and_went_elsewhere_is_load(tmp_path: Path) -> None:
    """It has to wake one; what was missed before this operator began does not."""
    router, told = FakeRouter(), asyncio.Event()
    async with following(router, tmp_path, on_load=told.set) as (fleet, _):
        router.hold(missed=5)
        await next_change(told)
        assert (fleet.loads("a"), fleet.totals()) == ([RouterReport("r1", 0, 0, None)], {})
        router.hold(missed=6)
        await next_change(told)
        assert (fleet.loads("a"), fleet.totals()) == ([RouterReport("r1", 1, 0, None)], {"a": 1})
        router.hold(held=4, missed=9)
        await next_change(told)
        assert (fleet.loads("a"), fleet.totals()) == ([RouterReport("r1", 4, 0, None)], {"a": 4})
