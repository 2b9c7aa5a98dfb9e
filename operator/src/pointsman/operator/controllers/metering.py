"""What replicas cost by the hour: told what reconciles see, tells the ledger what windows hold.

Guarantees that it reads nothing by itself and never waits.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.events.schema import Replicas
from pointsman.operator.plan.metering import WATCH_MS, Account, moment_ms

LOOK_S: Final = 5.0
"""Between two looks at how many requests there are: a router's heartbeat."""


class Meter:
    """
    `put` keeps an event for the ledger; `in_flight`: requests of a backend, None if unknown.

    `resync_s`: each backend is seen at least so often.
    """

    def __init__(
        self,
        put: Callable[[Replicas], None],
        in_flight: Callable[[str], int | None],
        *,
        resync_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._watch_ms = max(WATCH_MS, int(1500 * resync_s))
        self._put = put
        self._in_flight = in_flight
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._unpaid: set[str] = set()
        """Backends that were seen without such a price: one that they get now begins now."""

    def see(self, backend: ModelBackend, replicas: Mapping[str, int | None]) -> None:
        """A backend as it is, and since when its replicas take their machines."""
        about, cost, now_ms = backend.metadata, backend.spec.cost, self._now_ms()
        account = self._accounts.get(about.name)
        if account is not None and account.uid != about.uid:
            self.end(about.name)
            account = None
        if cost is None or cost.replica_hour is None:
            self.end(about.name)
            self._unpaid.add(about.name)
            return
        if account is None:
            created_ms = moment_ms(about.creation_timestamp)
            since_ms = now_ms if created_ms is None or about.name in self._unpaid else created_ms
            account = self._accounts[about.name] = Account(
                about.uid,
                about.name,
                cost,
                since_ms=min(since_ms, now_ms),
                now_ms=now_ms,
                watch_ms=self._watch_ms,
            )
            self._unpaid.discard(about.name)
        account.cost = cost
        account.see(replicas, now_ms)
        for event in account.close():
            self._put(event)

    def end(self, name: str) -> None:
        """Nothing is paid for it any more."""
        self._unpaid.discard(name)
        account = self._accounts.pop(name, None)
        for event in account.end(self._now_ms()) if account else ():
            self._put(event)

    def end_all(self) -> None:
        """No replica outlives this process."""
        for name in list(self._accounts):
            self.end(name)

    def look(self) -> None:
        """At how many requests there are."""
        now_ms = self._now_ms()
        for name, account in self._accounts.items():
            account.look(self._in_flight(name), now_ms)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
