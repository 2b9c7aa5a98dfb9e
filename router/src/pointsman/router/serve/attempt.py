"""One try at one backend, and what follows when it fails.

Guarantees one `live.begin` and one `live.end` for each request that is sent, that keys come from
the table's own secrets, and that nothing is tried again once content has reached the client.
"""

import logging
from typing import TYPE_CHECKING, Final, cast

from pointsman.api.table import Backend, ServiceAddress
from pointsman.router.errors import BadRequest, Refused
from pointsman.router.policy import outlier, retry
from pointsman.router.policy.provider_limits import LIMITED
from pointsman.router.policy.retry import Action, Fault, Kind, Situation
from pointsman.router.serve import capped
from pointsman.router.serve import relay as relays
from pointsman.router.serve.arrival import MAX_COST
from pointsman.router.serve.dial import external_place
from pointsman.router.serve.endpoints import Balancer
from pointsman.router.serve.place import Place
from pointsman.router.serve.providers import key_line, replaced_key
from pointsman.router.serve.spill import passed_over
from pointsman.router.serve.tracing import Call
from pointsman.router.serve.tracks import Track
from pointsman.router.serve.unanswered import unanswered
from pointsman.router.serve.upstream import Asker, Pool
from pointsman.router.wire.profile import apply, with_thinking
from pointsman.router.wire.response import ResponseReader
from pointsman.router.wire.splice import replace_model
from pointsman.router.wire.unreadable import UNREADABLE
from pointsman.router.wire.whole import WholeAnswer

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.translated import TranslatedExchange

_log = logging.getLogger(__name__)
_HEAD: Final = (
    b"user-agent: pointsman\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
)
OK: Final = "Ok"


class Attempt(Asker):
    """See the module. `cut` and `end` may be called at any time, any number of times."""

    __slots__ = (
        "_begun", "_relay", "_sent_s", "answered", "backend", "call", "exchange", "key", "pool",
        "track", "watch",
    )  # fmt: skip

    def __init__(
        self,
        exchange: "Exchange",
        backend: Backend,
        track: Track,
        pool: Pool,
        watch: Balancer | None = None,
    ) -> None:
        super().__init__(takes_whole=not exchange.asked.stream)
        self.exchange = exchange
        self.backend = backend
        self.track = track
        self.pool = pool
        self.watch = watch
        """Who learns how it ended, where there are several endpoints."""
        self._relay: relays.Relay | None = None
        self._begun = self.answered = False
        self._sent_s = 0.0
        """Where its route asks how long an answer takes."""
        self.call: Call | None = None
        """Where calls are traced or measured."""
        self.key = b""
        """The header line with the router's own key, if it was sent."""

    def send(self, place: Place, authorization: bytes) -> None:
        """Ask the backend."""
        exchange, pool = self.exchange, self.pool
        try:
            body = replace_model(exchange.request.body, self.track.model)
            if not self.track.plain and self.backend.profile and exchange.operation.generates:
                if exchange.translated:
                    thinks = cast("TranslatedExchange", exchange).thinks
                    body = with_thinking(body, self.backend.profile, thinks)
                body = apply(body, self.backend.profile)
        except UNREADABLE:  # its other members are read only now, and with less stack left
            exchange.refuse(BadRequest("The body is nested too deeply, or is not UTF-8."))
            return
        forwarded, traces = exchange.request.head.forwarded, exchange.plane.traces
        if traces is not None:
            forwarded, self.call = traces.calling(exchange, self.track, pool.place)
        head = b"%b%b%b%bcontent-length: %d\r\n%bx-request-id: %b\r\n%b\r\n" % (
            place.before,
            exchange.operation.path,
            place.after,
            _HEAD,
            len(body),
            forwarded,
            exchange.request_id,
            authorization,
        )
        self._begun = True
        self.key = authorization
        if exchange.taken.on_saturated:
            self._sent_s = exchange.plane.clock()
        pool.outstanding += 1
        exchange.plane.live.begin(self.track.name)
        pool.send(self, head, body)

    @property
    def reached(self) -> bool:
        """True if a backend may have worked on it."""
        return self.connection is not None or self.answered or self._relay is not None

    # A pool's Asker.

    def whole(self, answer: WholeAnswer, now_s: float) -> None:
        """All of it came at once."""
        exchange = self.exchange
        exchange.heard_s = now_s
        self.answered = True
        if answer.told:
            exchange.plane.providers.heard(self.backend, 200, answer.headers, answer.told, now_s)
        try:
            relays.answer_whole(exchange, 200, answer.headers, answer.body)
        except Exception as error:  # noqa: BLE001 - see `arrived`
            exchange.bug(error)

    def arrived(self, reader: ResponseReader, data: bytes, now_s: float) -> None:
        """The head is complete, or body bytes came."""
        exchange = self.exchange
        exchange.heard_s = now_s
        try:
            relay = self._relay
            if relay is None:
                if reader.told or reader.status != 200:
                    exchange.plane.providers.heard(
                        self.backend, reader.status, reader.headers, reader.told, now_s
                    )
                chosen = relays.choose(exchange, reader)
                if isinstance(chosen, Fault):
                    after(exchange, chosen)
                    return
                relay = self._relay = chosen
                if self.watch is not None and self.watch.sick:
                    self.watch.heard(self.pool)
            if data:
                relay.feed(data)
        except Exception as error:  # noqa: BLE001 - the border to asyncio; logged and counted
            exchange.bug(error)

    def arrived_chunk(self, framed: bytes, content: bytes, now_s: float) -> None:
        """More of the body."""
        exchange = self.exchange
        exchange.heard_s = now_s
        relay = self._relay
        try:
            if relay is not None:  # after a fault nothing more is heard
                relay.feed_chunk(framed, content)
        except Exception as error:  # noqa: BLE001 - see `arrived`
            exchange.bug(error)

    def finished(self) -> None:
        """The answer is complete."""
        self.answered = True
        try:
            if self._relay is not None:
                self._relay.finished()
        except Exception as error:  # noqa: BLE001 - see `arrived`
            self.exchange.bug(error)

    def left(self) -> None:
        """The caller has gone while it came."""
        if self._relay is not None:
            self._relay.left()

    def failed(self, fault: Fault) -> None:
        """The answer will not be complete."""
        try:
            if self._relay is not None:
                self._relay.lost(fault)
            else:
                after(self.exchange, fault)
        except Exception as error:  # noqa: BLE001 - see `arrived`
            self.exchange.bug(error)

    def cut(self, outcome: str) -> None:
        """Abort it."""
        self.pool.forgo(self)
        self.end(outcome)

    def end(self, outcome: str) -> None:
        """It is over; counted with its outcome."""
        if self._begun:
            self._begun = False
            self.pool.outstanding -= 1
            plane = self.exchange.plane
            holds = plane.holds
            name = self.track.name
            plane.live.end(name)
            if self.call is not None:
                self.call.outcome, self.call.ended_s = outcome, plane.clock()
            if self._sent_s and outcome == OK:
                holds.served(name, plane.clock() - self._sent_s)
            if holds.queues:
                holds.advance(name)
            series = self.track.backend
            if series is not None:
                series.attempted(outcome)
                watch = self.watch
                if watch is not None and (watch.sick or outcome in outlier.FAULTS):
                    whole = self.answered
                    watch.ended(self.pool, outcome, plane.clock(), whole=whole, series=series)


def start(exchange: "Exchange") -> None:
    """Try the current candidate now, or who takes the request in its place."""
    if exchange.taken.spills and not exchange.let_by and exchange.others_left:
        exchange.plane.spill.place(exchange)
    backend = exchange.candidate
    exchange.track = track = exchange.plane.tracks.of(exchange.policy, exchange.taken, backend)
    if not track.plain:
        if backend.approval is not None and not backend.approval.holds(exchange.plane.wall()):
            _not_approved(exchange, backend)
            return
        may_wait = backend.activation is not None or backend.queue is not None
        if may_wait and not exchange.let_by and _waits(exchange, backend, track):
            return
    closed = exchange.plane.providers.closed
    if (closed or exchange.paid_nano) and _is_left_out(exchange, backend, track):
        return
    found = _pool(exchange, track.service) if track.service else _external(exchange, backend)
    exchange.attempts += 1
    if isinstance(found, Fault):
        fault = found
        if track.backend is not None:
            track.backend.attempted(fault.reason)
        if exchange.plane.traces is not None:
            exchange.plane.traces.not_sent(exchange, track, fault.reason)
        after(exchange, fault)
        return
    pool, place, authorization, watch = found
    exchange.attempt = attempt = Attempt(exchange, backend, track, pool, watch)
    exchange.sending()
    attempt.send(place, authorization)


def _not_approved(exchange: "Exchange", backend: Backend) -> None:
    """Its approval ended while the request waited: the next, whatever the route falls back on."""
    if exchange.others_left:
        exchange.passed += ((backend.name, "ApprovalExpired"),)
        exchange.let_by = False  # its turn was at the one that it leaves
        exchange.next_candidate()
        start(exchange)
    else:
        exchange.track = exchange.plane.tracks.of(exchange.policy, exchange.taken, None)
        message = f"The approval of {backend.name} ended while the request waited."
        exchange.refuse(Refused(message, code="no_vetted_backend", retry_after_s=1))


def _waits(exchange: "Exchange", backend: Backend, track: Track) -> bool:
    """True if the request waits for a server, or does not have to: it went on already."""
    holds = exchange.plane.holds
    how = backend.activation
    fault: Fault | None = None
    if backend.queue is not None and holds.serves(backend, track.service):
        if not holds.is_full(backend, track.service):
            return False
        fault = holds.hold(exchange, backend, backend.queue)
    elif how is None or not holds.must_wait(backend, track.service):
        return False
    elif exchange.others_left and (how.mode == "Fallback" or exchange.taken.on_cold):
        fault = holds.fault(backend.name, Kind.COLD, "Cold", "no server is ready")
    else:
        fault = holds.hold(exchange, backend, how)
    if fault is None:
        return True
    if track.backend is not None:
        track.backend.attempted(fault.reason)
    after(exchange, fault)
    return True


def _is_left_out(exchange: "Exchange", backend: Backend, track: Track) -> bool:
    """True if its provider is not asked, or costs too much: the request went on already."""
    fault = exchange.plane.providers.why_not(backend, exchange.plane.clock())
    if fault is None and exchange.paid_nano:
        fault = capped.why_not(exchange, backend)
    if fault is None:
        return False
    if track.backend is not None:
        track.backend.attempted(fault.reason)
    after(exchange, fault)
    return True


_Found = tuple[Pool, Place, bytes, Balancer | None]
"""The header line with the router's own key is empty where none is needed."""


def _pool(exchange: "Exchange", service: str) -> _Found | Fault:
    """Of a Service's endpoints, the one that takes it."""
    plane = exchange.plane
    endpoints = plane.live.endpoints.get(service, ())
    if not endpoints:
        return Fault(Kind.ERROR, "NoEndpoint", "no ready endpoint", retryable=False)
    if len(endpoints) == 1:
        chosen = plane.pools.service(endpoints[0].host, endpoints[0].port)
        return chosen, chosen.place, b"", None
    watch = plane.balancers.made.get(service) or plane.balancers.of(service)
    chosen = watch.pick(exchange, endpoints)
    return chosen, chosen.place, b"", watch


def _external(exchange: "Exchange", backend: Backend) -> _Found | Fault:
    """Where it is, with the key for it."""
    address = backend.address
    assert not isinstance(address, ServiceAddress)
    try:
        place = external_place(address)
    except ValueError as error:
        return Fault(Kind.ERROR, "BadUrl", str(error), retryable=False)
    pools = exchange.plane.pools
    if address.credential is None:
        return pools.external(place), place, b"", None
    key = exchange.plane.live.credential(address.credential, address.url)
    if key is None:
        detail = f"its credential, Secret {address.credential.name}, is not available"
        return Fault(Kind.ERROR, "NoCredential", detail, retryable=False)
    if not key or any(byte < 0x21 or byte > 0x7E for byte in key):
        return Fault(Kind.ERROR, "NoCredential", "its key is not plain ASCII", retryable=False)
    return pools.external(place), place, key_line(key), None


def after(exchange: "Exchange", fault: Fault) -> None:
    """Go on after a failed attempt; nothing of it has reached the client."""
    backend, track, attempt = exchange.candidate, exchange.track, exchange.attempt
    assert track is not None
    assert track.backend is not None
    if attempt is not None:
        if exchange.taken.cap is not None:
            capped.pay(exchange, attempt, fault)
        exchange.attempt = None
        exchange.tried += ((attempt.pool.place.host, attempt.pool.place.port),)
        attempt.cut(fault.reason)
        if replaced_key(exchange, attempt, fault):  # at most once for each key there was
            start(exchange)
            return
    exchange.failures.append((backend.name, fault))
    plane = exchange.plane
    step = retry.after_fault(fault, _situation(exchange, backend, fault), plane.dice())
    if step.action is Action.NEXT:
        passed_over(exchange, track, backend, fault)
        exchange.let_by = False  # its turn, if it had one, was at the backend that it leaves
        exchange.next_candidate()
        start(exchange)
    elif step.action is Action.RETRY:
        plane.budget -= 1
        track.backend.retries += 1
        exchange.retries += 1
        exchange.retry_in(step.delay_s)
    else:
        exchange.refuse(unanswered(exchange.failures))


def _situation(exchange: "Exchange", backend: Backend, fault: Fault) -> Situation:
    plane = exchange.plane
    route = exchange.taken
    cold = route.on_cold or _passes_on(backend)
    on = {
        Kind.ERROR: route.on_error
        or (fault.reason == LIMITED and route.on_saturated)
        or fault.reason == MAX_COST,
        Kind.TIMEOUT: route.on_timeout,
        Kind.CONTEXT_WINDOW: route.on_context_window,
        Kind.COLD: cold,
        Kind.SATURATED: cold or route.on_saturated,
        Kind.UNSCHEDULABLE: cold or route.on_unschedulable,
    }
    address = backend.address
    endpoints = plane.live.endpoints_of(address) if isinstance(address, ServiceAddress) else ()
    return Situation(
        others_left=exchange.others_left,
        falls_back=on[fault.kind],
        retries_done=exchange.retries,
        max_retries=plane.limits.retries,
        other_endpoint=any((e.host, e.port) not in exchange.tried for e in endpoints),
        elapsed_s=plane.clock() - exchange.received_s,
        deadline_s=exchange.chain_s,
        budget=plane.budget,
    )


def _passes_on(backend: Backend) -> bool:
    return backend.activation is not None and backend.activation.mode == "Fallback"
