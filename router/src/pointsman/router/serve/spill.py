"""Who takes a request of a route that passes on what is full, cold or cannot start.

Guarantees that nobody is refused for that: who takes the request moves ahead of those that were
passed over, which may be tried after it. Each candidate is tried once, so nothing goes in circles.
Looks at those that follow only where the one whose turn it is has no room. What a state means is
decided in policy/spill.py.
"""

from typing import TYPE_CHECKING

from pointsman.api.table import Activation, Backend, ServiceAddress
from pointsman.router.policy import spill
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.policy.spill import Offer, Standing
from pointsman.router.serve.holds import has_time
from pointsman.router.serve.tracks import Track

if TYPE_CHECKING:
    from pointsman.router.live import Live
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.holds import Holds

_ROOM = Offer(Standing.ROOM)
_USUAL_SERVICE_S = 1.0
"""Before one was measured: then waits compare as the lengths of the lines."""


def passed_over(exchange: "Exchange", track: Track, backend: Backend, fault: Fault) -> None:
    """This backend was left for another: told once in a metric, and in a header of the answer."""
    told = (backend.name, fault.reason)
    if told not in exchange.passed:
        track.route.fell_back(fault.reason)
        exchange.passed = (*exchange.passed, told)


class Spill:
    """Of one router; remembers who was full, so that traffic does not go to and fro."""

    def __init__(self, live: "Live", holds: "Holds") -> None:
        self._live = live
        self._holds = holds
        self._full: set[str] = set()

    def place(self, exchange: "Exchange") -> None:
        """Put who takes the request in the place of the candidate whose turn it is."""
        offers = [self._offer(exchange, exchange.candidate, its_turn=True)]
        if offers[0].standing is Standing.ROOM:
            return
        rest = exchange.candidates[exchange.index :]
        for backend in rest[1:]:
            offers.append(self._offer(exchange, backend, its_turn=False))
            if offers[-1].standing is Standing.ROOM:
                break
        taken = spill.choose(offers)
        for number, offer in enumerate(offers):
            if offer.standing >= Standing.COLD and number != taken and rest[number].activation:
                self._holds.miss(rest[number])
        for backend, offer in zip(rest[:taken], offers, strict=False):
            fault = self._fault(backend, offer.standing)
            if (backend.name, fault.reason) not in exchange.passed:
                exchange.failures.append((backend.name, fault))
            track = exchange.plane.tracks.of(exchange.policy, exchange.taken, backend)
            passed_over(exchange, track, backend, fault)
        before = exchange.candidates[: exchange.index]
        exchange.candidates = (*before, rest[taken], *rest[:taken], *rest[taken + 1 :])

    def _offer(self, exchange: "Exchange", backend: Backend, *, its_turn: bool) -> Offer:
        live, address, how = self._live, backend.address, backend.activation
        servers = 1
        if isinstance(address, ServiceAddress):
            servers = len(live.endpoints.get(address.key, ()))
            if not servers or (how is not None and backend.name in live.orders):
                return self._without_server(exchange, backend, its_turn=its_turn)
        if not exchange.taken.on_saturated:
            return _ROOM
        load = live.held.get(backend.name, 0) + live.in_flight.get(backend.name, 0)
        most = spill.capacity(servers, backend.max_concurrent, live.routers)
        if spill.is_full(load, most, before=backend.name in self._full):
            self._full.add(backend.name)
            service_s = self._holds.service_s.get(backend.name, _USUAL_SERVICE_S)
            wait_s = spill.wait_s(self._ahead(exchange, backend.name), most, service_s)
            return Offer(Standing.FULL, wait_s)
        self._full.discard(backend.name)
        if how is not None and backend.name in live.held:  # a line behind a start that is over
            return self._held(exchange, backend, how) if its_turn else Offer(Standing.COLD)
        return _ROOM

    def _without_server(self, exchange: "Exchange", backend: Backend, *, its_turn: bool) -> Offer:
        route, how = exchange.taken, backend.activation
        order = self._live.orders.get(backend.name)
        failing = order is not None and order.failure != ""
        if failing and route.on_unschedulable:
            return Offer(Standing.GONE)
        if failing or how is None:  # whoever has its turn ends with that, as the attempt will find
            return _ROOM if its_turn else Offer(Standing.GONE)
        if not its_turn:
            return Offer(Standing.COLD)
        if route.on_cold or not route.on_saturated or how.mode != "Hold":
            return _ROOM  # whoever has its turn is held, rejected or passed on by holds.py
        return self._held(exchange, backend, how)

    def _ahead(self, exchange: "Exchange", backend: str) -> int:
        """Who is asked or waits, but for those that it would overtake."""
        waiting = self._holds.before(backend, exchange.taken.route.priority)
        return waiting + self._live.in_flight.get(backend, 0)

    def _held(self, exchange: "Exchange", backend: Backend, how: Activation) -> Offer:
        """The offer of a line: if it would be too late, another one is better."""
        name = backend.name
        ahead = self._ahead(exchange, name)
        wait_s = self._holds.expected_s(backend, how, ahead)
        if wait_s is None or has_time(exchange, wait_s, how.timeout_s):
            return _ROOM
        return Offer(Standing.LATE, wait_s)

    def _fault(self, backend: Backend, standing: Standing) -> Fault:
        holds, name = self._holds, backend.name
        if standing is Standing.FULL:
            detail = "it has as many requests as it takes at once"
            return Fault(Kind.SATURATED, "Saturated", detail, retryable=False)
        order = self._live.orders.get(name)
        if order is not None and order.failure:
            return holds.cannot_start(name, order)
        if standing is Standing.GONE:
            return Fault(Kind.ERROR, "NoEndpoint", "no ready endpoint", retryable=False)
        if standing is Standing.LATE:
            return holds.too_late(backend)
        return holds.fault(name, Kind.COLD, "Cold", "no server is ready")
