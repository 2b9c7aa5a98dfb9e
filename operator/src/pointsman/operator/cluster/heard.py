"""One router pod, and what its stream has said so far."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from pointsman.api import table
from pointsman.api.counted import Arms
from pointsman.operator.cluster.observe import RouterPod
from pointsman.operator.plan.scaling import RouterReport, at_rest

MISSED_S: Final = 10.0
"""A request that met no server and went elsewhere counts as load for so long: enough to be decided
on, and less than any delay of scaling down."""


@dataclass(slots=True)
class HeardRouter:
    """Changed only by the task that reads its stream."""

    pod: RouterPod
    task: asyncio.Task[None] | None = None
    heard_s: float = field(default_factory=time.monotonic)
    """Of its last line; until it has spoken, when it was dialed first."""
    spoke: bool = False
    told_silent: bool = False
    position: tuple[int, int] = (0, 0)
    """(epoch, serial) of the manifest that its last event spoke of."""
    acks: dict[str, table.Ack] = field(default_factory=dict)
    acked_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """(policy, blob) -> unix time of the first ack."""
    unreachable: frozenset[str] = frozenset()
    """Backends that it would send requests to and knows no endpoint of."""
    load: table.AdminEvent | None = None
    """The last event of the stream that is open now which told of the load."""
    served: table.Served = field(default_factory=dict)
    """What it told last of the requests that ended, by rule."""
    failing: dict[str, str] = field(default_factory=dict)
    """Backend -> how requests end that it sends there, if none is answered."""
    budgets: dict[str, tuple[table.BudgetUse, ...]] = field(default_factory=dict)
    """What it told last of budgets, by policy."""
    arms: dict[str, Arms] = field(default_factory=dict)
    """What it told last of the arms of rollouts, by policy."""
    missed_s: dict[str, float] = field(default_factory=dict)
    """Backend -> when its count of requests that met no server grew last, of the last seconds."""

    def hear_load(self, event: table.AdminEvent) -> None:
        """An event that tells of the load."""
        now_s = time.monotonic()
        before = self.load.missed if self.load is not None else event.missed
        missed = {name: at_s for name, at_s in self.missed_s.items() if now_s - at_s < MISSED_S}
        missed |= {n: now_s for n, count in event.missed.items() if count > before.get(n, 0)}
        self.load, self.missed_s = event, missed
        self.served = self.served if event.served is None else event.served
        self.arms = self.arms if event.arms is None else event.arms
        self.failing = self.failing if event.failing is None else event.failing

    def hear_acks(self, event: table.AdminEvent) -> None:
        """An event that lists all policies: one that is not there is not run any more."""
        self.acks = {ack.policy: ack for ack in event.acks}
        self.unreachable = frozenset(event.unreachable)
        now, before = time.time(), self.acked_at
        current = ((ack.policy, ack.blob) for ack in event.acks)
        self.acked_at = {key: before.get(key, now) for key in current}

    def runs(self, policy: str, blob: str) -> bool:
        """By its own word."""
        ack = self.acks.get(policy)
        return ack is not None and ack.blob == blob

    def report(self, backend: str) -> RouterReport | None:
        """What it has of a backend; None if it does not say."""
        if (load := self.load) is None:
            return None
        finished = None if load.finished is None else load.finished.get(backend, 0)
        in_flight = load.in_flight.get(backend, 0)
        # Who missed one did not wait, but a server was wanted.
        held = load.held.get(backend, 0) or int(self._missed(backend))
        if not held and not in_flight:
            return at_rest(self.pod.name, finished)
        return RouterReport(self.pod.name, held, in_flight, finished)

    def busy(self) -> dict[str, int]:
        """Requests that it holds or has sent, by backend; most of a large fleet are at rest."""
        if (load := self.load) is None:
            return {}
        found = {name: n for name, n in load.held.items() if n}
        found |= {n: 1 for n in self.missed_s if n not in found and self._missed(n)}
        for name, count in load.in_flight.items():
            if count:
                found[name] = found.get(name, 0) + count
        return found

    def _missed(self, backend: str) -> bool:
        at_s = self.missed_s.get(backend)
        return at_s is not None and time.monotonic() - at_s < MISSED_S
