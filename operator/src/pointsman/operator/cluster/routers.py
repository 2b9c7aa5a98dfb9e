"""One connection to each router pod: what it runs, by its own word, as it says it.

| a pod is              | it counts as                         |
|-----------------------|--------------------------------------|
| there, and speaking   | its acks                             |
| there, dialed < 15 s  | pending, until it speaks             |
| there, silent > 15 s  | no data                              |
| gone from the API     | nothing                              |

Its load is known only while its stream is open: acks stay true when it breaks, a load does not. A
container that does not run has none.
"""

import asyncio
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp

from pointsman.api import table
from pointsman.api.counted import Arms
from pointsman.api.statuses import label_of
from pointsman.operator import metrics
from pointsman.operator.cluster.heard import HeardRouter
from pointsman.operator.cluster.lines import StreamBroken, lines_of
from pointsman.operator.cluster.observe import RouterPod
from pointsman.operator.cluster.orders import Orders
from pointsman.operator.cluster.token import dial_headers
from pointsman.operator.plan.budget_status import differ
from pointsman.operator.plan.policy_status import RouterView
from pointsman.operator.plan.scaling import RouterReport
from pointsman.operator.settings import Settings

log = logging.getLogger("pointsman.routers")

BACKOFF_S: Final = (0.1, 2.0)
CONNECT_S: Final = 2.0
MOST_PUTS: Final = 16
MAX_REFUSAL_BYTES: Final = 4096
OLDER_EPOCH: Final = re.compile(rb"epoch [0-9]+ is older than ([0-9]{1,12})\b")
"""What a router says with 409."""


class RouterFleet:
    """
    All router pods of a release; `on_change` is called at each ack, and at each new silence.

    `on_reach` is called with a backend whose `failing`, or whose `unreached` if somebody asked for
    it, may be another one; `on_load` when some load is another one, or is not known any more.
    """

    def __init__(
        self,
        settings: Settings,
        on_change: Callable[[], None],
        fence: Callable[[], None] = lambda: None,
        on_reach: Callable[[str], None] = lambda _: None,
        on_load: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._tell_change = on_change
        self._tell_load = on_load
        self._tell_reach = on_reach
        self._asked: set[str] = set()
        """Backends that are held back until routers say that they reach them."""
        self._fence = fence
        """Raises Broken unless this process surely leads."""
        self._routers: dict[str, HeardRouter] = {}
        self._group: asyncio.TaskGroup | None = None
        self._session: aiohttp.ClientSession | None = None
        self._telling: asyncio.Task[None] | None = None
        self._known = False
        self.epoch = 0
        self.orders = Orders(self._obeyed_by_all, self._put, on_reach)

    def start(self, group: asyncio.TaskGroup, epoch: int) -> None:
        """Streams live in `group`; `epoch` is shown at every dial."""
        self._group, self.epoch = group, epoch
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), trust_env=False
        )
        self._telling = group.create_task(self.orders.run(), name="orders")

    async def close(self) -> None:
        """Drop all connections."""
        if self._telling is not None:
            self._telling.cancel()
        if self._session is not None:
            await self._session.close()

    def set_pods(self, pods: Sequence[RouterPod]) -> None:
        """Dial new pods, forget those that are gone."""
        assert self._group, "start first"
        first, self._known = not self._known, True
        wanted = {pod.uid: pod for pod in pods}
        gone = [
            uid
            for uid, router in self._routers.items()
            if uid not in wanted or wanted[uid].address != router.pod.address
        ]
        for uid in gone:
            router = self._routers.pop(uid)
            if router.task:
                router.task.cancel()
            self._tell_failing(router.failing, {})
            first = True
        for uid, pod in wanted.items():
            if uid in self._routers:
                self._routers[uid].pod = pod
            else:
                router = self._routers[uid] = HeardRouter(pod)
                router.task = self._group.create_task(self._follow(router), name=f"router {uid}")
        if first:
            self._reconsider()

    def unreached(self, backend: str) -> str:
        """
        Which router has no endpoint yet of a backend in its table, in words; empty if all do.

        A router that was dialed just now has not been asked; one that is silent is not waited for.
        """
        said = "" if self._known else "the routers are not known yet"
        for view in self.views():
            if view.pending:
                said = f"{view.pod} has not answered yet"
            elif not view.silent and backend in view.unreachable:
                said = f"{view.pod} has no endpoint of it yet"
                break
        if said:
            self._asked.add(backend)
        return said

    def failing(self, backend: str, *, known: bool) -> str | None:
        """
        How requests for a backend end at a router that sees none answered; empty if there is none.

        The word of most of them. None if it is `known` to be so, and a router has yet to say.
        """
        heard = [one for one in self._routers.values() if not self._silent(one)]
        told = Counter(one.failing[backend] for one in heard if backend in one.failing)
        if told:
            return min(told, key=lambda word: (-told[word], word))
        if known and not (self._known and all(one.spoke for one in heard)):
            self._asked.add(backend)
            return None
        return ""

    def _tell_failing(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        for name in {*before, *now}:
            if before.get(name) != now.get(name):
                self._tell_reach(name)

    def _on_change(self) -> None:
        self._tell_change()
        self._reconsider()

    def _reconsider(self) -> None:
        asked, self._asked = self._asked, set()
        for backend in asked:
            self._tell_reach(backend)

    def views(self) -> list[RouterView]:
        """What is known now, by pod name."""
        found = [
            RouterView(
                pod=r.pod.name,
                silent=self._silent(r),
                pending=not r.spoke and not self._silent(r),
                acks=dict(r.acks),
                position=r.position,
                unreachable=r.unreachable,
            )
            for r in self._routers.values()
        ]
        silent = sum(view.silent or view.pending for view in found)
        metrics.ROUTERS.labels("Speaking").set(len(found) - silent)
        metrics.ROUTERS.labels("Silent").set(silent)
        return sorted(found, key=lambda view: view.pod)

    def loads(self, backend: str) -> list[RouterReport | None]:
        """What each router has of a backend; None for one that runs and does not say."""
        return [router.report(backend) for router in self._heard_of()]

    def totals(self) -> Mapping[str, int] | None:
        """Requests that all routers hold or have sent, by backend; None if one does not say."""
        found: Counter[str] = Counter()
        for router in self._heard_of():
            if router.load is None:
                return None
            found.update(router.busy())
        return found

    def served(self) -> Mapping[str, table.Served]:
        """What each router that runs has served since it began, by the pod's uid."""
        return {router.pod.uid: router.served for router in self._heard_of()}

    def arms(self, policy: str) -> Mapping[str, Arms]:
        """What each router that runs has counted of a policy's rollout, by the pod's uid."""
        told = {router.pod.uid: router.arms.get(policy) for router in self._heard_of()}
        return {uid: one for uid, one in told.items() if one is not None and one.is_readable}

    def budgets(self, policy: str) -> list[table.BudgetUse]:
        """What each router that runs has told of a policy's budgets."""
        return [use for router in self._heard_of() for use in router.budgets.get(policy, ())]

    def in_flight(self, backend: str) -> int:
        """What the routers that speak have sent to a backend, and is not finished."""
        return sum(one.in_flight for one in self.loads(backend) if one)

    def mute(self) -> list[str]:
        """Names of the routers whose load is not known."""
        return sorted(router.pod.name for router in self._heard_of() if router.load is None)

    def _heard_of(self) -> list[HeardRouter]:
        """All but those that do not run: a router that fails to start must not hold up scaling."""
        return [one for one in self._routers.values() if one.pod.runs or one.load is not None]

    def _obeyed_by_all(self, backend: str) -> bool:
        """Whether every router holds requests for a backend, and has none of it left."""
        heard = self._heard_of()
        loads = [router.load for router in heard if router.load is not None]
        return (
            bool(heard)
            and len(loads) == len(heard)
            and all(
                backend in load.holding
                and not load.in_flight.get(backend)
                and not load.held.get(backend)
                for load in loads
            )
        )

    async def _put(self, backend: str, order: table.Order) -> None:
        """Tell every router; one that does not hear it does not confirm it either."""
        body = table.encode(order)
        limit = asyncio.Semaphore(MOST_PUTS)

        async def tell(router: HeardRouter) -> None:
            url = f"{self._base(router)}/admin/backends/{quote(backend)}"
            timeout = aiohttp.ClientTimeout(total=CONNECT_S)
            assert self._session is not None
            try:
                async with (
                    limit,
                    self._session.put(
                        url, data=body, headers=self.headers(), timeout=timeout,
                        allow_redirects=False,
                    ) as response,
                ):  # fmt: skip
                    if response.status != HTTPStatus.NO_CONTENT:
                        metrics.ROUTER_FAULTS.labels(f"Http{label_of(response.status)}").inc()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                metrics.ROUTER_FAULTS.labels(type(error).__name__).inc()

        await asyncio.gather(*(tell(router) for router in self._heard_of()))

    def _base(self, router: HeardRouter) -> str:
        host = f"[{router.pod.address}]" if ":" in router.pod.address else router.pod.address
        return f"http://{host}:{self._settings.router_admin_port}"

    def ports(self) -> list[str]:
        """Admin ports of the routers that speak."""
        return [self._base(one) for one in self._routers.values() if one.load is not None]

    def doors(self) -> dict[str, str]:
        """Admin ports of the routers that run, by the pod's uid."""
        return {one.pod.uid: self._base(one) for one in self._heard_of()}

    def headers(self) -> dict[str, str]:
        """What is shown there."""
        return dial_headers(self._settings.router_token_file, self.epoch)

    def blobs_in_use(self) -> set[str]:
        """Hashes that some router said it runs."""
        return _blobs(router.acks for router in self._routers.values())

    def running(self) -> set[str] | None:
        """Hashes that routers run which speak; None while one of them was not heard yet."""
        views = self.views()
        if not self._known or any(view.pending for view in views):
            return None
        return _blobs(view.acks for view in views if not view.silent)

    def ack_times(self, policy: str, blob: str) -> Mapping[str, float | None]:
        """Pod -> unix time at which it first said that it runs this blob."""
        return {
            r.pod.name: r.acked_at.get((policy, blob)) if r.runs(policy, blob) else None
            for r in self._routers.values()
        }

    def _silent(self, router: HeardRouter) -> bool:
        return time.monotonic() - router.heard_s >= self._settings.router_silence_s

    async def _follow(self, router: HeardRouter) -> None:
        """Keep a stream open for as long as the pod is there."""
        backoff_s = BACKOFF_S[0]
        while True:
            begun_s = time.monotonic()
            try:
                await self._read(router)
            except (StreamBroken, aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) if isinstance(error, StreamBroken) else type(error).__name__
                metrics.ROUTER_FAULTS.labels(reason).inc()
                log.debug("stream", extra={"pod": router.pod.name, "reason": reason})
                if router.load is not None:
                    router.load = None
                    self._tell_load()
                if self._silent(router) and not router.told_silent:
                    router.told_silent = True
                    self._tell_failing(router.failing, {})
                    self._on_change()
            if time.monotonic() - begun_s > BACKOFF_S[1]:
                backoff_s = BACKOFF_S[0]
            await asyncio.sleep(backoff_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            backoff_s = min(BACKOFF_S[1], backoff_s * 2)

    async def _read(self, router: HeardRouter) -> None:
        assert self._session, "start first"
        async with self._session.get(
            f"{self._base(router)}/admin/stream",
            headers=self.headers(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_S, sock_read=self._settings.router_silence_s
            ),
            allow_redirects=False,
        ) as response:
            if response.status == HTTPStatus.CONFLICT:
                self._overtake(await response.content.read(MAX_REFUSAL_BYTES))
            if response.status != HTTPStatus.OK:
                raise StreamBroken(f"Http{label_of(response.status)}")
            async for line in lines_of(response.content, self._settings.router_silence_s):
                try:
                    self._hear(router, table.decode_event(line))
                except table.TableError as error:
                    raise StreamBroken("NotAnEvent") from error

    def _overtake(self, said: bytes) -> None:
        """
        A router knows a newer epoch than the leader's: the cluster was restored from a backup.

        Whoever is not surely the leader ends here instead. The manifest carries the new epoch on.
        """
        found = OLDER_EPOCH.search(said)
        newest = int(found[1]) if found else -1
        if newest < self.epoch:
            return
        self._fence()
        log.warning("epoch overtaken", extra={"epoch": self.epoch, "newest": newest})
        self.epoch = newest + 1
        self._on_change()

    def _hear(self, router: HeardRouter, event: table.AdminEvent) -> None:
        position = (event.epoch, event.serial)
        before = {} if self._silent(router) else router.failing
        news = self._silent(router) or not router.spoke or position != router.position
        router.heard_s, router.spoke, router.told_silent = time.monotonic(), True, False
        router.position = position
        if event.type != "Ack":
            router.hear_load(event)
            self._tell_failing(before, router.failing)
            if event.budgets is not None:
                news = news or differ(router.budgets, event.budgets)
                router.budgets = event.budgets
            self._tell_load()
            self.orders.heard()
        if event.type not in {"Hello", "Ack"}:
            if news:
                self._on_change()
            return
        router.hear_acks(event)
        self._on_change()


def _blobs(told: Iterable[Mapping[str, table.Ack]]) -> set[str]:
    acks = [ack for one in told for ack in one.values()]
    return {ack.blob for ack in acks} | {ack.candidate for ack in acks if ack.candidate}
