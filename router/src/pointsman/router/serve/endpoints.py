"""Which endpoint of a Service takes a request: conversations at home, failing ones left out.

Guarantees that endpoints that were tried come last, that an ejected one gets nothing while another
is there, and that a Service with one endpoint pays nothing for it. Remembers nothing of endpoints
that are gone. Decided in policy/balance.py and policy/outlier.py.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointsman.api.table import Endpoint
from pointsman.router.policy import balance, outlier, spill
from pointsman.router.serve.choosing import conversation_of
from pointsman.router.serve.upstream import Pool

if TYPE_CHECKING:
    from pointsman.router.live import Live
    from pointsman.router.metrics import BackendSeries
    from pointsman.router.serve.exchange import Exchange

_log = logging.getLogger(__name__)
_Key = tuple[str, int]


class Balancer:
    """Of one Service with more than one endpoint."""

    __slots__ = ("_endpoints", "_homes", "backend", "sick")

    def __init__(self) -> None:
        self._endpoints: tuple[Endpoint, ...] = ()
        self._homes = balance.Homes(())
        self.sick: dict[_Key, outlier.Health] = {}
        """Those that have failed lately."""
        self.backend = ""
        """Whose they are, once one has failed."""

    def ejected(self, endpoints: tuple[Endpoint, ...]) -> int:
        """How many of these get nothing now, but for a probe."""
        if not self.sick:
            return 0
        known = [self.sick.get((each.host, each.port)) for each in endpoints]
        return sum(each is not None and each.ejected for each in known)

    def pick(self, exchange: "Exchange", endpoints: tuple[Endpoint, ...]) -> Pool:
        """The pool of the endpoint that takes it."""
        if endpoints is not self._endpoints:
            self._renew(endpoints)
        plane = exchange.plane
        short = len(exchange.request.body) < balance.LEAST_BYTES
        at_home = not short and exchange.operation.generates
        if not (at_home or exchange.candidate.queue or self.sick or exchange.tried):
            # The usual case, without further calls.
            one, other = balance.pick_two(len(endpoints), plane.dice(), plane.dice())
            place = endpoints[one]
            pool = plane.pools.service(place.host, place.port)
            if not pool.outstanding:  # nothing is better
                return pool
            place = endpoints[other]
            second = plane.pools.service(place.host, place.port)
            return pool if balance.choose(pool.outstanding, second.outstanding) else second
        place = endpoints[self._choose(exchange, at_home=at_home)]
        health = self.sick.get((place.host, place.port))
        if health is not None and health.ejected:
            health.probed_s = plane.clock()
        return plane.pools.service(place.host, place.port)

    def ended(
        self, pool: Pool, outcome: str, now_s: float, *, whole: bool, series: "BackendSeries"
    ) -> None:
        """A request is over; `whole` if it was answered. Only what failed lately is looked at."""
        key = (pool.place.host, pool.place.port)
        health = self.sick.get(key)
        if outcome in outlier.FAULTS:
            if health is None:
                if all((each.host, each.port) != key for each in self._endpoints):
                    return  # it is gone
                health = self.sick[key] = outlier.Health()
            may = outlier.may_eject(len(self._endpoints), self.ejected(self._endpoints))
            self.backend = series.backend
            if outlier.failed(health, now_s, may_eject=may):
                seconds = round(health.until_s - now_s, 1)
                told = {"backend": series.backend, "endpoint": f"{key[0]}:{key[1]}"}
                _log.warning("endpoint-ejected", extra=told | {"reason": outcome, "for_s": seconds})
                series.ejections[outcome] = series.ejections.get(outcome, 0) + 1
        elif health is not None:
            if not whole:
                outlier.neither(health)
            elif outlier.answered(health):
                del self.sick[key]

    def heard(self, pool: Pool) -> None:
        """An answer has begun: a probe need not wait for its end, which may be minutes away."""
        health = self.sick.get((pool.place.host, pool.place.port))
        if health is not None and health.ejected:
            outlier.answered(health)

    def _renew(self, endpoints: tuple[Endpoint, ...]) -> None:
        self._endpoints = endpoints
        self._homes = balance.Homes([f"{e.host}:{e.port}".encode() for e in endpoints])
        known = {(e.host, e.port) for e in endpoints}
        self.sick = {key: health for key, health in self.sick.items() if key in known}

    def _open_to(self, tried: tuple[_Key, ...], now_s: float) -> Sequence[int]:
        """Who may be chosen: of those that were not tried the admitted, else what there is."""
        fresh, admitted = [], []
        for index, each in enumerate(self._endpoints):
            key = (each.host, each.port)
            if key in tried:
                continue
            fresh.append(index)
            health = self.sick.get(key)
            if health is None or outlier.admits(health, now_s):
                admitted.append(index)
        return admitted or fresh or range(len(self._endpoints))

    def _choose(self, exchange: "Exchange", *, at_home: bool) -> int:
        plane, endpoints = exchange.plane, self._endpoints
        open_to: Sequence[int] = range(len(endpoints))
        if self.sick or exchange.tried:
            open_to = self._open_to(exchange.tried, plane.clock())
        load = plane.pools.outstanding
        room = spill.capacity(1, exchange.candidate.max_concurrent, plane.live.routers)
        if exchange.candidate.queue is not None:  # it was let go because one of them has room
            open_to = [i for i in open_to if load(endpoints[i]) < room] or open_to
        return balance.pick(
            open_to,
            self._homes.of(conversation_of(exchange)) if at_home else (),
            plane.live.in_flight.get(exchange.candidate.name, 0),
            lambda index: load(endpoints[index]),
            plane.dice,
            room=room,
        )


class Balancers:
    """One for each Service that has had several endpoints, while it is known."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self.made: dict[str, Balancer] = {}
        live.endpoint_listeners.append(self._look)

    def of(self, service: str) -> Balancer:
        """Of this Service."""
        return self.made.setdefault(service, Balancer())

    def ejected_of(self, service: str) -> int:
        """Endpoints of this Service that get nothing now."""
        found = self.made.get(service)
        if found is None:
            return 0
        endpoints = self._live.endpoints.get(service, ())
        # Others may have gone since: of those that are left never more than may be ejected, or a
        # backend that holds its requests while it is full would send nobody to find it well.
        return min(found.ejected(endpoints), len(endpoints) // 2)

    def ejected(self) -> dict[str, int]:
        """The same by backend, of those of which one has failed."""
        made = self.made.items()
        return {each.backend: self.ejected_of(name) for name, each in made if each.backend}

    def _look(self) -> None:
        for service in self.made.keys() - self._live.endpoints.keys():
            del self.made[service]
