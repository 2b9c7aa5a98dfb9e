"""PURE: what a request may cost at most at a backend, and whom a route's cost cap leaves out.

Guarantees that a cap is never passed by what is known before an answer: the estimated prompt and
the longest answer that may come, at the highest price that holds. Tokens are estimated, so the
answer's own count may differ.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from pointsman.analysis.tokens import of_family
from pointsman.api.table import Backend, Fallback, Price
from pointsman.routing.cost import most_nano
from pointsman.routing.facts import RequestFacts

UNSAID_TOKENS: Final = 16_384
"""Of an answer that neither the request nor its backend's context window bounds."""


class Cap(NamedTuple):
    """One amount over all attempts of a request, in the currency of the route's first price."""

    nano: int
    currency: str


def cap_of(fallback: Fallback | None, backends: Iterable[Backend]) -> Cap | None:
    """Of a route, whose backends come in the order of its targets and its chain."""
    if fallback is None or not fallback.max_cost_nano:
        return None
    priced = (backend.currency for backend in backends if backend.prices)
    return Cap(fallback.max_cost_nano, next(priced, ""))


def most_cost_nano(backend: Backend, facts: RequestFacts) -> int:
    """What one attempt may cost, in billionths of the backend's currency."""
    if not backend.prices:
        return 0
    analysis, profile, window = facts.analysis, backend.profile, backend.context_window
    prompt = of_family(backend.family, backend.model, analysis.context_tokens, analysis.token_mix)
    longest = facts.max_output_tokens
    if profile is not None:
        prompt, longest = prompt + profile.text_tokens, profile.output_tokens(longest)
    if not longest:
        longest = UNSAID_TOKENS if window is None else max(window - prompt, 0)
    output = facts.answers * longest
    return max(most_nano(prompt, output, price) for price in _in_force(backend, facts.now_s))


def _in_force(backend: Backend, now_s: float | None) -> tuple[Price, ...]:
    """The price of now; all of them where nobody says when that is."""
    if now_s is None:
        return backend.prices
    begun = [price for price in backend.prices if price.from_s <= now_s]
    return (begun[-1] if begun else backend.prices[0],)


def too_dear(backend: Backend, cap: Cap, facts: RequestFacts, paid_nano: int = 0) -> str:
    """Why it may not be asked when so much is paid already; empty if it may."""
    cost = most_cost_nano(backend, facts)
    if cost and backend.currency != cap.currency:
        return f"its prices are in {backend.currency}, maxCost is in {cap.currency}"
    if paid_nano + cost <= cap.nano:
        return ""
    before = f" after {_money(paid_nano)} for attempts before" if paid_nano else ""
    return f"it may cost {_money(cost)} {cap.currency}{before}, over maxCost {_money(cap.nano)}"


def _money(nano: int) -> str:
    whole, rest = divmod((nano + 500) // 1000, 10**6)  # no float: a caller may ask for any length
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
