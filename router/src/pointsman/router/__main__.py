"""`pointsman-router`: serves last-known-good at once, then follows the API server until SIGTERM.

Guarantees that a failure of the control side never ends the data plane. Exits 0 after a drain,
1 when it cannot listen, 2 for flags or a kubeconfig that mean nothing.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter

from pointsman.process.logs import log_to_stderr
from pointsman.process.loop import loop_factory
from pointsman.router.callers import OPEN
from pointsman.router.control.callers import CallerFeed
from pointsman.router.control.kube_config import (
    ApiServer,
    ConfigError,
    from_kubeconfig,
    in_cluster,
)
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.process import control_side
from pointsman.router.control.source import TableFeed
from pointsman.router.control.store import Store
from pointsman.router.leases import Leaser
from pointsman.router.live import Live
from pointsman.router.outbox import Outbox
from pointsman.router.settings import Settings, parse

if TYPE_CHECKING:
    from pointsman.router.otlp.sender import Sender
    from pointsman.router.serve.app import DataPlane

_log = logging.getLogger("pointsman.router")
_RESTART_S = 1.0
"""Pause before a part of the control side that failed by a bug is started again."""
_FLUSH_S = 2.0


async def _start_data_plane(
    live: Live,
    settings: Settings,
    registry: CollectorRegistry,
    *,
    outbox: Outbox | None,
    sender: "Sender | None",
) -> tuple["DataPlane", int]:
    """The one place that knows the data plane."""
    from pointsman.router.metrics import Metrics  # noqa: PLC0415
    from pointsman.router.serve.app import DataPlane, code  # noqa: PLC0415
    from pointsman.router.serve.limits import Limits  # noqa: PLC0415

    _log.info("data-plane", extra={"code": code()})
    plane = DataPlane(live, Limits(), Metrics(registry), proxy=settings.proxy)
    if outbox is not None:
        plane.record, plane.ledger = outbox.record, outbox
    if settings.ledger is not None:
        from pointsman.router.reviews import LedgerReviews  # noqa: PLC0415

        plane.reviews = LedgerReviews(settings.ledger)
    if sender is not None:
        plane.traces = sender.traces
    return plane, await plane.start(settings.listen.host, settings.listen.port)


async def _keep_running(part: str, run: Callable[[], Awaitable[None]], failures: Counter) -> None:
    """Start `run` again whenever it fails: the data plane serves what is in force meanwhile."""
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001 - logged, counted, and the process must live on
            _log.exception("control-failed", extra={"part": part})
        failures.labels(part).inc()
        await asyncio.sleep(_RESTART_S)


def _callers(
    settings: Settings, live: Live, metrics: ControlMetrics, store: Store
) -> CallerFeed | None:
    """None where somebody chose to let everybody in."""
    if settings.callers == "Open":
        live.callers = OPEN
        _log.warning("open", extra={"reason": "--callers Open: no key is asked for"})
        return None
    feed = CallerFeed(live, metrics, names=settings.caller_secrets, store=store)
    feed.restore()
    return feed


def _outbox(settings: Settings, registry: CollectorRegistry) -> Outbox:
    return Outbox(
        registry,
        later=asyncio.get_running_loop().call_later,
        folder=settings.events_dir,
        bounds=settings.events,
        ledger=settings.ledger,
    )


def _sender(settings: Settings, registry: CollectorRegistry) -> "Sender | None":
    if settings.otlp is None:
        return None
    from pointsman.router.otlp.sender import Sender  # noqa: PLC0415 - an extra

    return Sender(registry, settings.otlp)


async def serve(settings: Settings, server: ApiServer) -> None:
    """One router, until SIGTERM or SIGINT; a second one cuts what still runs."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    live = Live()
    registry = CollectorRegistry()
    metrics = ControlMetrics(registry)
    store = Store(
        state=settings.state_dir,
        keys=settings.keys_dir,
        identity=f"{settings.namespace}/{settings.release}",
        metrics=metrics,
    )
    feed = TableFeed(live, metrics, namespace=settings.namespace, store=store)
    feed.restore()
    callers = _callers(settings, live, metrics, store)
    outbox = _outbox(settings, registry) if settings.records else None
    sender = _sender(settings, registry)
    plane, port = await _start_data_plane(live, settings, registry, outbox=outbox, sender=sender)
    leaser = Leaser(plane.budgets, settings.ledger) if settings.ledger else None
    _log.info("serving", extra={"host": settings.listen.host, "port": port})
    side = control_side(
        settings, server, feed, callers=callers, store=store, metrics=metrics, plane=plane
    )
    async with side as control:
        _log.info("administered", extra={"host": settings.admin.host, "port": control.port})
        async with asyncio.TaskGroup() as group:
            follow = group.create_task(
                _keep_running("cluster", control.cluster.run, metrics.control_failures)
            )
            if leaser is not None:
                lend = group.create_task(
                    _keep_running("leases", leaser.run, metrics.control_failures)
                )
            await stop.wait()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, plane.hurry)
            asked = {"delay_seconds": settings.shutdown_delay_s, "seconds": settings.drain_s}
            _log.info("draining", extra=asked)
            cut = await plane.drain(settings.drain_s, delay_s=settings.shutdown_delay_s)
            _log.log(logging.WARNING if cut else logging.INFO, "drained", extra={"cut": cut})
            follow.cancel()
            if leaser is not None:
                lend.cancel()
    # At the same time as the rest: it is the thread's own, and takes nothing from their deadlines.
    told = asyncio.create_task(asyncio.to_thread(sender.close, _FLUSH_S)) if sender else None
    if leaser is not None:
        await leaser.give_back()
    if outbox is not None:
        await outbox.finish(_FLUSH_S)
        await asyncio.to_thread(outbox.close, _FLUSH_S)
    await asyncio.to_thread(store.flush, _FLUSH_S)
    if told is not None:
        await told
    _log.info("stopped")


def main() -> int:
    """Run the router; the exit code."""
    settings = parse()
    log_to_stderr(settings.log_level)
    try:
        server = from_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(settings, server))
    except ConfigError as error:
        print(f"pointsman-router: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"pointsman-router: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
