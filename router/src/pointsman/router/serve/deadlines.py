"""When an exchange has to be looked at again, and what follows when that time has come.

The table of exchange.py says which deadline counts in which state.
"""

from typing import TYPE_CHECKING, Protocol

from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve import attempt as attempts

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange


class Waits(Protocol):
    """What an exchange waits for while no attempt runs: a server, or a person."""

    @property
    def at_s(self) -> float:
        """The next deadline."""

    def ring(self, now_s: float) -> None:
        """A deadline has passed."""

    def end(self, outcome: str) -> None:
        """It is over; counted with its outcome."""


def arm(exchange: "Exchange", now_s: float) -> None:
    """Ring at the next deadline."""
    if exchange.committed:
        at_s = min(_idle_by_s(exchange, now_s), exchange.done_by_s, exchange.total_by_s)
    elif exchange.attempt is None:
        at_s = min(exchange.retry_at_s, exchange.total_by_s)
        if exchange.waiting is not None:
            at_s = min(at_s, exchange.waiting.at_s)
    else:
        at_s = min(exchange.first_by_s, exchange.total_by_s)
    exchange.client.set_alarm(at_s)


def ring(exchange: "Exchange", now_s: float) -> None:
    """A deadline has passed."""
    attempt = exchange.attempt
    if now_s >= exchange.total_by_s:
        _too_late(exchange)
    elif attempt is None:
        if now_s >= exchange.retry_at_s:
            exchange.retry_at_s = float("inf")
            attempts.start(exchange)
        elif exchange.waiting is not None:
            exchange.waiting.ring(now_s)
    elif not exchange.committed:
        if now_s >= exchange.first_by_s:
            exchange.fail(Fault(Kind.TIMEOUT, "FirstTokenTimeout", "no first token in time"))
    elif now_s >= min(_idle_by_s(exchange, now_s), exchange.done_by_s):
        attempt.failed(Fault(Kind.TIMEOUT, "IdleTimeout", "it fell silent"))
    if not exchange.over:
        arm(exchange, now_s)


def _too_late(exchange: "Exchange") -> None:
    fault = Fault(Kind.TIMEOUT, "TotalTimeout", "the request took too long", retryable=False)
    if exchange.committed and exchange.attempt is not None:
        exchange.attempt.failed(fault)
        return
    exchange.chain_s = 0.0
    exchange.fail(fault)


def _idle_by_s(exchange: "Exchange", now_s: float) -> float:
    since_s = now_s if exchange.client.paused else exchange.heard_s
    return since_s + exchange.taken.route.stream_idle_timeout_s
