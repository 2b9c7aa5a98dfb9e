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


_Rates = tuple[int, int, int, int]
"""Of input, output, cached and reasoning tokens."""


def _rates(price: Price) -> _Rates:
    return price.input_pico, price.output_pico, price.cached_pico, price.reasoning_pico


def _nano(tokens: tuple[int, int], parts: tuple[int, int], rates: _Rates) -> int:
    """`tokens` are the prompt's and the answer's, `parts` those cached and those reasoning."""
    cached, reasoning = parts
    pico = (tokens[0] - cached) * rates[0] + (tokens[1] - reasoning) * rates[1]
    if cached or reasoning:
        pico += cached * rates[2] + reasoning * rates[3]
    return (pico + 500) // 1000


def cost_nano(tokens: Tokens, price: Price) -> int:
    """In billionths of the price's currency, rounded half up."""
    return _nano(
        (tokens.prompt_tokens, tokens.completion_tokens),
        (tokens.cached_tokens, tokens.reasoning_tokens),
        _rates(price),
    )


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

    __slots__ = ("_now", "_prices", "_rates", "_since_s", "_until_s", "currency", "free")

    def __init__(self, prices: Sequence[Price], currency: str) -> None:
        self.currency = currency
        self.free = not any(
            price.input_pico or price.output_pico or price.cached_pico or price.reasoning_pico
            for price in prices
        )
        self._prices = tuple(prices) or (_FREE,)
        self._now = self._prices[0]
        self._rates = _rates(self._now)
        self._since_s = -inf
        self._until_s = self._prices[1].from_s if len(self._prices) > 1 else inf

    def at(self, now_s: float) -> Price:
        """The price at this Unix time, whether clocks go forward or back."""
        if not self._since_s <= now_s < self._until_s:
            self._turn(now_s)
        return self._now

    def cost_nano(self, tokens: tuple[int, int], parts: tuple[int, int], now_s: float) -> int:
        """As the function does, of (prompt, answer) and (cached, reasoning) tokens."""
        if not self._since_s <= now_s < self._until_s:
            self._turn(now_s)
        return _nano(tokens, parts, self._rates)

    def _turn(self, now_s: float) -> None:
        number = 0
        while number + 1 < len(self._prices) and self._prices[number + 1].from_s <= now_s:
            number += 1
        self._now = self._prices[number]
        self._rates = _rates(self._now)
        self._since_s = self._now.from_s if number else -inf
        last = number + 1 == len(self._prices)
        self._until_s = inf if last else self._prices[number + 1].from_s
