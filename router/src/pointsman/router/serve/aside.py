"""What a data plane and a client are to an exchange whose answer nobody waits for.

Guarantees that such a request takes nothing that is a caller's: no place in a queue for a server,
no retry of their budget, no memory of their conversations, no count among their requests. Loaded
only where a policy's rollout has a shadow phase.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from pointsman.analysis import analyze as analyze_text
from pointsman.router.policy import retry
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve import arrival, attempt, choosing
from pointsman.router.serve.exchange import Exchange
from pointsman.router.serve.wheel import Alarm
from pointsman.router.wire.received import Head, Request

if TYPE_CHECKING:
    from pointsman.api.table import Activation, Backend
    from pointsman.router.metrics import Metrics
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.holds import Holds, WaitingRoom
    from pointsman.router.serve.listener import ClientConnection
    from pointsman.router.serve.upstream import Pools
    from pointsman.router.serve.wheel import Wheel

_CONVERSATIONS: Final = 256
"""That are remembered for a candidate's predictor."""


class Nobody:
    """The client: takes what is written and keeps none of it. `job` is whose exchange it is."""

    __slots__ = ("_alarm", "_wheel", "admitted", "exchange", "job", "keep_alive", "paused")

    def __init__(self, wheel: "Wheel", job: object) -> None:
        self._wheel = wheel
        self._alarm = Alarm(self._ring)
        self.job = job
        self.exchange: Exchange | None = None
        self.admitted = True
        self.keep_alive = self.paused = False

    def write(self, data: bytes) -> None:
        """Nothing is kept."""

    def abort(self) -> None:
        """There is no connection."""

    def set_alarm(self, at_s: float) -> None:
        """Ring the exchange at `at_s`."""
        alarm = self._alarm
        alarm.at_s = at_s
        if at_s < alarm.filed_s:
            self._wheel.set(alarm, at_s)

    def answered(self) -> None:
        """The exchange is over."""
        self.exchange = None
        self._alarm.off()

    def _ring(self, now_s: float) -> None:
        if self.exchange is not None:
            self.exchange.ring(now_s)


class _Uncounted:
    """Metrics that are about callers' requests; bugs are counted where all are."""

    def __init__(self, metrics: "Metrics") -> None:
        self._metrics = metrics

    @property
    def internal_errors(self) -> int:
        return self._metrics.internal_errors

    @internal_errors.setter
    def internal_errors(self, count: int) -> None:
        self._metrics.internal_errors = count

    def predicted(self, policy: str, target: str, predicted: str, outcome: str) -> None:
        """Not by a caller's request."""

    def not_told(self, policy: str, rule: str) -> None:
        """Nor this."""


class _NoWaiting:
    """Who meets no server wakes one, who meets a full one leaves; neither is waited for."""

    def __init__(self, holds: "Holds") -> None:
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


class Aside:
    """The data plane, as far as an exchange looks at it; `on_end` hears how one ended."""

    def __init__(self, plane: "DataPlane", on_end: Callable[[Exchange], None]) -> None:
        self._plane = plane
        self.live, self.limits, self.tracks, self.spill = (
            plane.live, plane.limits, plane.tracks, plane.spill
        )  # fmt: skip
        self.providers, self.balancers = plane.providers, plane.balancers
        self.clock, self.wall, self.dice, self.next_id = (
            plane.clock, plane.wall, plane.dice, plane.next_id
        )  # fmt: skip
        self.metrics = _Uncounted(plane.metrics)
        self.holds: WaitingRoom = _NoWaiting(plane.holds)
        self.conversations = choosing.Conversations(_CONVERSATIONS)
        self.budget = retry.BUDGET_START
        self.record = self.traces = self.governors = None
        self.arrival = (attempt.start,)
        self.ended = on_end

    @property
    def pools(self) -> "Pools":
        """They are made when the plane begins to listen."""
        return self._plane.pools

    @property
    def wheel(self) -> "Wheel":
        """Likewise."""
        return self._plane.wheel

    def exchange(self, told: Exchange, body: bytes, job: object) -> Exchange:
        """The same request once more, with this body; nothing is done yet."""
        head = told.request.head
        again = Head(head.method, head.target, head.headers, keep_alive=False, http11=True)
        again.forwarded = b""  # a caller's trace does not hold what its caller does not wait for
        again.request_id, again.debug = None, False
        nobody = Nobody(self.wheel, job)
        found = Exchange(
            cast("DataPlane", self), cast("ClientConnection", nobody), Request(again, body),
            told.operation, self.clock(),
        )  # fmt: skip
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

        governing.govern(exchange)
    prompt = asked.prompt()
    exchange.images = prompt.images > 0
    chooses = exchange.policy.chooser is not None
    exchange.analysis = choosing.read(exchange, prompt) if chooses else analyze_text(prompt)
    arrival.decide(exchange)
    return prompt.json_mode
