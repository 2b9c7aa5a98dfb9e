"""kopf says when, never what: every event becomes a key, reconciled from fresh reads.

kopf runs in a thread with its own loop: when it ends, it cancels every task of its loop, and its
end ends the process. Nothing of what it caches is used. DESIGN.md has the reason of each pin.
"""

import asyncio
import contextlib
import functools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import kopf

from pointsman.api import names
from pointsman.operator import metrics
from pointsman.operator.cluster.kopf_reading import Deep, let_kopf_read
from pointsman.operator.cluster.mirror import Mirror
from pointsman.operator.cluster.relisting import hearing_lists
from pointsman.operator.cluster.rotation import renewing
from pointsman.operator.controllers.keys import WATCHED, Event, Keys
from pointsman.operator.plan.children import LABEL_PART_OF, PART_OF
from pointsman.operator.settings import SERVICE_ACCOUNT, Settings

log = logging.getLogger("pointsman.triggers")

PREFIX: Final = f"operator.{names.GROUP}"
WATCHER: Final = "watcher for "
"""How kopf names the tasks that watch."""
PLURALS: Final = frozenset(plural for _, plural, _ in WATCHED)
START_S: Final = 60.0
"""So long may kopf look for kinds before it is begun anew: it looks once, and a kind that an API
server on its way up did not name would never be watched."""
BURIAL_S: Final = 2.0
"""So long may a life's last tasks take; kopf's own limits add up to half a minute, or to never."""
STEADY_S: Final = 60.0
"""A life of kopf that was so long starts the next one's back-off anew."""


@dataclass(frozen=True, slots=True)
class Backoffs:
    """Endless and new at each iteration, where a finite list ends kopf: 1 s doubling to `max_s`."""

    max_s: float

    def __iter__(self) -> Iterator[float]:
        limit = min(1.0, self.max_s)
        while True:
            yield random.uniform(limit / 10, limit)  # noqa: S311 - jitter
            limit = min(self.max_s, limit * 2)


def pinned_settings(settings: Settings) -> kopf.OperatorSettings:
    """kopf's settings, each one pinned for a fault that was seen."""
    pins = kopf.OperatorSettings()
    pins.networking.error_backoffs = Backoffs(settings.watch_backoff_max_s)
    pins.networking.request_timeout = settings.request_timeout_s
    pins.networking.connect_timeout = settings.connect_timeout_s
    pins.watching.server_timeout = 300
    pins.watching.client_timeout = 310
    pins.watching.inactivity_timeout = settings.watch_inactivity_s
    pins.watching.label_selectors["", "v1", "pods"] = f"{LABEL_PART_OF}={PART_OF}"
    table = f"{names.LABEL_TABLE}={settings.release}"
    pins.watching.label_selectors["", "v1", "configmaps"] = table
    pins.posting.enabled = False
    pins.peering.standalone = True
    pins.queueing.exit_timeout = BURIAL_S / 4
    pins.scanning.disabled = True
    pins.process.ultimate_exiting_timeout = None
    pins.persistence.finalizer = f"{PREFIX}/finalizer"
    pins.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    pins.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    return pins


def _service_account() -> kopf.ConnectionInfo | None:
    """The pod's own, by address: kopf's login wants a cluster DNS. None outside a cluster."""
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT"),
    )
    if os.environ.get("KUBECONFIG") or not host or not port:
        return None
    return kopf.ConnectionInfo(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(SERVICE_ACCOUNT / "ca.crt"),
        token=(SERVICE_ACCOUNT / "token").read_text().strip(),
    )


def _registry(
    keys: Keys,
    tell: Callable[[str, Event, list[str]], None],
    listed: Callable[[str], None],
    sessions: list[aiohttp.ClientSession],
    absent: frozenset[str],
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    def watch(api_version: str, plural: str, of: Callable[[Event], list[str]]) -> None:
        group, _, version = api_version.rpartition("/")

        @kopf.on.event(group, version, plural, registry=registry, id=f"key-of-{plural}")
        async def on_event(event: Event, **_: object) -> None:
            tell(plural, event, of(event))

    for api_version, plural, concerned in WATCHED:
        if plural not in absent:
            watch(api_version, plural, functools.partial(concerned, keys))

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = _service_account() or kopf.login_with_kubeconfig(**kwargs)
        if not isinstance(found, kopf.ConnectionInfo):
            return None
        # Ours to close: a life of kopf that hangs at its end would keep its connections.
        context = found.as_ssl_context()
        sessions.append(
            aiohttp.ClientSession(
                response_class=Deep,
                connector=aiohttp.TCPConnector(limit=0, ssl=context),
                headers=found.as_http_headers(),
                trace_configs=[*renewing(context, found.ca_path), hearing_lists(listed)],
            )
        )
        return kopf.AiohttpSession(aiohttp_session=sessions[-1], server=found.server)

    return registry


class WatcherEnded(Exception):
    """A watch of kopf's is missing; kopf itself may not notice, and may never end."""


async def _watchers(whole: asyncio.Task[None], count: int) -> set[asyncio.Task[None]]:
    """kopf's tasks that watch, as soon as there is one for each kind or one has ended already."""
    end_s, seen = time.monotonic() + START_S, set[asyncio.Task[None]]()
    while not whole.done():
        seen |= {task for task in asyncio.all_tasks() if task.get_name().startswith(WATCHER)}
        if len(seen) == count or any(task.done() for task in seen):
            break
        if time.monotonic() > end_s:  # discovery told of too few kinds, once and for all
            raise WatcherEnded(f"{len(seen)} of {count} began in {START_S:g} s")
        await asyncio.wait({whole}, timeout=0.05)
    return seen


def _hear(task: asyncio.Task[Any]) -> None:
    """Take note of a task's error, or asyncio complains at some later time: kopf has logged it."""
    if not task.cancelled():
        task.exception()


def bury(
    loop: asyncio.AbstractEventLoop,
    sessions: list[aiohttp.ClientSession],
    *,
    wait_s: float = BURIAL_S,
) -> None:
    """
    Close the loop of a life that is over, whatever still hangs in it.

    What hangs may go on cancelling all that is begun here, as kopf does: no step is sure to be
    done, and none may end the thread.
    """
    left = asyncio.all_tasks(loop)

    def gone(task: asyncio.Task[Any]) -> None:
        _hear(task)
        left.discard(task)
        if not left:
            loop.stop()

    # No task may wait for these: kopf, when it is cancelled, cancels whatever began after it.
    for task in list(left):
        task.add_done_callback(gone)
        task.cancel()
    if left:
        loop.call_later(wait_s, loop.stop)
        loop.run_forever()
    steps: list[Callable[[], Coroutine[Any, Any, None]]] = [
        *(session.close for session in sessions),
        loop.shutdown_asyncgens,
        lambda: asyncio.sleep(0.1),  # what was told to close does so in later turns
    ]
    for step in steps:
        with contextlib.suppress(asyncio.CancelledError, RuntimeError):
            loop.run_until_complete(step())
    loop.close()


class Triggers:
    """
    kopf in its thread; `on_end` is called in the caller's loop when it has ended.

    `on_gap`, there too: a kind was listed once more, since its watch had broken. Of what was
    deleted in between kopf says nothing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        add: Callable[[str], None],
        services: Mapping[str, frozenset[str]],
        on_end: Callable[[str], None],
        on_gap: Callable[[], None] = lambda: None,
        mirror: Mirror | None = None,
        absent: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._mirror = mirror
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._add = add
        self._on_end = on_end
        self._on_gap = on_gap
        self._listed: set[str] = set()
        self._absent = absent
        """Kinds that are not served, and cannot be watched."""
        self._anew = False
        self._stop = threading.Event()
        self._end: Callable[[], object] = lambda: None
        self._keys = Keys(settings.release, services)
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        let_kopf_read()
        if self._settings.kubeconfig:  # kopf knows no other way to be told
            os.environ["KUBECONFIG"] = str(self._settings.kubeconfig)
        self._thread.start()

    def renew(self) -> None:
        """Begin anew with the kinds that are served now."""
        self._anew = True
        with contextlib.suppress(RuntimeError):  # between two lives, which reads them itself
            self._end()

    def stop(self, wait_s: float = 0.0) -> None:
        """Ask kopf to end, and wait for it at most so long: a process that ends need not."""
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # between two lives there is no loop to tell
            self._end()
        self._thread.join(wait_s)

    def _run(self) -> None:
        reason = "ThreadEnded"
        try:
            reason = self._live()
        except BaseException as error:  # a thread without watches must not look alive
            log.exception("kopf's thread failed")
            reason = type(error).__name__
        finally:
            if not self._stop.is_set():
                self._loop.call_soon_threadsafe(self._on_end, reason)

    def _live(self) -> str:
        """One life of kopf after the other; why there is no further one."""
        pauses = iter(Backoffs(self._settings.watch_backoff_max_s))
        while not self._stop.is_set():
            begun_s = time.monotonic()
            if (reason := self._watch()) is not None:
                return reason
            if time.monotonic() - begun_s > STEADY_S:
                pauses = iter(Backoffs(self._settings.watch_backoff_max_s))
            self._stop.wait(next(pauses))
        return "Stopped"

    def _watch(self) -> str | None:
        """One life of kopf: why it ended for good, or None if another one may help."""
        loop, sessions = asyncio.new_event_loop(), list[aiohttp.ClientSession]()
        try:
            loop.run_until_complete(self._life(sessions))
        except Exception as error:
            reason = type(error).__name__
            log.exception("watches begin anew", extra={"reason": reason})
            metrics.WATCH_RESTARTS.labels(reason).inc()
            return None
        except BaseException as error:  # also CancelledError: nobody else would hear of it
            log.exception("kopf failed", extra={"reason": type(error).__name__})
            return type(error).__name__
        finally:
            bury(loop, sessions)
        return None if self._anew else "WatchersEnded"

    async def _life(self, sessions: list[aiohttp.ClientSession]) -> None:
        """Until asked to stop; raises what ended kopf, or the first of its watchers."""
        # A flag of this loop: for a threading.Event kopf parks a thread, which outlives kopf.
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._anew = False
        absent = frozenset(names.PLURALS[kind] for kind in self._absent())
        self._end = lambda: loop.call_soon_threadsafe(stop.set)
        if self._stop.is_set() or self._anew:
            return
        running = kopf.operator(
            registry=_registry(self._keys, self._tell, self._list, sessions, absent),
            settings=pinned_settings(self._settings),
            namespaces=[self._settings.namespace],
            stop_flag=stop,
        )
        whole = loop.create_task(running, name="kopf")
        parts = {whole} | await _watchers(whole, len(WATCHED) - len(absent))
        for part in parts:
            part.add_done_callback(_hear)
        ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set() or self._anew:
            await asyncio.wait({whole}, timeout=BURIAL_S)
            return
        for task in sorted(ended, key=asyncio.Task.cancelled):
            if task is whole or not task.cancelled():  # a watch that failed has others cancelled
                task.result()
        raise WatcherEnded(", ".join(task.get_name() for task in ended))

    def _tell(self, plural: str, event: Event, keys: list[str]) -> None:
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._hear, plural, event, keys)

    def _list(self, plural: str) -> None:
        if plural not in PLURALS:  # discovery
            return
        if plural in self._listed and not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._on_gap)
        self._listed.add(plural)

    def _hear(self, plural: str, event: Event, keys: list[str]) -> None:
        """What to read anew first, and then who reads it."""
        if self._mirror is not None:
            news = self._mirror.hear(plural, event["type"], event["object"]["metadata"])
            if plural == "configmaps" and not news:
                return  # the table comes back from the API server as it was written
        for key in keys:
            self._add(key)
