"""What was decided about policies, and the table that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.api import table
from pointsman.api.conditions import Condition
from pointsman.api.validation import Problem
from pointsman.operator.plan.objects import ObservedPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was decided about one policy."""

    policy: ObservedPolicy
    revision: str
    """Name of the revision that the policy's present spec is, accepted or not."""
    accepted: Condition
    resolved_refs: Condition
    tests: Condition | None = None
    """TestsPassed; None for a spec without tests, and for one that cannot be read."""
    vetted: Condition | None = None
    """Which backends its governance leaves out; None for a spec without requirements."""
    warnings: tuple[Problem, ...] = ()
    entry: table.PolicyEntry | None = None
    """What the routers are told to run; None if nothing was ever accepted."""
    blob: bytes | None = field(default=None, repr=False)
    """Compiled policy of `entry`; None if it is in force unchanged and cannot be compiled anew."""
    candidate: bytes | None = field(default=None, repr=False)
    """Compiled policy of the entry's candidate, if there is one."""

    def blobs(self) -> list[tuple[str, bytes]]:
        """What has to be stored for the entry: (SHA-256, compiled policy)."""
        trial = self.entry.candidate if self.entry else None
        found = [(trial.blob, self.candidate)] if trial else []
        if self.entry:
            found.append((self.entry.blob, self.blob))
        return [(digest, blob) for digest, blob in found if blob is not None]

    @property
    def active_revision(self) -> str | None:
        """Name of the revision in force."""
        return self.entry.revision if self.entry else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlan:
    """Verdicts by policy name, and the table that follows from them."""

    verdicts: Mapping[str, Verdict]
    entries: tuple[table.PolicyEntry, ...]
    """Sorted by policy name."""
    blobs: Mapping[str, bytes]
    """By SHA-256 in hex; blobs that are in force unchanged may be absent."""
