"""The order of a request: one list, each layer with the reason for its place.

A layer of ARRIVAL runs at once, in this order, and ends the request by raising a Problem. DECIDED
is part of `decide` where the policy asks for it, ANSWER is driven by what the backend sends, END
runs exactly once however the request ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pointsman.router.serve import (
    account,
    arrival,
    attempt,
    authenticate,
    budgets,
    quotas,
    relay,
)
from pointsman.router.serve.exchange import Exchange


class Phase(StrEnum):
    """When a layer runs."""

    ARRIVAL = "Arrival"
    DECIDED = "Decided"
    ANSWER = "Answer"
    END = "End"


@dataclass(frozen=True, slots=True)
class Layer:
    """One place in the order."""

    name: str
    phase: Phase
    run: Callable[..., object]
    reason: str
    """Why it stands here."""


def _review(exchange: Exchange) -> None:
    """Loaded with the first policy that has one."""
    from pointsman.router.serve.review import layer  # noqa: PLC0415

    layer.review(exchange)


STACK: tuple[Layer, ...] = (
    Layer("authenticate", Phase.ARRIVAL, authenticate.authenticate,
          "first: who has no key must not make us read a body; it was judged at its head, by which "
          "it was decided whether to keep the body at all"),
    Layer("read", Phase.ARRIVAL, arrival.read,
          "before all others, which need its fields: a body that is no request costs nothing else, "
          "and one of another API is a chat from here on"),
    Layer("resolve", Phase.ARRIVAL, arrival.resolve,
          "before the analysis: an unknown model or a missing table costs no reading of text"),
    Layer("analyze", Phase.ARRIVAL, arrival.analyze,
          "before the decision, whose rules match on it; once a request, not once an attempt"),
    Layer("decide", Phase.ARRIVAL, arrival.decide,
          "after the analysis: from here on the order of backends does not change"),
    Layer("review", Phase.DECIDED, _review,
          "within the decision, whose rule may ask for a person, and before anything is taken from "
          "limits and budgets: a request may wait here for long, and goes on by the table of then"),
    Layer("limit", Phase.ARRIVAL, quotas.limit,
          "after the decision: what no backend could take costs its caller nothing, and the "
          "prompt's tokens are known"),
    Layer("spend", Phase.ARRIVAL, budgets.spend,
          "after the caller's limits: only what goes now reserves money, for all its candidates"),
    Layer("attempt", Phase.ARRIVAL, attempt.start,
          "after the decision, again for each further candidate: keys and endpoints of now"),
    Layer("relay", Phase.ANSWER, relay.choose,
          "after the attempt's head: only then is it known whether this is an answer"),
    Layer("settle", Phase.END, quotas.settle,
          "first at the end: a slot is free again whatever follows"),
    Layer("account", Phase.END, account.account,
          "counts what really happened, also for refusals and clients that left"),
    Layer("charge", Phase.END, budgets.settle,
          "last: what the request cost is known, and takes the place of what it reserved"),
)  # fmt: skip


def arrival_layers() -> tuple[Callable[[Exchange], None], ...]:
    """What runs when a request has come in."""
    return tuple(layer.run for layer in STACK if layer.phase is Phase.ARRIVAL)  # type: ignore[misc]
