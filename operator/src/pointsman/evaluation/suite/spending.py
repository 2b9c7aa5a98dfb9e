"""
What calls cost, and a cap that is never passed: before a call the most that it can cost is set
aside, and what it did cost takes the place of that.

Money is whole billionths of a currency; prices are whole billionths of that for a token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pointsman.api.v1alpha1 import Cost, Prices

NANO: Final = 1_000_000_000
_OVERHEAD_TOKENS: Final = 16
"""Of each message: its role and what a template puts around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """Of a token, in billionths of a billionth's thousandth: a price for a million, times 1e6."""

    input_pico: int
    output_pico: int
    cached_pico: int
    reasoning_pico: int
    currency: str

    def cost_nano(self, usage: "Usage") -> int:
        """Of stated tokens, to the nearest billionth."""
        cached, reasoning = min(usage.cached, usage.input), min(usage.reasoning, usage.output)
        pico = (usage.input - cached) * self.input_pico + cached * self.cached_pico
        pico += (usage.output - reasoning) * self.output_pico + reasoning * self.reasoning_pico
        return (pico + 500) // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens; `cached` are among `input`, `reasoning` among `output`."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


def most(messages: Sequence[Mapping[str, str]], max_tokens: int) -> Usage:
    """The most tokens that a call can take: no token of a prompt is shorter than a byte."""
    size = sum(
        len(one["content"].encode("utf-8", "replace")) + _OVERHEAD_TOKENS for one in messages
    )
    return Usage(input=size, output=max_tokens)


def token_prices(prices: Prices, currency: str) -> TokenPrices:
    """Nothing for what is paid by the hour: its calls cost nothing by themselves."""
    if prices.input_per_million is None or prices.output_per_million is None:
        return TokenPrices(
            input_pico=0, output_pico=0, cached_pico=0, reasoning_pico=0, currency=currency
        )
    into, out = _pico(prices.input_per_million), _pico(prices.output_per_million)
    cached, thought = prices.cached_input_per_million, prices.reasoning_per_million
    return TokenPrices(
        input_pico=into,
        output_pico=out,
        cached_pico=into if cached is None else _pico(cached),
        reasoning_pico=out if thought is None else _pico(thought),
        currency=currency,
    )


def prices_at(cost: Cost, now: str) -> TokenPrices:
    """Those that hold at a moment, written as `validFrom` is (2026-12-01T00:00:00Z)."""
    begun = [change for change in cost.changes if change.valid_from <= now]
    holds: Prices = max(begun, key=lambda change: change.valid_from, default=cost)
    return token_prices(holds, cost.currency)


def _pico(per_million: str) -> int:
    return int((Decimal(per_million) * 1_000_000).to_integral_value())


@dataclass(slots=True)
class Purse:
    """What is spent and set aside; `cap_nano` None: no cap."""

    cap_nano: int | None = None
    spent_nano: int = 0
    aside_nano: int = 0

    def take(self, nano: int) -> bool:
        """Set this much aside; False if that could pass the cap, and then nothing is."""
        total = self.spent_nano + self.aside_nano + nano
        if self.cap_nano is not None and total > self.cap_nano:
            return False
        self.aside_nano += nano
        return True

    def settle(self, aside: int, spent: int) -> None:
        """A call is over: this was set aside for it, and this is what it cost."""
        self.aside_nano -= aside
        self.spent_nano += spent
