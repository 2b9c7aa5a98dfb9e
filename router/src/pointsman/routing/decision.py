"""What was decided for a request: backends in the order of trying, and why not others."""

from dataclasses import dataclass

import msgspec

from pointsman.api.table import Backend
from pointsman.routing.compiled import CompiledPolicy, CompiledRoute


@dataclass(frozen=True, slots=True)
class Skipped:
    """A backend of the route that cannot take this request."""

    backend: str
    reason: str
    context_window: bool = False
    """True if the request is too long for it, rather than of the wrong kind."""
    ahead: bool = False
    """True if it stands before every candidate, which makes it the one that was left."""
    dear: bool = False
    """True if it may cost more than the route's maxCost."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Candidates in the order of trying; the first is the target, the rest the fallback chain."""

    policy: CompiledPolicy
    route: CompiledRoute
    candidates: tuple[Backend, ...]
    skipped: tuple[Skipped, ...] = ()
    evidence: tuple[str, ...] = ()
    undetermined: tuple[str, ...] = ()
    """Names of rules with an expression that could not be told, and so did not hold."""
