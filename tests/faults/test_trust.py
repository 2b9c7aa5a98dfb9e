"""A cluster's authority is rotated under living processes: none has to be restarted to see it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.controllers.triggers import Triggers
from pointsman.operator.errors import Waiting
from pointsman.operator.settings import Settings
from pointsman.process.trust import trust_of
from pointsman.router.control.kube import KubeClient, Unreachable
from pointsman.router.control.kube_config import ApiServer
from tests.faults.proxy import FaultProxy, Upstream
from tests.faults.test_pins import NAMESPACE, thing
from tests.support.fake_api import FakeApi

PATH = f"/apis/pointsman.dev/v1alpha1/namespaces/{NAMESPACE}/modelbackends"
# A life of kopf that is over may leave what the garbage collector complains of.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "%s", certificate-authority: "%s"}}]
users: [{name: u, user: {token: t}}]
"""


@dataclass(slots=True)
class Plane:
    """A fake API server behind TLS of the proxy, and the bundle that clients have of it."""

    api: FakeApi
    proxy: FaultProxy
    tls: ssl.SSLContext
    bundle: Path
    old: trustme.CA
    new: trustme.CA

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.proxy.port}"

    def serve_new(self) -> None:
        """The new authority's certificate from now on, and no old connection any more."""
        self.new.issue_cert("127.0.0.1").configure_cert(self.tls)
        self.proxy.drop()

    def tell(self) -> None:
        """As a kubelet does: both authorities are in the bundle."""
        both = self.old.cert_pem.bytes() + self.new.cert_pem.bytes()
        fresh = self.bundle.with_name("fresh")
        fresh.write_bytes(both)
        fresh.rename(self.bundle)


@asynccontextmanager
async def plane(folder: Path) -> AsyncIterator[Plane]:
    old, new = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.issue_cert("127.0.0.1").configure_cert(tls)
    bundle = folder / "ca.crt"
    old.cert_pem.write_to_path(str(bundle))
    async with FakeApi() as api:
        port = int(api.url.rpartition(":")[2])
        with FaultProxy(Upstream("127.0.0.1", port, None), tls=tls) as proxy:
            yield Plane(api, proxy, tls, bundle, old, new)


async def test_a_routers_client_reads_the_bundle_anew(tmp_path: Path) -> None:
    """Refused as long as the bundle does not know the authority, and the next request after it."""
    async with plane(tmp_path) as here:
        trust = trust_of(here.bundle)
        async with KubeClient(ApiServer(here.url, trust.context, trust=trust)) as client:
            assert await client.get(PATH)
            here.serve_new()
            with pytest.raises(Unreachable):
                await client.get(PATH)
            here.tell()

            assert await client.get(PATH)


@pytest.mark.parametrize("broken", [b"", b"no certificate", b"\xff"])
async def test_a_bundle_that_is_none_changes_nothing(tmp_path: Path, broken: bytes) -> None:
    """What was trusted stays so; the whole file, when it comes, is read."""
    async with plane(tmp_path) as here:
        trust = trust_of(here.bundle)
        here.bundle.write_bytes(broken)

        assert not trust.renew()
        assert len(trust.context.get_ca_certs()) == 1
        here.tell()
        assert trust.renew()
        assert len(trust.context.get_ca_certs()) == 2
        assert not trust.renew()


@pytest.mark.litters
async def test_the_operators_client_and_its_watches_read_the_bundle_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kopf keeps its session for ever: the change behind the rotation is seen in the same life."""
    monkeypatch.setenv("KUBECONFIG", "")
    keys: list[str] = []
    async with plane(tmp_path) as here, asyncio.timeout(60):
        file = tmp_path / "kubeconfig"
        file.write_text(_KUBECONFIG % (here.url, here.bundle))
        settings = Settings(namespace=NAMESPACE, kubeconfig=file, watch_backoff_max_s=0.05)
        client = await Api.open(settings)
        triggers = Triggers(settings, add=keys.append, services={}, on_end=keys.append)
        triggers.start()
        try:
            here.api.put(thing("before"))
            await until(keys, "backend/before")
            here.serve_new()
            with pytest.raises(Waiting):
                await client.list_all(kinds.MODEL_BACKEND)
            here.tell()
            with pytest.raises(Waiting):  # it makes the next one trust
                await client.list_all(kinds.MODEL_BACKEND)
            assert await client.list_all(kinds.MODEL_BACKEND)
            here.api.put(thing("after"))
            await until(keys, "backend/after")
        finally:
            await asyncio.to_thread(triggers.stop, 10.0)
            await client.close()


async def until(keys: list[str], key: str) -> None:
    while key not in keys:  # noqa: ASYNC110 - another thread; the test has a deadline
        await asyncio.sleep(0.02)
