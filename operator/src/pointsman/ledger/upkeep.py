"""Removes what is too old, step by step beside the work: each step is one short transaction."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pointsman.ledger.contract import BadData, Keeping, Store, StoreError
from pointsman.ledger.intake import now_ms
from pointsman.ledger.metrics import Metrics
from pointsman.ledger.rows import DAY_MS
from pointsman.ledger.settings import Settings

_log = logging.getLogger(__name__)
_BREATH_S: Final = 0.05
"""Between two steps: who wants to write comes in."""
_HOUR_MS: Final = 3_600_000


class Upkeep:
    """One for a process; replicas of one PostgreSQL may all run theirs."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._threads = ThreadPoolExecutor(1, "ledger-upkeep")

    def keeping(self, now: int) -> Keeping:
        """What goes at this time."""
        settings = self._settings
        return Keeping(
            now_ms=now,
            events_ms=now - int(settings.keep_events_days * DAY_MS),
            rollups_ms=now - int(settings.keep_rollups_days * DAY_MS),
            pending_ms=now - int(settings.pending_hours * _HOUR_MS),
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                more = False
                try:
                    keeping = self.keeping(self._clock())
                    kept = await loop.run_in_executor(self._threads, self._store.keep, keeping)
                    self._metrics.kept(kept)
                    more = kept.more
                    if not more:
                        self._metrics.upkeep_s.set(keeping.now_ms / 1000)
                except (StoreError, BadData) as error:
                    self._metrics.store_failures.inc()
                    _log.warning("upkeep-failed", extra={"reason": str(error)})
                except Exception:  # noqa: BLE001 - logged and counted; who ingests does not end by it
                    self._metrics.store_failures.inc()
                    _log.exception("upkeep-failed")
                await asyncio.sleep(_BREATH_S if more else self._settings.upkeep_s)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
