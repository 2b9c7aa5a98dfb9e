"""Puts the control side of a router process together: client, cluster, admin port.

Guarantees that all of it is closed in order.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from pointsman.router.settings import Settings

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.pinned import Desk


@dataclass(frozen=True, slots=True)
class ControlSide:
    """What runs; `port` is the admin port that was bound."""

    cluster: Cluster
    admin: Admin
    port: int


@asynccontextmanager
async def control_side(
    settings: Settings,
    server: ApiServer,
    feed: TableFeed,
    *,
    callers: CallerFeed | None,
    store: Store,
    metrics: ControlMetrics,
    plane: "DataPlane",
) -> AsyncIterator[ControlSide]:
    """
    Listens on the admin port; `cluster.run` is left to the caller.

    `callers` None: the router is open.
    """
    timing = Timing(inactivity_s=settings.watch_inactivity_s, relist_s=settings.resync_s)
    async with KubeClient(server, request_s=settings.api_timeout_s) as client:
        cluster = Cluster(
            feed,
            client,
            metrics,
            release=settings.release,
            router_service=settings.router_service,
            callers=callers,
            timing=timing,
        )
        token = settings.admin_auth == "token"
        admin = Admin(
            feed,
            metrics,
            router=settings.router,
            auth=TokenAuth(client, settings.operator_user) if token else None,
            desk=lambda: _desk(plane),
            details=lambda: {
                "watches": cluster.state,
                "unreadSecrets": cluster.unread,
                "callers": callers.shown() if callers else {"mode": "Open"},
                "state": store.problems,
            },
        )
        port = await admin.start(settings.admin.host, settings.admin.port)
        try:
            yield ControlSide(cluster, admin, port)
        finally:
            await admin.close()


def _desk(plane: "DataPlane") -> "Desk":
    from pointsman.router.serve.pinned import Desk  # noqa: PLC0415 - few routers are asked

    return Desk(plane)
