"""kopf itself, over HTTP, against each fault that a pin is for; and what a pin keeps it from.

The clocks are shortened by settings; each deadline here is far below kopf's default, so that every
test fails without its pin.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from pointsman.operator.controllers.keys import WATCHED
from pointsman.operator.controllers.triggers import Triggers
from pointsman.operator.settings import Settings
from tests.faults.fault import Fault
from tests.faults.proxy import FaultProxy, Upstream
from tests.operator.objects import backend
from tests.support.fake_api import FakeApi
from tests.support.kubeconfig import write_kubeconfig

DEADLINE_S = 60
WATCHES = frozenset(plural for _, plural, _ in WATCHED)
NAMESPACE = "ai"
HASTY = {"watch_backoff_max_s": 0.05}


@dataclass(slots=True)
class World:
    """kopf in its thread, behind the proxy, before a fake API server."""

    api: FakeApi
    proxy: FaultProxy
    keys: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    gaps: list[None] = field(default_factory=list)
    serial: int = 0

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for what another thread does."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not holds():  # noqa: ASYNC110 - another thread
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"waited {DEADLINE_S} s for {what}; {self.ended}") from None

    async def all_open(self) -> None:
        """Every watch is open."""
        wanted = {("127.0.0.1", plural) for plural in WATCHES}
        await self.until(lambda: wanted <= self.proxy.watches().keys(), "all watches")

    async def notices(self) -> None:
        """A new backend becomes a key."""
        self.serial += 1
        name = f"b{self.serial}"
        self.api.put(thing(name))
        await self.until(lambda: f"backend/{name}" in self.keys, name)

    async def met(self, count: int) -> None:
        """So many requests met the fault."""
        await self.until(lambda: len(self.proxy.met()) >= count, f"{count} requests")

    def lives(self) -> int:
        """How often kopf began: it asks what is served once, before all else, and also in vain."""
        return sum(path == "/api" for _, path, _ in self.api.requests)

    def queries(self, plural: str, *, watch: bool) -> list[dict[str, str]]:
        """The queries of all lists or watches of a kind."""
        return [
            dict(query)
            for _, path, query in self.api.requests
            if path.endswith(f"/{plural}") and ("watch" in query) == watch
        ]


def thing(name: str, **about: Any) -> dict[str, Any]:
    """A backend."""
    item = backend(name)
    item["metadata"] |= {"namespace": NAMESPACE, **about}
    return item


@asynccontextmanager
async def world(
    folder: Path, fault: Fault | None = None, *, tls: bool = False, **clocks: float
) -> AsyncIterator[World]:
    """kopf runs; `fault` is there from the beginning."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with FakeApi() as api:
        port = int(api.url.rpartition(":")[2])
        with FaultProxy(Upstream("127.0.0.1", port, None), tls=context if tls else None) as proxy:
            here = World(api, proxy)
            if fault:
                proxy.inject(fault)
            url = f"{'https' if tls else 'http'}://127.0.0.1:{proxy.port}"
            file = write_kubeconfig(folder, url, authority.cert_pem.bytes())
            triggers = Triggers(
                Settings(namespace=NAMESPACE, kubeconfig=file, **(HASTY | clocks)),  # type: ignore[arg-type]
                add=here.keys.append,
                services={},
                on_end=here.ended.append,
                on_gap=lambda: here.gaps.append(None),
            )
            triggers.start()
            try:
                if not fault:
                    await here.all_open()
                yield here
            finally:
                proxy.heal()
                await asyncio.to_thread(triggers.stop, DEADLINE_S)


# What hangs in a life of kopf that is over is left behind after BURIAL_S, and complains when the
# garbage collector finds it.
pytestmark = [
    pytest.mark.litters,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triggers set KUBECONFIG, since kopf reads nothing else."""
    monkeypatch.setenv("KUBECONFIG", "")


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_error_backoffs_outlast_any_outage(tmp_path: Path, status: int) -> None:
    """More refusals than kopf's own list has steps; each watcher goes on from where it was."""
    fault = Fault("refused", "status", status=status, streams="end")
    async with world(tmp_path) as here:
        lists = {plural: len(here.queries(plural, watch=False)) for plural in WATCHES}
        here.proxy.inject(fault)
        await here.met(12 * len(WATCHES))
        here.proxy.heal()
        await here.all_open()
        await here.notices()

        assert here.ended == []
        assert {plural: len(here.queries(plural, watch=False)) for plural in WATCHES} == lists


async def test_request_timeout_ends_a_silent_list(tmp_path: Path) -> None:
    """kopf's own would be 300 s."""
    fault = Fault("silent lists", "silent", on="reads", path="/modelbackends")
    async with world(tmp_path, fault, request_timeout_s=0.3) as here:
        await here.met(2)
        here.proxy.heal()
        await here.notices()


DEAF = Fault("deaf", streams="end", accept="deaf")


async def test_connect_timeout_ends_a_connection_that_nobody_takes(tmp_path: Path) -> None:
    """kopf would wait as long as for a whole request: here for longer than this test."""
    clocks = {"connect_timeout_s": 0.3, "request_timeout_s": 3600.0}
    async with world(tmp_path, DEAF, tls=True, **clocks) as here:
        await here.met(2)
        here.proxy.heal()
        await here.all_open()
        await here.notices()


async def test_connect_timeout_is_for_watches_too(tmp_path: Path) -> None:
    """Without a longer one of their own, as others have."""
    async with world(tmp_path, tls=True, connect_timeout_s=0.3) as here:
        here.proxy.inject(Fault("", streams="reset", accept="deaf"))
        await here.met(2)
        here.proxy.heal()
        await here.all_open()
        await here.notices()


async def test_inactivity_timeout_ends_a_silent_watch(tmp_path: Path) -> None:
    """The change of the silent time is seen, by a new watch from the version that was seen last."""
    async with world(tmp_path, watch_inactivity_s=0.5) as here:
        here.proxy.inject(Fault("half-open", streams="freeze", connections="freeze"))
        await here.notices()


GAPS = {
    "in one life": Fault("", "error", on="watches", status=410, streams="error"),
    "in the next": Fault("", streams="half"),
}


@pytest.mark.parametrize("fault", GAPS.values(), ids=GAPS.keys())
async def test_a_list_that_follows_a_gap_is_told(tmp_path: Path, fault: Fault) -> None:
    """No event names what was deleted in it, here the only backend; the first lists are no gap."""
    async with world(tmp_path) as here:
        await here.notices()
        assert here.gaps == []
        here.proxy.inject(fault)
        here.api.delete("ModelBackend", "b1", NAMESPACE)
        here.proxy.heal()
        await here.until(lambda: here.gaps, "a gap")
        await here.notices()


async def test_ultimate_exiting_timeout_kills_nobody(tmp_path: Path) -> None:
    """kopf's own ten minutes, shortened to none: they begin when kopf ends, and kill us all."""
    script = (
        "import asyncio, pathlib, kopf\n"
        "from tests.faults.test_pins import begin_anew\n"
        "type(kopf.OperatorSettings().process).__init__.__defaults__ = (0,)\n"
        "asyncio.run(begin_anew(pathlib.Path()))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "KUBECONFIG": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=tmp_path, env=environment
    )
    try:
        async with asyncio.timeout(2 * DEADLINE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


async def test_server_timeout_is_asked_of_every_watch(tmp_path: Path) -> None:
    """Without it the API server chooses 30 to 60 minutes."""
    async with world(tmp_path) as here:
        for plural in WATCHES:
            await here.until(lambda: here.queries(plural, watch=True), f"a watch of {plural}")  # noqa: B023 - awaited
            asked = {query.get("timeoutSeconds") for query in here.queries(plural, watch=True)}
            assert asked == {"300"}


async def test_label_selectors_are_the_servers_work(tmp_path: Path) -> None:
    """Lists and watches of what a namespace may have thousands of."""
    wanted = {
        "pods": "app.kubernetes.io/part-of=pointsman",
        "configmaps": "pointsman.dev/routing-table=pointsman",
    }
    async with world(tmp_path) as here:
        for plural, selector in wanted.items():
            for watch in (False, True):
                await here.until(
                    lambda: here.queries(plural, watch=watch),  # noqa: B023 - awaited
                    f"requests for {plural}",
                )
                queries = here.queries(plural, watch=watch)
                assert {query.get("labelSelector") for query in queries} == {selector}


async def test_standalone_is_stopped_by_nobodys_peering(tmp_path: Path) -> None:
    """Another kopf operator's peering, of a higher priority, would pause ours for ever."""
    async with world(tmp_path) as here:
        here.api.put(
            {
                "apiVersion": "kopf.dev/v1",
                "kind": "KopfPeering",
                "metadata": {"name": "default", "namespace": NAMESPACE, "uid": "p"},
                "status": {"other": {"priority": 100, "lifetime": 3600,
                                     "lastseen": "2100-01-01T00:00:00+00:00"}},
            }
        )  # fmt: skip
        await here.notices()

        assert not here.queries("kopfpeerings", watch=False)


async def test_scanning_disabled_needs_no_right_on_the_cluster(tmp_path: Path) -> None:
    """Neither namespaces nor CRDs are listed: a Role is enough."""
    async with world(tmp_path) as here:
        await here.notices()
        asked = {path.rpartition("/")[2] for _, path, _ in here.api.requests}

        assert not asked & {"namespaces", "customresourcedefinitions"}


async def test_kopf_writes_nothing(tmp_path: Path) -> None:
    """No finalizer, annotation or Event, not even about an object on which a handler fails."""
    async with world(tmp_path) as here:
        poison = thing("poison")
        del poison["metadata"]["uid"]
        here.api.put(poison)
        await here.notices()

        assert {method for method, _, _ in here.api.requests} == {"GET"}


ENDS_KOPF = {
    "an ERROR that is not 410": Fault("", streams="error", status=500),
    "garbage": Fault("", streams="garbage"),
    "half a line": Fault("", streams="half"),
    "410 as a status": Fault("", "status", on="watches", status=410, streams="end"),
    "a balancer's 404": Fault("", "status", "watches", status=404, page=b"<html>", streams="end"),
    "a balancer's 200": Fault("", "status", "watches", status=200, page=b"{}", streams="end"),
    "half a list": Fault("", "truncate", on="reads", status=410, streams="error"),
}


@pytest.mark.parametrize("fault", ENDS_KOPF.values(), ids=ENDS_KOPF.keys())
async def test_what_ends_kopf_does_not_end_the_process(tmp_path: Path, fault: Fault) -> None:
    """It is begun anew in place: no new epoch, no dials, no back-off of a kubelet."""
    await begin_anew(tmp_path, fault)


async def begin_anew(folder: Path, fault: Fault = ENDS_KOPF["garbage"]) -> None:
    """A life of kopf ends by this fault; the next one does all that the first did."""
    async with world(folder) as here:
        await here.notices()
        begun = here.lives()
        here.proxy.inject(fault)
        await here.until(lambda: here.lives() > begun, "a new life")
        here.proxy.heal()
        await here.all_open()
        await here.notices()

        assert here.ended == []
