"""Requests that wait for a server of their backend.

Guarantees that they go in the order they came, that a server which has just begun gets only a few
of them at once, that none waits longer than its time or in a queue without a bound.

| no ready server, and the backend's activation | what becomes of the request               |
| none                                          | as if the backend had answered 503        |
| Hold                                          | the next backend on Cold, else it waits   |
| Fallback                                      | the next backend; waits if there is none  |
| Reject                                        | the next backend on Cold, else 503        |
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final

from pointsman.api.table import Activation, Backend, Order, ServiceAddress
from pointsman.router.policy.retry import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pointsman.router.live import Live
    from pointsman.router.serve.exchange import Exchange

USUAL_START_S: Final = 10.0
"""Told in Retry-After before a start was seen."""
_LONGEST_START_S: Final = 600.0


class Wait:
    """One request's; `at_s` is when it has to be rung."""

    __slots__ = ("_beat_at_s", "_by_s", "_exchange", "_since_s", "backend")

    def __init__(self, exchange: "Exchange", backend: str, timeout_s: float) -> None:
        now_s = exchange.plane.clock()
        self._exchange = exchange
        self.backend = backend
        self._since_s = now_s
        self._by_s = now_s + timeout_s
        beats = exchange.asked.stream and exchange.request.head.http11
        self._beat_at_s = now_s + exchange.plane.limits.hold_heartbeat_s if beats else inf

    @property
    def at_s(self) -> float:
        """The next deadline."""
        return min(self._by_s, self._beat_at_s)

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""
        exchange = self._exchange
        if now_s >= self._by_s:
            what = "no server became ready in time"
            self.give_up(exchange.plane.holds.fault(self.backend, "HoldTimeout", what))
        elif now_s >= self._beat_at_s:
            self._beat_at_s = now_s + exchange.plane.limits.hold_heartbeat_s
            exchange.beat()

    def give_up(self, fault: Fault) -> None:
        """No server will come."""
        self.end(fault.reason)
        self._exchange.fail(fault)

    def let_go(self) -> None:
        """Its turn has come."""
        self.end("Answered")
        self._exchange.let_go()

    def end(self, outcome: str) -> None:
        """It is over; counted with its outcome."""
        exchange = self._exchange
        exchange.waiting = None
        exchange.plane.holds.leave(self)
        for_s = exchange.plane.clock() - self._since_s
        exchange.held_s += for_s
        if exchange.track is not None and exchange.track.backend is not None:
            exchange.track.backend.held(outcome, for_s)


@dataclass(slots=True)
class _Queue:
    """Of one backend; `asked_s` is when the first request met no server."""

    address: ServiceAddress
    at_once: int
    asked_s: float
    waiting: OrderedDict[Wait, None] = field(default_factory=OrderedDict)


class Holds:
    """All of a router. `queues` is empty while every backend that is asked for has a server."""

    def __init__(self, live: "Live", clock: "Callable[[], float]") -> None:
        self.queues: dict[str, _Queue] = {}
        self._live = live
        self._clock = clock
        self._start_s: dict[str, float] = {}
        live.endpoint_listeners.append(self.look)

    def must_wait(self, backend: Backend, service: str) -> bool:
        """True if no server is ready, or others wait already."""
        live = self._live
        if not live.endpoints.get(service) or backend.name in live.orders:
            live.miss(backend.name)
            return True
        return backend.name in self.queues and bool(self.queues[backend.name].waiting)

    def hold(self, exchange: "Exchange", backend: Backend, how: Activation) -> Fault | None:
        """Let it wait; or why it cannot."""
        assert isinstance(backend.address, ServiceAddress)
        queue = self.queues.get(backend.name)
        if queue is None:
            queue = _Queue(backend.address, how.at_once, self._clock())
            self.queues[backend.name] = queue
        order = self._live.orders.get(backend.name)
        if order is not None and order.failure:
            return self.fault(backend.name, "CannotStart", _told(order))
        if how.mode == "Reject":
            return self.fault(backend.name, "Cold", "no server is ready")
        if len(queue.waiting) >= how.max_held:
            return self.fault(backend.name, "HoldFull", "too many requests wait for a server")
        queue.address, queue.at_once = backend.address, how.at_once
        waiting = Wait(exchange, backend.name, how.timeout_s)
        queue.waiting[waiting] = None
        self._live.hold(backend.name, len(queue.waiting))
        exchange.wait(waiting)
        return None

    def fault(self, backend: str, reason: str, detail: str) -> Fault:
        """Why a request does not wait for this backend, or no longer."""
        retry_after_s = self._start_s.get(backend, USUAL_START_S)
        return Fault(Kind.COLD, reason, detail, retryable=False, retry_after_s=retry_after_s)

    def leave(self, waiting: Wait) -> None:
        """It waits no longer; may be called twice."""
        queue = self.queues.get(waiting.backend)
        if queue is not None and waiting in queue.waiting:
            del queue.waiting[waiting]
            self._live.hold(waiting.backend, len(queue.waiting))

    def look(self) -> None:
        """Endpoints or orders have changed: let go who may go, and learn how long a start takes."""
        for name, queue in list(self.queues.items()):
            order = self._live.orders.get(name)
            if order is not None:
                while order.failure and queue.waiting:
                    fault = self.fault(name, "CannotStart", _told(order))
                    next(iter(queue.waiting)).give_up(fault)
            elif self._live.endpoints.get(queue.address.key):
                if queue.asked_s < inf:
                    took_s = self._clock() - queue.asked_s
                    self._start_s[name] = min(took_s, _LONGEST_START_S)
                    queue.asked_s = inf
                self.advance(name)
            elif queue.asked_s == inf:
                queue.asked_s = self._clock()

    def advance(self, backend: str) -> None:
        """Let as many go as its servers may have; the queue is forgotten when it is empty."""
        queue, live = self.queues.get(backend), self._live
        if queue is None or backend in live.orders:
            return
        most = queue.at_once * len(live.endpoints.get(queue.address.key, ()))
        while queue.waiting and live.in_flight.get(backend, 0) < most:
            next(iter(queue.waiting)).let_go()
        if most and not queue.waiting and self.queues.get(backend) is queue:
            del self.queues[backend]


def _told(order: Order) -> str:
    return f"no server of it can start: {order.failure}"
