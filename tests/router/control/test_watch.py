"""List and watch, whatever the API server does to the stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from prometheus_client import CollectorRegistry

from pointsman.router.control.kube import ApiError, KubeClient, Unreachable
from pointsman.router.control.kube_config import ApiServer
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.objects import Service
from pointsman.router.control.watch import Reflector, Timing
from tests.router.control.objects import NAMESPACE, service_object
from tests.support.fake_api import FakeApi

_DEADLINE_S = 20
_PATIENT = Timing(backoff_min_s=0.01, backoff_max_s=0.05)
_PATH = f"/api/v1/namespaces/{NAMESPACE}/services"


class _Seen:
    """What a reflector told last; `until` waits for a state."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.calls = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def changed(self, objects: Mapping[str, Service]) -> None:
        self.names = set(objects)
        self.calls += 1
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(_DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: self.names == set(names))


@asynccontextmanager
async def _watching(
    api: FakeApi, timing: Timing = _PATIENT, changed: Callable[..., None] | None = None
) -> AsyncIterator[tuple[_Seen, Reflector[Service], ControlMetrics]]:
    seen = _Seen()
    metrics = ControlMetrics(CollectorRegistry())
    async with KubeClient(ApiServer(api.url), request_s=5) as client:
        reflector = Reflector(
            client,
            Service,
            watched="services",
            path=_PATH,
            changed=changed or seen.changed,
            metrics=metrics,
            timing=timing,
        )
        task = asyncio.create_task(reflector.run())
        try:
            yield seen, reflector, metrics
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _failures(metrics: ControlMetrics, reason: str) -> float:
    return (
        metrics.registry.get_sample_value(
            "pointsman_router_watch_failures_total", {"watch": "services", "reason": reason}
        )
        or 0.0
    )


async def test_a_list_and_then_each_change_is_told() -> None:
    """Created, changed and deleted objects, by one list and one watch."""
    async with FakeApi() as api:
        api.put(service_object("a"))
        async with _watching(api) as (seen, reflector, _):
            await seen.until("a")
            await api.watched(1)
            api.put(service_object("b"))
            await seen.until("a", "b")
            api.delete("Service", "a")
            await seen.until("b")

        assert (reflector.synced, reflector.failing) == (True, "")
        assert api.count("services", watch=False) == 1
        assert api.count("services", watch=True) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda api: api.send_error(500), "StreamError"),
        (lambda api: api.send_error(410), "Gone"),
        (lambda api: api.send(b"{garbage\n"), "Garbage"),
        (lambda api: api.send(b'"ADDED"\n'), "Garbage"),
        (lambda api: api.send(b"[" * 100_000 + b"\n"), "Garbage"),
        (lambda api: api.reset(), "Unreachable"),
    ],
    ids=["error 500", "error 410", "garbage", "no event", "deep", "reset"],
)
async def test_a_broken_stream_is_replaced(fault: Callable[[FakeApi], None], reason: str) -> None:
    """By a new list; what changed meanwhile is seen, deletions too, and the fault is counted."""
    async with FakeApi() as api:
        api.put(service_object("old"))
        async with _watching(api) as (seen, _, metrics):
            await seen.until("old")
            await api.watched(1)
            api.silent = True
            api.delete("Service", "old")
            api.put(service_object("new"))
            api.silent = False
            fault(api)
            await seen.until("new")
            await api.watched(1)
            api.put(service_object("newer"))
            await seen.until("new", "newer")
            counted = _failures(metrics, reason)

        # A reset that comes between two bytes of an answer is seen by the watch or by nobody.
        assert counted >= (0 if reason == "Unreachable" else 1)


async def test_a_deletion_in_a_compacted_gap_is_seen() -> None:
    """410 at the start of a watch: the list that follows knows no ghost."""
    async with FakeApi() as api:
        api.put(service_object("ghost"))
        async with _watching(api) as (seen, _, _):
            await seen.until("ghost")
            await api.watched(1)
            await api.stop()
            api.delete("Service", "ghost")
            api.put(service_object("real"))
            api.compact()
            await api.start()
            await seen.until("real")


async def test_a_silent_watch_is_given_up() -> None:
    """No bytes for longer than bookmarks allow: the change is seen by the next list."""
    timing = Timing(inactivity_s=0.1, backoff_min_s=0.01, backoff_max_s=0.02)
    async with FakeApi() as api:
        async with _watching(api, timing) as (seen, _, metrics):
            await seen.until()
            await api.watched(1)
            api.silent = True
            api.put(service_object("a"))
            await seen.until("a")

        assert _failures(metrics, "Unreachable") >= 1


async def test_a_full_list_repairs_what_the_watch_lost() -> None:
    """Without any sign of a fault."""
    timing = Timing(relist_s=0.2, backoff_min_s=0.01, backoff_max_s=0.02)
    async with FakeApi() as api:
        async with _watching(api, timing) as (seen, _, metrics):
            await seen.until()
            await api.watched(1)
            api.silent = True
            api.put(service_object("lost"))
            await seen.until("lost")

        assert _failures(metrics, "Unreachable") == 0


async def test_a_watch_that_ends_goes_on_from_its_version() -> None:
    """API servers end them every few minutes: that costs no list."""
    async with FakeApi() as api:
        async with _watching(api) as (seen, _, _):
            await seen.until()
            await api.watched(1)
            api.put(service_object("a"))
            await seen.until("a")
            api.end_watches()
            api.put(service_object("b"))
            await seen.until("a", "b")

        assert api.count("services", watch=False) == 1


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_refusal_keeps_the_state_and_is_tried_again(status: int) -> None:
    """For ever, by the same task."""
    async with FakeApi() as api:
        api.put(service_object("a"))
        async with _watching(api) as (seen, reflector, _):
            await seen.until("a")
            await api.watched(1)
            api.refuse["services"] = status
            api.send_error(500)
            await api.listed("services", 3)
            assert seen.names == {"a"}
            assert reflector.failing
            del api.refuse["services"]
            api.put(service_object("b"))
            await seen.until("a", "b")


async def test_an_object_that_cannot_be_read_is_left_out() -> None:
    """It is counted, and its neighbors are seen, in a list as in a watch."""
    poison = service_object("poison") | {"spec": {"ports": [{"port": "eighty"}]}}
    async with FakeApi() as api:
        api.put(poison)
        api.put(service_object("a"))
        async with _watching(api) as (seen, _, metrics):
            await seen.until("a")
            await api.watched(1)
            api.put(poison)
            api.put(service_object("b"))
            await seen.until("a", "b")
            count = metrics.registry.get_sample_value(
                "pointsman_router_unreadable_objects_total", {"watch": "services"}
            )

        assert count == 2


async def test_a_bug_behind_a_watch_does_not_end_it() -> None:
    """The router would serve an old table for ever, and nobody would know."""
    calls = 0
    done = asyncio.Event()

    def changed(objects: Mapping[str, Service]) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RuntimeError("injected")
        done.set()

    async with FakeApi() as api, _watching(api, changed=changed) as (_, _, metrics):
        async with asyncio.timeout(_DEADLINE_S):
            await done.wait()
        assert _failures(metrics, "Bug") == 2


async def test_the_token_is_read_anew_for_each_request(tmp_path: object) -> None:
    """The kubelet replaces it every hour."""
    from pathlib import Path

    token = Path(str(tmp_path)) / "token"
    async with FakeApi() as api:
        async with KubeClient(ApiServer(api.url, token_file=token)) as client:
            for text in ("first\n", "second\n"):
                token.write_text(text)
                await client.get(_PATH)
            token.unlink()
            with pytest.raises(Unreachable):
                await client.get(_PATH)

        assert api.authorizations == ["Bearer first", "Bearer second"]


async def test_a_refusal_tells_the_servers_words() -> None:
    """And nothing of an answer that was no refusal."""
    async with FakeApi() as api:
        api.refuse["services"] = 403
        async with KubeClient(ApiServer(api.url)) as client:
            with pytest.raises(ApiError, match="403: injected"):
                await client.get(_PATH)
        await api.stop()
        async with KubeClient(ApiServer(api.url)) as client:
            with pytest.raises(Unreachable):
                await client.get(_PATH)
