"""What a data plane and a client are to an exchange whose answer nobody waits for.

Guarantees that such a request takes nothing that is a caller's: no place in a queue for a server,
no retry of their budget, no memory of their conversations, no count among their requests. Loaded
only where a policy's rollout has a shadow phase.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pointsman.analysis import analyze as analyze_text
from pointsman.router.metrics import Metrics
from pointsman.router.policy import retry
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve import arrival, attempt, choosing
from pointsman.router.serve.client import Client
from pointsman.router.serve.exchange import Exchange
from pointsman.router.serve.plane import Plane
from pointsman.router.wire.received import Head, Request

if TYPE_CHECKING:
    from pointsman.api.table import Activation, Backend
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.holds import WaitingRoom

_CONVERSATIONS: Final = 256
"""That are remembered for a candidate's predictor."""


class Nobody(Client):
    """The client; `job` is whose exchange it is."""

    def __init__(self, plane: Plane, job: object) -> None:
        super().__init__(plane)
        self.job = job


class _Uncounted(Metrics):
    """In a registry of its own, that nobody scrapes, and without what is told by policy."""

    def predicted(self, policy: str, target: str, predicted: str, outcome: str) -> None:
        """Not by a caller's request."""

    def not_told(self, policy: str, rule: str) -> None:
        """Nor this."""


class _NoWaiting:
    """Who meets no server wakes one, who meets a full one leaves; neither is waited for."""

    def __init__(self, holds: "WaitingRoom") -> None:
        self.must_wait, self.serves, self.is_full = holds.must_wait, holds.serves, holds.is_full
        self.fault = holds.fault
        self.served = holds.served
        self.advance = holds.advance
        self._holds = holds

    @property
    def queues(self) -> object:
        """Of callers that wait."""
        return self._holds.queues

    def hold(self, exchange: Exchange, backend: "Backend", how: "Activation") -> Fault:  # noqa: ARG002 - as of Holds
        """No place in the line."""
        if how is backend.queue:
            what = "its servers have as many requests as they take at once"
            return self.fault(backend.name, Kind.SATURATED, "Saturated", what)
        return self.fault(backend.name, Kind.COLD, "Cold", "no server is ready")


class Aside(Plane):
    """The data plane, as far as an exchange looks at it; `on_end` hears how one ended."""

    def __init__(self, plane: "DataPlane", on_end: Callable[[Exchange], None]) -> None:
        self.live, self.limits, self.tracks, self.spill = (
            plane.live, plane.limits, plane.tracks, plane.spill
        )  # fmt: skip
        self.providers, self.balancers = plane.providers, plane.balancers
        self.wheel, self.pools = plane.wheel, plane.pools
        self.clock, self.wall, self.dice = plane.clock, plane.wall, plane.dice
        self.ids = plane.ids
        self.metrics = _Uncounted()
        self.holds = _NoWaiting(plane.holds)
        self.conversations = choosing.Conversations(_CONVERSATIONS)
        self.budget = retry.BUDGET_START
        self.record, self.traces, self.governors = None, None, None
        self.arrival = (attempt.start,)
        self._plane = plane
        self._on_end = on_end

    def bug(self) -> None:
        """Counted where all are."""
        self._plane.bug()

    def ended(self, exchange: Exchange) -> None:
        """None of a caller's."""
        self._on_end(exchange)

    def exchange(self, told: Exchange, body: bytes, job: object) -> Exchange:
        """The same request once more, with this body; nothing is done yet."""
        head = told.request.head
        again = Head(head.method, head.target, head.headers, keep_alive=False, http11=True)
        # A caller's trace does not hold what its caller does not wait for.
        again.forwarded = again.without_trace()
        again.request_id, again.debug = None, False
        nobody = Nobody(self, job)
        found = Exchange(self, nobody, Request(again, body), told.operation, self.clock())
        nobody.exchange = found
        found.caller = told.caller
        return found


def decide(exchange: Exchange) -> bool:
    """
    Read, analyze and decide; raises Problem as these layers do.

    True if the answer shall be JSON.
    """
    asked = exchange.asked = exchange.operation.read(exchange.request.body)
    if exchange.policy.governance is not None:
        from pointsman.router.serve import governing  # noqa: PLC0415 - few policies ask for it

        governing.govern(exchange)  # which remembers the policy, so it is the table's own
    if exchange.policy.review is not None:  # its caller's own request is what a person sees
        exchange.policy = replace(exchange.policy, review=None)
    prompt = asked.prompt()
    exchange.images = prompt.images > 0
    chooses = exchange.policy.chooser is not None
    exchange.analysis = choosing.read(exchange, prompt) if chooses else analyze_text(prompt)
    arrival.decide(exchange)
    return prompt.json_mode
