"""Leadership through a Lease of our own: taken, renewed, and the process exits when it is lost.

plan/lease.py decides; here the record is read and written under its resourceVersion. Between two
renewals `fence` guards every write: a process that was frozen past its deadline writes nothing.
"""

import asyncio
import logging
import os
import time
from datetime import UTC, datetime
from typing import Any, NoReturn

from pointsman.operator import metrics
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.kinds import LEASE
from pointsman.operator.cluster.owner import look_up
from pointsman.operator.errors import Broken, ReconcileError
from pointsman.operator.plan.lease import (
    DURATION_S,
    RENEW_DEADLINE_S,
    RETRY_S,
    LeaseMemory,
    LeaseRecord,
    decide_lease,
)
from pointsman.operator.settings import Settings

log = logging.getLogger("pointsman.lease")


def exit_now(reason: str) -> NoReturn:
    """End the process without another await: nothing of it may still write."""
    log.critical("exit", extra={"reason": reason})
    logging.shutdown()
    os._exit(3)


def _record(item: dict[str, Any] | None) -> LeaseRecord:
    if item is None:
        return LeaseRecord()
    spec = item.get("spec") or {}
    return LeaseRecord(
        holder=str(spec.get("holderIdentity") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=str(item["metadata"]["resourceVersion"]),
    )


class Elector:
    """One process's claim to lead a release."""

    def __init__(
        self, api: Api, settings: Settings, *, attempt_s: float = RENEW_DEADLINE_S / 2
    ) -> None:
        self._api = api
        self.attempt_s = attempt_s
        """For one reading and writing; client-go's share: a silent one leaves time for another."""
        self._me = settings.identity
        self._release = settings.release
        self._name = f"{settings.release}-operator"
        self._memory: LeaseMemory | None = None
        self._renewed_s = 0.0
        self._item: dict[str, Any] | None = None
        self.epoch = 0

    def fence(self) -> None:
        """Raises Broken unless this process surely leads."""
        if not self._leads() or time.monotonic() > self._renewed_s + RENEW_DEADLINE_S:
            raise Broken("LeaseLost: this process may not write")

    @property
    def version(self) -> str:
        """The resourceVersion of the Lease as last seen or written; empty before."""
        return self._memory.record.version if self._memory else ""

    def _leads(self) -> bool:
        return self._memory is not None and self._memory.leading

    async def step(self) -> bool:
        """Read, decide and write once; True while leading. Exits when the Lease is lost."""
        self._item = await self._api.get(LEASE, self._name)
        if self._item is None:  # perhaps since its owner went, and there is another by now
            await look_up(self._api, self._release)
        now_s = time.monotonic()
        record = _record(self._item)
        decision, self._memory = decide_lease(record, self._memory, me=self._me, now_s=now_s)
        if decision.action == "Lost":
            exit_now("LeaseLost")
        if decision.action == "Wait":
            return False
        written = await self._write(self._me, decision.transitions, taken=decision.action == "Take")
        if decision.action == "Take":
            self.epoch = decision.transitions + 1
            log.info("lease taken", extra={"holder": self._me, "epoch": self.epoch})
        self._memory = LeaseMemory(_record(written), now_s, leading=True)
        self._renewed_s = now_s
        metrics.LEADING.set(1)
        return True

    async def _write(self, holder: str, transitions: int, *, taken: bool) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (self._item or {}).get("spec") or {}
        body: dict[str, Any] = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": self._name},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(DURATION_S),
                "leaseTransitions": transitions,
                "acquireTime": now if taken else before.get("acquireTime", now),
                "renewTime": now,
            },
        }
        if self._item is None:
            return await self._api.create(LEASE, body)
        body["metadata"]["resourceVersion"] = self._item["metadata"]["resourceVersion"]
        return await self._api.replace(LEASE, body)

    async def acquire(self) -> None:
        """Return once this process leads; keeps trying through errors."""
        while True:
            try:
                async with asyncio.timeout(self.attempt_s):
                    if await self.step():
                        return
            except (ReconcileError, TimeoutError) as error:
                log.warning("lease not taken", extra={"error": repr(error)})
            await asyncio.sleep(RETRY_S)

    async def keep(self) -> NoReturn:
        """Renew until the process ends; exits it when the renew deadline passes."""
        while True:
            left_s = self._renewed_s + RENEW_DEADLINE_S - time.monotonic()
            if left_s <= 0:
                exit_now("LeaseLost")
            try:
                async with asyncio.timeout(min(left_s, self.attempt_s)):
                    await self.step()
            except (ReconcileError, TimeoutError) as error:
                log.warning("lease not renewed", extra={"error": str(error)})
            await asyncio.sleep(RETRY_S)

    async def release(self) -> None:
        """Give the Lease back, so that the next process need not wait."""
        if not self._leads():
            return
        try:
            async with asyncio.timeout(2):
                self._item = await self._api.get(LEASE, self._name)
                if _record(self._item).holder == self._me:
                    await self._write("", _record(self._item).transitions, taken=False)
        except (ReconcileError, TimeoutError) as error:
            log.warning("lease not released", extra={"error": str(error)})
