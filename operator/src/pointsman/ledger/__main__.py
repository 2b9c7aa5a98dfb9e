"""`pointsman-ledger`: opens its store, takes events and answers questions until SIGTERM.

Exits 0 after a drain, 1 when it cannot listen or reach its store, 2 for flags that mean nothing or
a store that is not for this program.
"""

import asyncio
import logging
import signal
import sys
import time

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from pointsman.ledger.access import NoToken
from pointsman.ledger.console.opening import NoConsole
from pointsman.ledger.contract import Store, StoreAway, StoreError, StoreUnfit
from pointsman.ledger.opening import make
from pointsman.ledger.people.errors import BadPeople
from pointsman.ledger.service import Service
from pointsman.ledger.settings import Settings, parse
from pointsman.process.logs import log_to_stderr
from pointsman.process.loop import loop_factory

_log = logging.getLogger("pointsman.ledger")
_OPENING_S = 60.0
_OPENING_AGAIN_S = 1.0


async def serve(settings: Settings, store: Store) -> None:
    """One ledger, until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    service = Service(settings, store, registry)
    try:
        port = await service.start()
        facts = {"host": settings.listen.host, "port": port, "store": store.dialect}
        _log.info("serving", extra=facts)
        await service.run(stop)
    finally:
        await service.close()
    _log.info("stopped")


def _open(store: Store, schema: int | None) -> None:
    """A store that is away gets a minute to come back: it may be starting, too."""
    end_s = time.monotonic() + _OPENING_S
    while True:
        try:
            return store.open(schema)
        except StoreAway as error:
            if time.monotonic() > end_s:
                raise
            _log.warning("store-away", extra={"reason": str(error)})
            time.sleep(_OPENING_AGAIN_S)


def _run(settings: Settings) -> None:
    store = make(settings)
    _open(store, settings.migrate_to)
    try:
        if settings.migrate_to is not None:
            print(f"the store has schema {store.version()} now")
            return
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(settings, store))
    finally:
        store.close()


def main() -> int:
    """Run the ledger; the exit code."""
    settings = parse()
    log_to_stderr(settings.log_level)
    try:
        _run(settings)
    except (StoreUnfit, NoToken, BadPeople, NoConsole) as error:
        print(f"pointsman-ledger: {error}", file=sys.stderr)
        return 2
    except (StoreError, OSError) as error:
        print(f"pointsman-ledger: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
