"""Who leads, decided from a Lease that anyone may have written and from this process's own clock.

Times inside the Lease are never compared with ours: a holder has lost it when we have seen its
record unchanged for the whole duration (client-go's rule: clock skew is harmless).

| seen                                   | decision                |
|----------------------------------------|-------------------------|
| no Lease, or nobody holds it           | Take                    |
| ours, this process leads               | Renew                   |
| ours, but from before a restart        | Take (a new epoch)      |
| another's, changed within the duration | Wait                    |
| another's, unchanged for the duration  | Take                    |
| another's, while this process leads    | Lost: exit, write nothing |
"""

from dataclasses import dataclass
from typing import Final, Literal

DURATION_S: Final = 15.0
RENEW_DEADLINE_S: Final = 10.0
RETRY_S: Final = 2.0
"""15, 10 and 2 s are client-go's defaults."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The stored Lease; `version` is its resourceVersion, empty when there is none."""

    holder: str = ""
    transitions: int = -1
    version: str = ""


@dataclass(frozen=True, slots=True)
class LeaseMemory:
    """The record as last seen, and since when (monotonic seconds) it has not changed."""

    record: LeaseRecord
    since_s: float
    leading: bool = False


@dataclass(frozen=True, slots=True)
class LeaseDecision:
    """`transitions` is what to write; meaningless for Wait and Lost."""

    action: Literal["Take", "Renew", "Wait", "Lost"]
    transitions: int = 0


def decide_lease(
    record: LeaseRecord, memory: LeaseMemory | None, *, me: str, now_s: float
) -> tuple[LeaseDecision, LeaseMemory]:
    """What to do now, and what to remember; `memory` None is a process that has just begun."""
    leading = memory is not None and memory.leading
    if memory is None or memory.record != record:
        memory = LeaseMemory(record, now_s, leading)
    if leading:
        if record.holder == me:
            return LeaseDecision("Renew", record.transitions), memory
        return LeaseDecision("Lost"), memory
    free = not record.holder or record.holder == me
    if free or now_s - memory.since_s >= DURATION_S:
        return LeaseDecision("Take", record.transitions + 1), memory
    return LeaseDecision("Wait"), memory
