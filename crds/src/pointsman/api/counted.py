"""What routers count and tell the operator: requests by rule, budgets, the arms of a rollout."""

from typing import Final

import msgspec

Served = dict[str, dict[str, dict[str, tuple[int, float]]]]
"""Policy -> rule -> backend -> requests that ended since a router began, and the seconds that they
took from their arrival on."""
DURATION_BOUNDS_S: Final = tuple(round(0.01 * 1.25**n, 6) for n in range(50))
"""Upper bounds of the buckets that durations of a rollout's arms are counted in: 10 ms to 9 min.
There is one bucket more, without an upper bound."""
MOST_ARMS: Final = 64
"""Policies whose arms a router tells of at once; an operator rolls out fewer."""


class BudgetUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all routers together have used of a budget, as a router knows it from the ledger."""

    name: str
    subject: str
    """Rule, caller or team; empty for a budget of the whole policy."""
    from_ms: int
    """When its window began, Unix time."""
    limit: int
    used: int
    currency: str = ""
    """Empty: tokens. Else both numbers are billionths of it."""


class ArmCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one revision of a policy did, since its router counts both of them."""

    requests: int = 0
    errors: int = 0
    """Of them: what a caller would call a failure, and could not have avoided."""
    refused: int = 0
    """Of the others: what a backend refused as its caller's mistake; it may be the backend's."""
    durations: tuple[int, ...] = ()
    """Of all of them, by bucket of DURATION_BOUNDS_S; empty without any."""
    priced: int = 0
    """Requests whose cost is known; `cost` and `cost_squares` are sums over them."""
    cost: float = 0.0
    cost_squares: float = 0.0


class Arms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Both revisions of a policy that has a candidate."""

    stable: str
    candidate: str
    since_ms: int
    """When this router began to count these two, Unix time: another one says it began anew."""
    of_stable: ArmCounts = ArmCounts()
    of_candidate: ArmCounts = ArmCounts()

    @property
    def is_readable(self) -> bool:
        """Whether durations are in the buckets of this release: another one may have others."""
        told = {len(one.durations) for one in (self.of_stable, self.of_candidate)}
        return told <= {0, len(DURATION_BOUNDS_S) + 1}
