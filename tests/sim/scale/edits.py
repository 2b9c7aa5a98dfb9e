"""Edits of policies in a fleet of any size: a simulation of the operator's one loop.

An edit waits for the reconcile that runs, and is taken with all others that wait, as the queue
does it. Its table reaches the routers, whose acks are read on the same loop, and an edit is done
when the last of them is read. Acks call for a reconcile as well: one, a moment after the first.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from pointsman.operator.controllers.queue import GATHER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Milliseconds."""

    reconcile_ms: float
    ack_ms: float
    routers: int
    event_ms: float = 15.0
    """From the API server's answer to the operator's hearing of it."""
    store_ms: float = 12.0
    """Writing revision, blob and manifest."""
    router_ms: tuple[float, float] = (8.0, 30.0)
    """From the manifest's write to the ack on its way back: watch, switch, stream."""
    gather_ms: float = 1000 * GATHER_S
    """From an ack to the reconcile that it calls for."""


def latencies(loop: Loop, *, per_s: float, edits: int, seed: int) -> list[float]:
    """Milliseconds from each edit to its last ack, in the order of their ends."""
    dice = random.Random(seed)
    at_ms, arrivals = 0.0, []
    for _ in range(edits):
        at_ms += dice.expovariate(per_s / 1000)
        arrivals.append(at_ms)
    waiting = [(at + loop.event_ms, number) for number, at in enumerate(arrivals)]
    acks: list[tuple[float, int]] = []
    """(when it is there, which write): a heap."""
    writes: list[list[int]] = []
    missing: list[int] = []
    found: list[float] = []
    now_ms, due_ms, next_edit = 0.0, inf, 0
    while len(found) < edits:
        if acks and acks[0][0] <= now_ms:
            _, write = heapq.heappop(acks)
            now_ms += loop.ack_ms
            due_ms = min(due_ms, now_ms + loop.gather_ms)
            missing[write] -= 1
            if missing[write] == 0:
                found += [now_ms - arrivals[number] for number in writes[write]]
            continue
        taken = []
        while next_edit < edits and waiting[next_edit][0] <= now_ms:
            taken.append(waiting[next_edit][1])
            next_edit += 1
        if taken or due_ms <= now_ms:
            due_ms = due_ms if due_ms > now_ms else inf
            now_ms += loop.reconcile_ms
            if taken:
                now_ms += loop.store_ms
                writes.append(taken)
                missing.append(loop.routers)
                for _ in range(loop.routers):
                    heapq.heappush(acks, (now_ms + dice.uniform(*loop.router_ms), len(writes) - 1))
            continue
        ahead = [due_ms, *([acks[0][0]] if acks else [])]
        if next_edit < edits:
            ahead.append(waiting[next_edit][0])
        now_ms = max(now_ms, min(ahead))
    return found


def rank(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
