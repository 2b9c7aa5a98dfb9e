"""A route's cost cap while its chain is tried: what attempts before may have cost counts.

Guarantees that an attempt which was sent, and broke without the backend's own refusal, counts with
the most that it may have cost: nobody tells what was generated of it. Decided in routing/cap.py.
"""

from typing import TYPE_CHECKING

from pointsman.api.table import Backend
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve.arrival import MAX_COST, with_cost
from pointsman.routing import RequestFacts
from pointsman.routing.cap import most_cost_nano, too_dear

if TYPE_CHECKING:
    from pointsman.router.serve.attempt import Attempt
    from pointsman.router.serve.exchange import Exchange


def pay(exchange: "Exchange", attempt: "Attempt", fault: Fault) -> None:
    """A failed attempt may be on the provider's bill."""
    refused = fault.status >= 400 or fault.kind is Kind.CONTEXT_WINDOW
    if attempt.reached and not refused:
        exchange.paid_nano += most_cost_nano(attempt.backend, _facts(exchange))


def why_not(exchange: "Exchange", backend: Backend) -> Fault | None:
    """Why a further attempt would cost too much; None: it would not."""
    cap = exchange.taken.cap
    if cap is None:
        return None
    why = too_dear(backend, cap, _facts(exchange), exchange.paid_nano)
    return Fault(Kind.ERROR, MAX_COST, why, retryable=False) if why else None


def _facts(exchange: "Exchange") -> RequestFacts:
    facts = RequestFacts(
        analysis=exchange.analysis, max_output_tokens=exchange.asked.max_output_tokens
    )
    return with_cost(exchange, facts)
