"""PURE: what a request costs, exactly.

Guarantees that equal tokens at equal prices cost the same everywhere, and that sums of costs have
no error: prices are whole numbers of 1e-12 for a token, costs of 1e-9, rounded once a request.
"""

from collections.abc import Sequence
from math import inf
from typing import Protocol

from pointsman.api.table import Price

_FREE = Price()


class Tokens(Protocol):
    """Of one answer; cached and reasoning ones are parts of the other two."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...


def cost_nano(tokens: Tokens, price: Price) -> int:
    """In billionths of the price's currency, rounded half up."""
    cached, reasoning = tokens.cached_tokens, tokens.reasoning_tokens
    pico = (tokens.prompt_tokens - cached) * price.input_pico
    pico += (tokens.completion_tokens - reasoning) * price.output_pico
    pico += cached * price.cached_pico + reasoning * price.reasoning_pico
    return (pico + 500) // 1000


def most_nano(prompt_tokens: int, answer_tokens: int, price: Price) -> int:
    """The most that so many tokens may cost, whichever of them are cached or reasoning."""
    pico = prompt_tokens * max(price.input_pico, price.cached_pico)
    pico += answer_tokens * max(price.output_pico, price.reasoning_pico)
    return -(-pico // 1000)


class Tariff:
    """
    The prices of one backend; `at` is asked for each request.

    `prices` is as in the table: the first is valid until the second begins, and so on.
    """

    __slots__ = ("_now", "_prices", "_since_s", "_until_s", "currency", "free")

    def __init__(self, prices: Sequence[Price], currency: str) -> None:
        self.currency = currency
        self.free = not any(
            price.input_pico or price.output_pico or price.cached_pico or price.reasoning_pico
            for price in prices
        )
        self._prices = tuple(prices) or (_FREE,)
        self._now = self._prices[0]
        self._since_s = -inf
        self._until_s = self._prices[1].from_s if len(self._prices) > 1 else inf

    def at(self, now_s: float) -> Price:
        """The price at this Unix time, whether clocks go forward or back."""
        if not self._since_s <= now_s < self._until_s:
            self._turn(now_s)
        return self._now

    def _turn(self, now_s: float) -> None:
        number = 0
        while number + 1 < len(self._prices) and self._prices[number + 1].from_s <= now_s:
            number += 1
        self._now = self._prices[number]
        self._since_s = self._now.from_s if number else -inf
        last = number + 1 == len(self._prices)
        self._until_s = inf if last else self._prices[number + 1].from_s
