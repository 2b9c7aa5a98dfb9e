"""Router and operator show their token to the cluster's own API server alone.

A server with a good certificate of another authority, or of another name, listens where the API
server should be: it sees no request, so no token either.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.errors import Waiting
from pointsman.operator.settings import Settings
from pointsman.router.control.kube import KubeClient, Unreachable
from pointsman.router.control.kube_config import from_kubeconfig
from tests.support.kubeconfig import write_kubeconfig

AUTHORITY, OTHER = trustme.CA(), trustme.CA()
IMPOSTORS = {
    "another authority": (OTHER, "127.0.0.1"),
    "another name": (AUTHORITY, "kubernetes.example.com"),
}
LIST = {
    "apiVersion": "v1",
    "kind": "ConfigMapList",
    "metadata": {"resourceVersion": "1"},
    "items": [],
}
Ask = Callable[[Path], Awaitable[None]]


@asynccontextmanager
async def serving(
    tmp_path: Path, authority: trustme.CA, name: str
) -> AsyncIterator[tuple[Path, list[str]]]:
    """A kubeconfig that trusts AUTHORITY, and what the server behind it was shown."""
    shown: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers.get("authorization", ""))
        return web.json_response(LIST)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield write_kubeconfig(tmp_path, url, AUTHORITY.cert_pem.bytes()), shown
    finally:
        await runner.cleanup()


async def router(kubeconfig: Path) -> None:
    async with KubeClient(from_kubeconfig(kubeconfig)) as client:
        await client.get("/api/v1/namespaces/ai/configmaps")


async def operator(kubeconfig: Path) -> None:
    api = await Api.open(Settings(namespace="ai", kubeconfig=kubeconfig))
    try:
        await api.list_all(kinds.CONFIG_MAP)
    finally:
        await api.close()


@pytest.mark.parametrize("impostor", IMPOSTORS)
async def test_a_router_speaks_to_the_clusters_own_api_server_alone(
    tmp_path: Path, impostor: str
) -> None:
    """By the authority and by the name."""
    await _speaks_to_its_own(tmp_path, impostor, router, Unreachable)


@pytest.mark.parametrize("impostor", IMPOSTORS)
async def test_an_operator_speaks_to_the_clusters_own_api_server_alone(
    tmp_path: Path, impostor: str
) -> None:
    """By the authority and by the name."""
    await _speaks_to_its_own(tmp_path, impostor, operator, Waiting)


async def _speaks_to_its_own(
    tmp_path: Path, impostor: str, ask: Ask, refusal: type[Exception]
) -> None:
    async with serving(tmp_path, *IMPOSTORS[impostor]) as (kubeconfig, shown):
        with pytest.raises(refusal):
            await ask(kubeconfig)
        assert shown == []
    async with serving(tmp_path, AUTHORITY, "127.0.0.1") as (kubeconfig, shown):
        await ask(kubeconfig)
        assert shown == ["Bearer t"]
