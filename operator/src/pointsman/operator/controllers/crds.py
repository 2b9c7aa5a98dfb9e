"""Looks again and again whether the cluster's kinds are as new as this operator, and goes on.

| the kinds | readiness at the start | what works |
|---|---|---|
| as new, or newer | yes | all |
| lack fields | no, so the rollout waits and the older operator leads | all but those fields |
| EvaluationSuite is not there | the same | all but golden prompts |
| ModelBackend or RoutingPolicy is not there | the same | nothing is reconciled; routers go on |

A process that was ready once stays so. None of it ends the process.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

from pointsman.operator import metrics
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.errors import ReconcileError
from pointsman.operator.health import Vitals
from pointsman.operator.plan import crds

log = logging.getLogger("pointsman.crds")

SOON_S: Final = 2.0
LATER_S: Final = 20.0
"""Between two looks while something is missing, and else."""
SURE_S: Final = 10.0
"""An API server on its way up may not know all kinds at first: one is absent after so long."""


class Crds:
    """What is known of them; `on_kinds` is called when a kind came or went."""

    def __init__(self, api: Api, vitals: Vitals) -> None:
        self.on_kinds: Callable[[], None] = lambda: None
        self.looked = asyncio.Event()
        """Once the API server was asked, whatever it said."""
        self._api = api
        self._vitals = vitals
        self._wanted: Mapping[str, Mapping[str, Any]] = {}
        self._there: Mapping[str, Mapping[str, Any]] | None = None
        self._hash = ""
        self._since_s: dict[str, float] = {}
        """Kind -> when it was first seen to be absent."""
        self._told = ""
        self._was_ready = False

    async def run(self) -> None:
        """For ever."""
        self._wanted = await asyncio.to_thread(crds.own)
        while True:
            wait_s = SOON_S
            try:
                await self._read()
            except ReconcileError as error:
                log.warning("kinds not read", extra={"reason": error.reason, "error": str(error)})
            else:
                wait_s = SOON_S if self._judge(time.monotonic()) else LATER_S
            self.looked.set()
            await asyncio.sleep(wait_s)

    async def usable(self) -> None:
        """Wait until all kinds are there, or are surely not there and can be done without."""
        await self.looked.wait()
        while True:
            if self._known() if self._there is not None else await self._listed():
                return
            await asyncio.sleep(0.2)

    def _known(self) -> bool:
        missing = {kind for kind in self._wanted if kind not in (self._there or ())}
        return not missing - self._api.absent

    async def _listed(self) -> bool:
        """Where the documents cannot be read: whether each kind answers."""
        try:
            for kind in (kinds.MODEL_BACKEND, kinds.ROUTING_POLICY, kinds.EVALUATION_SUITE):
                await self._api.list_all(kind)
        except ReconcileError as error:
            log.warning("kinds not served", extra={"reason": error.reason, "error": str(error)})
            return False
        return True

    async def _read(self) -> None:
        index = await self._api.document("/openapi/v3")
        entry = (index.get("paths") or {}).get(crds.DOCUMENT)
        if entry is None:
            self._there, self._hash = {}, ""
        elif (url := str(entry.get("serverRelativeURL"))) != self._hash or self._there is None:
            self._there = crds.served(await self._api.document(url))
            self._hash = url

    def _judge(self, now_s: float) -> bool:
        """Say what is missing, and let the client know; True if anything is."""
        assert self._there is not None, "it was read"
        found = crds.compare(self._wanted, self._there)
        self._since_s = {kind: self._since_s.get(kind, now_s) for kind in found.absent}
        sure = {kind for kind, at_s in self._since_s.items() if now_s - at_s >= SURE_S}
        absent = frozenset(sure.difference(crds.NEEDED))
        self._api.older = {kind: self._there[kind] for kind in found.lacking}
        if absent != self._api.absent:
            self._api.absent = absent
            self.on_kinds()
        self._tell(found)
        return bool(found.kinds)

    def _tell(self, found: crds.Found) -> None:
        said = crds.said(found, version=version("pointsman"))
        for kind in self._wanted:
            metrics.CRDS_TOO_OLD.labels(kind).set(kind in found.kinds)
        self._was_ready = self._was_ready or not said
        self._vitals.outdated = "" if self._was_ready else said
        if said != self._told:
            self._told = said
            if said:
                log.error("kinds too old", extra={"reason": crds.REASON, "error": said})
            else:
                log.info("kinds as new as this operator")
