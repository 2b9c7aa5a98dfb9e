"""What an exchange sees of the router: its tables, counters, clocks, and who hears of its end.

A class and no Protocol, see client.py. `DataPlane` is the one of callers; `Aside` that of answers
which nobody waits for, and has no more of it than its few layers ask for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.router.live import Live
    from pointsman.router.metrics import Metrics
    from pointsman.router.serve.arms import Arms
    from pointsman.router.serve.budgets import Budgets
    from pointsman.router.serve.choosing import Conversations
    from pointsman.router.serve.endpoints import Balancers
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.feedback import Ledger
    from pointsman.router.serve.governing import Governors
    from pointsman.router.serve.holds import WaitingRoom
    from pointsman.router.serve.limits import Limits
    from pointsman.router.serve.providers import Providers
    from pointsman.router.serve.quotas import Quotas
    from pointsman.router.serve.record import Recorder
    from pointsman.router.serve.review.desk import Desk
    from pointsman.router.serve.spill import Spill
    from pointsman.router.serve.tracing import Tracing
    from pointsman.router.serve.tracks import Tracks
    from pointsman.router.serve.upstream import Pools
    from pointsman.router.serve.wheel import Wheel


class Ids:
    """Names that begin with `prefix`, each another one."""

    __slots__ = ("_last", "_prefix")

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._last = 0

    def next(self) -> bytes:
        """One more."""
        self._last += 1
        return b"%b-%d" % (self._prefix, self._last)


class Plane:
    """See the module. `wheel` and `pools` are there once the router listens."""

    live: "Live"
    limits: "Limits"
    metrics: "Metrics"
    clock: Callable[[], float]
    wall: Callable[[], float]
    dice: Callable[[], float]
    arrival: "tuple[Callable[[Exchange], None], ...]"
    tracks: "Tracks"
    holds: "WaitingRoom"
    spill: "Spill"
    balancers: "Balancers"
    providers: "Providers"
    conversations: "Conversations"
    wheel: "Wheel"
    pools: "Pools"
    budget: float
    """Retries that may be made; see policy/retry.py."""
    record: "Recorder | None"
    """Keeps what a routed request was, for the ledger; None where there is none."""
    traces: "Tracing | None"
    """Makes spans and measures calls; None where nobody collects them."""
    governors: "Governors | None"
    """Since a request was governed."""
    ids: "Ids"

    # Of callers' requests alone.

    arms: "Arms"
    quotas: "Quotas"
    budgets: "Budgets"
    ledger: "Ledger | None"
    """The ledger, for feedback and for what people see later."""
    refusing: bool
    """True when a drain takes no more from connections that it did not have before."""

    def next_id(self) -> bytes:
        """Unique over all routers and restarts."""
        return self.ids.next()

    @property
    def desk(self) -> "Desk":
        """Where requests wait for people."""
        raise LookupError("no person sees what is answered here")

    def bug(self) -> None:
        """Count an error of this program that a request met."""
        self.metrics.internal_errors += 1

    def began(self) -> None:
        """An exchange is in work."""

    def ended(self, exchange: "Exchange") -> None:
        """An exchange is over."""
