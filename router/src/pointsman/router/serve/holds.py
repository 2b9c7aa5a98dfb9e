"""Requests that wait for a server of their backend.

Guarantees that higher priorities go first and callers of one take turns, each in the order it came
(policy/fair.py), that a server which has just begun gets only a few at once, that none waits longer
than its time or in a queue without a bound.

| no ready server, and the backend's activation | what becomes of the request               |
| none                                          | as if the backend had answered 503        |
| Hold                                          | the next backend on Cold, or on Saturated |
|                                               | if it would be too late; else it waits    |
| Fallback                                      | the next backend; waits if there is none  |
| Reject                                        | the next backend on Cold, else 503        |

Where a backend has a queue, they wait as well while its servers have as many as they work on.
"""

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from pointsman.api.table import Activation, Backend, Order, ServiceAddress
from pointsman.router.policy import spill
from pointsman.router.policy.fair import Line
from pointsman.router.policy.retry import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pointsman.router.live import Live
    from pointsman.router.serve.exchange import Exchange

USUAL_START_S: Final = 10.0
"""Told in Retry-After before a start was seen."""
_LONGEST_START_S: Final = 600.0
_LEAVES: Final = 0.95
"""Of the chain's deadline: then who waits goes on, so that a busy loop does not make it too late to
try another backend."""


class Wait:
    """One request's; `at_s` is when it has to be rung."""

    __slots__ = (
        "_beat_at_s", "_by_s", "_exchange", "_holds", "_how", "_of", "_passes", "_since_s",
        "_until_s", "backend",
    )  # fmt: skip

    def __init__(
        self, holds: "Holds", exchange: "Exchange", backend: Backend, how: Activation
    ) -> None:
        now_s = exchange.plane.clock()
        self._holds = holds
        self._exchange = exchange
        self._how = how
        self._of = backend
        self.backend = backend.name
        self._since_s = now_s
        self._by_s = now_s + how.timeout_s
        self._passes = exchange.taken.on_saturated and exchange.others_left
        if self._passes:  # while another backend may still be tried
            self._by_s = min(self._by_s, exchange.received_s + exchange.chain_s * _LEAVES)
        self._until_s = inf
        if backend.approval is not None:  # then nobody may be sent there
            self._until_s = now_s + max(0.0, backend.approval.until_s - exchange.plane.wall())
        beats = exchange.asked.stream and exchange.request.head.http11
        self._beat_at_s = now_s + exchange.plane.limits.hold_heartbeat_s if beats else inf

    @property
    def at_s(self) -> float:
        """The next deadline."""
        return min(self._by_s, self._beat_at_s, self._until_s)

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""
        exchange = self._exchange
        if now_s >= self._until_s:
            self._until_s = inf
            self.end("ApprovalExpired")
            exchange.let_go()
        elif now_s >= self._by_s:
            what = "no server became ready in time"
            self.give_up(self._holds.fault(self.backend, Kind.SATURATED, "HoldTimeout", what))
        elif now_s >= self._beat_at_s:
            self._beat_at_s = now_s + exchange.plane.limits.hold_heartbeat_s
            exchange.beat()

    def pass_on(self, ahead: int) -> None:
        """Leave, if behind so many others it would be too late and another backend may answer."""
        exchange, holds = self._exchange, self._holds
        if not self._passes:
            return
        wait_s = holds.expected_s(self._of, self._how, ahead)
        left_s = self._by_s - exchange.plane.clock()
        if wait_s is not None and not has_time(exchange, wait_s, left_s):
            self.give_up(holds.too_late(self._of))

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
        self._holds.leave(self)
        for_s = exchange.plane.clock() - self._since_s
        exchange.held_s += for_s
        if exchange.track is not None and exchange.track.backend is not None:
            exchange.track.backend.held(outcome, for_s)


def has_time(exchange: "Exchange", wait_s: float, timeout_s: float) -> bool:
    """True if a wait that may take `timeout_s` and will take `wait_s` ends in time."""
    since_s = exchange.plane.clock() - exchange.received_s
    by_s = min(exchange.chain_s, exchange.taken.route.request_timeout_s)
    return wait_s < timeout_s and since_s + wait_s < by_s


def _none(_: str) -> int:
    return 0


@dataclass(slots=True)
class _Queue:
    """Of one backend; `asked_s` is when the first request met no server."""

    address: ServiceAddress
    at_once: int
    asked_s: float
    shared: bool = False
    """True if `at_once` is for all routers together, as a backend's max_concurrent is."""
    waiting: Line[Wait] = field(default_factory=Line)


class WaitingRoom(Protocol):
    """What an attempt needs of Holds; see there."""

    @property
    def queues(self) -> object: ...

    def must_wait(self, backend: Backend, service: str) -> bool: ...

    def serves(self, backend: Backend, service: str) -> bool: ...

    def is_full(self, backend: Backend, service: str) -> bool: ...

    def hold(self, exchange: "Exchange", backend: Backend, how: Activation) -> Fault | None: ...

    def fault(self, backend: str, kind: Kind, reason: str, detail: str) -> Fault: ...

    def served(self, backend: str, took_s: float) -> None: ...

    def advance(self, backend: str) -> None: ...


class Holds:
    """All of a router. `queues` is empty while every backend that is asked for has a server."""

    def __init__(self, live: "Live", clock: "Callable[[], float]") -> None:
        self.queues: dict[str, _Queue] = {}
        self._live = live
        self._clock = clock
        self._start_s: dict[str, float] = {}
        self.service_s: dict[str, float] = {}
        """Backend -> how long its answers take, on average, for routes that pass on when full."""
        self.ejected_of: Callable[[str], int] = _none
        """Service -> endpoints that get nothing for a while: the others have no room for theirs."""
        live.endpoint_listeners.append(self.look)

    def must_wait(self, backend: Backend, service: str) -> bool:
        """True if no server is ready, or others wait already."""
        live = self._live
        if not live.endpoints.get(service) or backend.name in live.orders:
            live.miss(backend.name)
            return True
        return backend.name in self.queues and bool(self.queues[backend.name].waiting)

    def serves(self, backend: Backend, service: str) -> bool:
        """True if a server is ready and may be asked."""
        return bool(self._live.endpoints.get(service)) and backend.name not in self._live.orders

    def is_full(self, backend: Backend, service: str) -> bool:
        """True if its servers have as many as they work on, or others wait already."""
        live, name = self._live, backend.name
        if name in self.queues and self.queues[name].waiting:
            return True
        servers = len(live.endpoints.get(service, ())) - self.ejected_of(service)
        most = spill.capacity(servers, backend.max_concurrent, live.routers)
        return live.in_flight.get(name, 0) >= most

    def hold(self, exchange: "Exchange", backend: Backend, how: Activation) -> Fault | None:
        """Let it wait; or why it cannot."""
        assert isinstance(backend.address, ServiceAddress)
        queue = self._queue(backend.name, backend.address, how)
        order = self._live.orders.get(backend.name)
        if order is not None and order.failure:
            return self.cannot_start(backend.name, order)
        if how.mode == "Reject":
            return self.fault(backend.name, Kind.COLD, "Cold", "no server is ready")
        caller, rank = exchange.caller.name, exchange.taken.route.priority
        if len(queue.waiting) >= how.max_held:
            what = "too many requests wait for a server"
            full = self.fault(backend.name, Kind.SATURATED, "HoldFull", what)
            other = queue.waiting.displaced_by(caller, rank)
            if other is None:
                return full
            other.give_up(full)
        queue.address = backend.address
        if not queue.waiting:  # a line behind a start keeps its pace to the end
            queue.at_once, queue.shared = how.at_once, how is backend.queue
        waiting = Wait(self, exchange, backend, how)
        queue.waiting.add(caller, waiting, rank)
        self._live.hold(backend.name, len(queue.waiting))
        exchange.wait(waiting)
        return None

    def _queue(self, name: str, address: ServiceAddress, how: Activation) -> _Queue:
        queue = self.queues.get(name)
        if queue is None:
            serves = self._live.endpoints.get(address.key) and name not in self._live.orders
            asked_s = inf if serves else self._clock()
            queue = self.queues[name] = _Queue(address, how.at_once, asked_s)
        return queue

    def miss(self, backend: Backend) -> None:
        """A request met no server and goes elsewhere: somebody may start one, which takes time."""
        assert isinstance(backend.address, ServiceAddress)
        assert backend.activation is not None
        self._live.miss(backend.name)
        self._queue(backend.name, backend.address, backend.activation)

    def before(self, backend: str, rank: int) -> int:
        """How many that wait for it go before one more of this priority."""
        queue = self.queues.get(backend)
        return queue.waiting.before(rank) if queue is not None else 0

    def served(self, backend: str, took_s: float) -> None:
        """It has answered a request."""
        self.service_s[backend] = spill.learn(self.service_s.get(backend), took_s)

    def expected_s(self, backend: Backend, how: Activation, ahead: int) -> float | None:
        """How long who comes after `ahead` others will wait; None before a start was seen."""
        assert isinstance(backend.address, ServiceAddress)
        name, live = backend.name, self._live
        servers = len(live.endpoints.get(backend.address.key, ()))
        starts_in_s = 0.0
        if not servers or name in live.orders:
            took_s = self._start_s.get(name)
            if took_s is None:
                return None
            queue = self.queues.get(name)
            began_s = queue.asked_s if queue is not None and queue.asked_s < inf else self._clock()
            starts_in_s = max(0.0, began_s + took_s - self._clock())
        service_s = self.service_s.get(name, 0.0)
        return spill.wait_s(ahead, how.at_once * max(servers, 1), service_s, starts_in_s)

    def fault(self, backend: str, kind: Kind, reason: str, detail: str) -> Fault:
        """Why a request does not wait for this backend, or no longer."""
        retry_after_s = self._start_s.get(backend, USUAL_START_S)
        return Fault(kind, reason, detail, retryable=False, retry_after_s=retry_after_s)

    def cannot_start(self, backend: str, order: Order) -> Fault:
        """Nobody need wait."""
        what = f"no server of it can start: {order.failure}"
        return self.fault(backend, Kind.UNSCHEDULABLE, "CannotStart", what)

    def too_late(self, backend: Backend) -> Fault:
        """Its turn would not come in time."""
        assert isinstance(backend.address, ServiceAddress)
        reason = "Saturated" if self._live.endpoints.get(backend.address.key) else "Cold"
        what = "the request would not begin in time"
        return self.fault(backend.name, Kind.SATURATED, reason, what)

    def leave(self, waiting: Wait) -> None:
        """It waits no longer; may be called twice."""
        queue = self.queues.get(waiting.backend)
        if queue is not None and waiting in queue.waiting:
            queue.waiting.discard(waiting)
            self._live.hold(waiting.backend, len(queue.waiting))

    def look(self) -> None:
        """Endpoints or orders have changed: let go who may go, and learn how long a start takes."""
        for name, queue in list(self.queues.items()):
            order = self._live.orders.get(name)
            if order is not None:
                while order.failure and queue.waiting:
                    queue.waiting.first().give_up(self.cannot_start(name, order))
            elif self._live.endpoints.get(queue.address.key):
                if queue.asked_s < inf:
                    took_s = self._clock() - queue.asked_s
                    self._start_s[name] = min(took_s, _LONGEST_START_S)
                    queue.asked_s = inf
                self.advance(name)
            elif queue.asked_s == inf:
                queue.asked_s = self._clock()
            self._pass_on(name, queue)

    def _pass_on(self, name: str, queue: _Queue) -> None:
        """Those for whom it has become too late go elsewhere."""
        ahead = self._live.in_flight.get(name, 0)
        for waiting in [*queue.waiting]:
            waiting.pass_on(ahead)
            ahead += waiting in queue.waiting

    def advance(self, backend: str) -> None:
        """Let as many go as its servers may have; the queue is forgotten when it is empty."""
        queue, live = self.queues.get(backend), self._live
        if queue is None or backend in live.orders:
            return
        service = queue.address.key
        servers = len(live.endpoints.get(service, ())) - self.ejected_of(service)
        most = spill.capacity(servers, queue.at_once, live.routers if queue.shared else 1)
        while queue.waiting and live.in_flight.get(backend, 0) < most:
            queue.waiting.turn().let_go()
        if most and not queue.waiting and self.queues.get(backend) is queue:
            del self.queues[backend]
