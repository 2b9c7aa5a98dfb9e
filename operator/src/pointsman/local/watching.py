"""Golden prompts and drift of local mode: the operator's Evaluator and Drifter in one process.

It is the only router, and memory is in the place of statuses and ConfigMaps. What is known lives as
long as the session does: another one begins with new baselines.
"""

import asyncio
import functools
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec

from pointsman.api.conditions import Condition, stamp
from pointsman.api.names import HEADER_PIN, MODEL_BACKEND
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.evaluation.running.asking import (
    BACKEND_HEADER,
    Denied,
    Endpoint,
    Reply,
    read_completion,
    refusal,
)
from pointsman.evaluation.suite.outcome import Missing
from pointsman.events.schema import encode
from pointsman.local.desired import NAMESPACE, Desired
from pointsman.local.ledger import LocalLedger
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.traffic import read_traffic
from pointsman.operator.controllers.drifting import Drifter
from pointsman.operator.controllers.evaluating import Evaluator
from pointsman.operator.controllers.probing import Prober
from pointsman.operator.plan.evaluating.record import loaded, stored_fields
from pointsman.operator.plan.evaluating.scheduling import spent_only
from pointsman.operator.plan.objects import Json, name_of
from pointsman.operator.plan.reevaluating.evidence import drift_said
from pointsman.router.errors import Problem
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.pinned import Desk

CALL_S: Final = 60.0
"""For one golden prompt."""
_STARTS_S: Final = 0.5
"""Between two tries while the table does not carry the backend yet."""


class PinnedHere:
    """The pinned route without its port."""

    def __init__(self, plane: DataPlane) -> None:
        self._desk = Desk(plane)

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Reply:
        """The reply of the endpoint's backend. Raises Denied if the table has no such backend."""
        data, pin = msgspec.json.encode(body), endpoint.headers.get(HEADER_PIN)
        begun_s = time.monotonic()
        why = "it is not in the routing table"
        while time.monotonic() - begun_s < CALL_S / 2:
            asked_s = time.monotonic()
            try:
                async with asyncio.timeout(CALL_S):
                    found = await self._desk.ask("POST", "/v1/chat/completions", {}, data, pin)
            except TimeoutError:
                return Reply(missing=Missing.TIMED_OUT, why=f"no answer within {CALL_S:g} s")
            except Problem as problem:
                return Reply(missing=Missing.ERROR, why=str(problem)[:300])
            if found.status != HTTPStatus.NOT_FOUND and found.headers.get(BACKEND_HEADER):
                whole = found.status == HTTPStatus.OK
                read = read_completion if whole else functools.partial(refusal, found.status)
                return replace(
                    read(found.body),
                    latency_s=time.monotonic() - asked_s,
                    backend=found.headers[BACKEND_HEADER],
                )
            why = refusal(found.status, found.body).why
            await asyncio.sleep(_STARTS_S)
        raise Denied(why)


class _Memory:
    """What Drifter asks of an API server. Events are told otherwise."""

    namespace = NAMESPACE

    def __init__(self, items: Mapping[str, Json]) -> None:
        self._items = items
        self._stored: dict[str, dict[str, Any]] = {}

    async def get(self, kind: kinds.Kind, name: str) -> dict[str, Any] | None:
        if kind.name == MODEL_BACKEND:
            found = self._items.get(name)
            return dict(found) if found else None
        return self._stored.get(name)

    async def create(self, kind: kinds.Kind, body: dict[str, Any]) -> dict[str, Any]:
        if kind is not kinds.CONFIG_MAP:
            return body
        stored = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
        self._stored[name_of(stored)] = stored
        return stored

    async def replace(self, kind: kinds.Kind, body: dict[str, Any]) -> dict[str, Any]:
        return await self.create(kind, body)


class LocalWatch:
    """`on_change` has to plan again: a backend's quality or drift is another."""

    def __init__(
        self,
        plane: DataPlane,
        on_change: Callable[[], None],
        tell: Callable[[str, str], None],
        ledger: LocalLedger | None = None,
    ) -> None:
        self._on_change, self._tell = on_change, tell
        self._session = secrets.token_hex(8)
        """Runs count from 1 in each: a ledger that outlives one must not take them for the last."""
        self._desired: Desired | None = None
        self._items: dict[str, dict[str, Any]] = {}
        self._gone: Counter[str] = Counter()
        self._left: dict[str, Json] = {}
        """Statuses of those that are gone: what they spent counts for the next one of that name."""
        self._due: set[str] = set()
        self._woken = asyncio.Event()
        self._reasons: dict[str, str] = {}
        self.put: Callable[[bytes], None] = lambda _: None
        """Takes events for the ledger, encoded."""
        self._drifter = Drifter(
            _Memory(self._items),
            self._ask_for,
            ask=functools.partial(read_traffic, ledger.target) if ledger else None,
        )
        self.prober = Prober()
        """Whose golden prompts stand in for traffic of a rollout."""
        self._evaluator = Evaluator(
            PinnedHere(plane),
            lambda name: self._desired.suites.get(name) if self._desired else None,
            lambda: self._desired.backends if self._desired else None,
            self._ask_for,
            put=lambda event: self.put(encode(event)),
            listeners=[self._drifter.hear, self.prober.hear],
            suspected=self._drifter.suspected,
            wanted=self.prober.wanted_ms,
        )
        self.prober.evaluated = self._evaluator.condition

    @property
    def items(self) -> Sequence[Json]:
        """Backends with their statuses, as the API server would have them."""
        return list(self._items.values())

    def follow(self, desired: Desired) -> None:
        """These are there now."""
        self._desired = desired
        for gone in self._items.keys() - desired.backends.keys():
            before = loaded(self._items.pop(gone)["status"])
            record = spent_only(before, now_ms=int(time.time() * 1000))
            fields = stored_fields(record, next_ms=0)
            self._left[gone] = {"evaluation": fields} if fields else {}
            self._gone[gone] += 1
            self._evaluator.forget(gone)
            self._drifter.forget(gone)
            for subject in [one for one in self._reasons if one.split()[1] == gone]:
                del self._reasons[subject]
        for name, backend in desired.backends.items():
            about = {
                "name": name,
                "uid": self._uid(name),
                "annotations": dict(backend.metadata.annotations),
            }
            spec = backend.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
            known = self._items.get(name, {})
            item = {
                "metadata": about,
                "spec": spec,
                "status": known.get("status", self._left.get(name, {})),
            }
            if item != known:
                self._items[name] = item
                self._ask_for(name)

    def _uid(self, name: str) -> str:
        """Another one for each that was gone: what is known of the last one is not of it."""
        times = self._gone[name]
        uid = f"local-{self._session}-{name}"
        return f"{uid}#{times}" if times else uid

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._evaluator.run(), name="evaluating")
            group.create_task(self._drifter.run(), name="drift")
            while True:
                await self._woken.wait()
                self._woken.clear()
                due, self._due = self._due, set()
                for name in sorted(due):
                    await self._look(name)

    def _ask_for(self, name: str) -> None:
        self._due.add(name)
        self._woken.set()

    async def _look(self, name: str) -> None:
        """What a reconcile of the backend does, as far as it is about quality."""
        item, desired = self._items.get(name), self._desired
        backend = desired.backends.get(name) if desired else None
        if item is None or backend is None:
            return
        # No cluster has given it a uid, by which runs and baselines are told apart.
        about = backend.metadata.model_copy(update={"uid": item["metadata"]["uid"]})
        backend = backend.model_copy(update={"metadata": about})
        drifting = await self._drifter.observe(item, backend)
        evaluated = self._evaluator.observe(item, backend)
        said = [one.condition for one in (drifting, evaluated) if one and one.condition]
        before = item["status"]
        status = {
            **(drifting.fields if drifting else {}),
            **(evaluated.fields if evaluated else {}),
            "conditions": stamp(
                said,
                before.get("conditions") or (),
                generation=1,
                now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            ),
        }
        if status == before:
            return
        was = (drift_said(item), before.get("quality"))
        item["status"] = status
        self._evaluator.wrote(name)
        self._say(backend, drifting.condition if drifting else None, status)
        if was != (drift_said(item), status.get("quality")):
            self._on_change()

    def _say(self, backend: ModelBackend, drift: Condition | None, status: Json) -> None:
        name = backend.metadata.name
        if quality := status.get("quality"):
            lines = [f"{q['task']} {q['score']} ({q['low']} to {q['high']})" for q in quality]
            self._tell(f"backend {name} quality", ", ".join(lines))
        for kind in ("drift", "evaluation"):
            subject = f"backend {name} {kind}"
            found = _words(drift) if kind == "drift" else _hindered(status)
            if found and self._reasons.get(subject) != found[0]:
                self._reasons[subject] = found[0]
                self._tell(subject, f"{found[0]}: {found[1]}")


def _words(one: Condition | None) -> tuple[str, str] | None:
    return (str(one.reason), one.message) if one else None


def _hindered(status: Json) -> tuple[str, str] | None:
    """Why it is not evaluated, or how it is again."""
    found = [one for one in status["conditions"] if one["type"] == "Evaluated"]
    waits = not found or found[0]["status"] == "Unknown"
    return None if waits else (found[0]["reason"], found[0]["message"])
