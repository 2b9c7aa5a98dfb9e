"""A router's control side in this process, and how to wait for what it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from pointsman.router.callers import OPEN, Refusal, judge
from pointsman.router.control.admin import Admin
from pointsman.router.control.auth import TokenAuth
from pointsman.router.control.callers import CallerFeed
from pointsman.router.control.cluster import Cluster
from pointsman.router.control.kube import KubeClient
from pointsman.router.control.kube_config import ApiServer
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.control.store import Store
from pointsman.router.control.watch import Timing
from pointsman.router.live import Live
from pointsman.router.serve.pinned import Desk
from tests.router.control.objects import NAMESPACE

OPERATOR = f"system:serviceaccount:{NAMESPACE}:pointsman-operator"
HASTY = Timing(backoff_min_s=0.01, backoff_max_s=0.1)
PATIENCE_S = 30.0


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait for something that no event tells."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - the watched state is plain data
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"waited {PATIENCE_S:g} s for {what}") from None


@dataclass(frozen=True, slots=True)
class Router:
    """All of it but the data plane."""

    live: Live
    feed: TableFeed
    store: Store | None
    client: KubeClient
    cluster: Cluster
    auth: TokenAuth
    admin: Admin
    metrics: ControlMetrics
    callers: CallerFeed | None
    url: str

    def caller(self, key: bytes) -> str:
        """Name of whom a request with this key is from, or why it is refused."""
        headers = [(b"authorization", b"Bearer " + key)]
        found = judge(self.live.callers, headers, time.time()).caller
        return str(found) if isinstance(found, Refusal) else found.name

    def running(self) -> dict[str, str]:
        """Policy -> revision in force."""
        return {policy.name: policy.revision for policy in self.live.table.policies}


@asynccontextmanager
async def running_router(
    server: ApiServer,
    *,
    release: str = "pointsman",
    folder: Path | None = None,
    token: bool = False,
    heartbeat_s: float = 5.0,
    order_s: float = 15.0,
    callers: Sequence[str] = (),
    desk: Callable[[], Desk] | None = None,
) -> AsyncIterator[Router]:
    """Restores, follows the API server, listens on an admin port; open without `callers`."""
    live = Live()
    metrics = ControlMetrics(CollectorRegistry())
    store = (
        Store(
            state=folder / "state",
            keys=folder / "keys",
            identity=f"{NAMESPACE}/{release}",
            metrics=metrics,
        )
        if folder
        else None
    )
    feed = TableFeed(live, metrics, namespace=NAMESPACE, store=store)
    feed.restore()
    known = CallerFeed(live, metrics, names=callers, store=store) if callers else None
    if known is None:
        live.callers = OPEN
    else:
        known.restore()
    async with KubeClient(server, request_s=5) as client:
        cluster = Cluster(
            feed,
            client,
            metrics,
            release=release,
            callers=known,
            timing=HASTY,
            secrets_every_s=0.05,
        )
        auth = TokenAuth(client, OPERATOR)
        admin = Admin(
            feed,
            metrics,
            router="router-0",
            auth=auth if token else None,
            details=lambda: {
                "watches": cluster.state,
                "callers": known.shown() if known else None,
            },
            desk=desk,
            heartbeat_s=heartbeat_s,
            order_s=order_s,
        )
        port = await admin.start("127.0.0.1", 0)
        task = asyncio.create_task(cluster.run())
        try:
            yield Router(
                live,
                feed,
                store,
                client,
                cluster,
                auth,
                admin,
                metrics,
                known,
                f"http://127.0.0.1:{port}",
            )
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await admin.close()
            if store is not None:
                assert await asyncio.to_thread(store.flush, PATIENCE_S)
