"""PURE: what requests cost that were not billed by us: prices as flags say them, tokens assumed.

Guarantees the router's own arithmetic, in whole billionths.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from pointsman.api.table import Backend, Price
from pointsman.api.tasks import Task
from pointsman.cli.traffic.seen import Seen
from pointsman.router.wire.usage import Usage
from pointsman.routing.cost import Tariff, cost_nano

OUTPUT_TOKENS: Final = 211
"""Of an answer that nobody counted: the mean of 19,366 answers in the Azure LLM inference trace of
2023, conversations (github.com/Azure/AzurePublicDataset)."""
_PRICE: Final = re.compile(r"(?:(.{1,253})=)?(\d{1,9}(?:\.\d{1,6})?)/(\d{1,9}(?:\.\d{1,6})?)")
_OUTPUT: Final = re.compile(r"(?:([A-Za-z]+)=)?(\d{1,7})")


class BadFlag(ValueError):
    """The text says what would be good."""


class Assumed(msgspec.Struct, frozen=True):
    """Tokens of an answer, by task where something was said of it."""

    tokens: int = OUTPUT_TOKENS
    by_task: Mapping[str, int] = {}

    def usage(self, seen: Seen) -> Usage:
        """What an answer states, else what is assumed; never more than the request asks for."""
        if seen.usage is not None:
            return seen.usage
        tokens = self.by_task.get(seen.task, self.tokens) if seen.generates else 0
        most = seen.facts.max_output_tokens
        tokens = min(tokens, most) if most else tokens
        return Usage(seen.facts.analysis.context_tokens, tokens, estimated=True)

    def words(self) -> str:
        """For a note."""
        also = "".join(f", {task} {tokens:,}" for task, tokens in self.by_task.items())
        return f"{self.tokens:,} tokens an answer{also}, or max_tokens if that is less"


def read_assumed(texts: list[str]) -> Assumed:
    """`--output-tokens N` and `TASK=N`. Raises BadFlag."""
    tokens, by_task = OUTPUT_TOKENS, {}
    for text in texts:
        found = _OUTPUT.fullmatch(text)
        if found is None or (found[1] and found[1] not in list(Task)):
            tasks = ", ".join(Task)
            raise BadFlag(f"--output-tokens {text!r}: expected N or TASK=N, TASK one of {tasks}")
        if found[1]:
            by_task[found[1]] = int(found[2])
        else:
            tokens = int(found[2])
    return Assumed(tokens, by_task)


class Prices(msgspec.Struct, frozen=True):
    """Of a million tokens, by the model that was asked for; "" for every other one."""

    by_model: Mapping[str, Price]
    currency: str = "USD"

    def of(self, model: str) -> Price | None:
        """None: nobody said what it costs."""
        return self.by_model.get(model) or self.by_model.get("")


def read_prices(texts: list[str], backends: Mapping[str, Backend], now_s: float) -> Prices:
    """`--price [MODEL=]IN/OUT`, and the backends by name and by model. Raises BadFlag."""
    found: dict[str, Price] = {}
    currencies = {backend.currency for backend in backends.values() if backend.prices}
    for name, backend in backends.items():
        if backend.prices:
            price = Tariff(backend.prices, backend.currency).at(now_s)
            found[name] = price
            found.setdefault(backend.model, price)
    for text in texts:
        match = _PRICE.fullmatch(text)
        if match is None:
            raise BadFlag(
                f"--price {text!r}: expected [MODEL=]IN/OUT a million tokens, as 0.15/0.60"
            )
        into, out = (int(Decimal(part) * 1_000_000) for part in (match[2], match[3]))
        found[match[1] or ""] = Price(
            input_pico=into, output_pico=out, cached_pico=into, reasoning_pico=out
        )
    if len(currencies) > 1:
        raise BadFlag(f"the backends cost {' and '.join(sorted(currencies))}: give --price instead")
    return Prices(found, next(iter(currencies), "USD"))


def price_of(usage: Usage, price: Price) -> int:
    """In billionths of the currency."""
    return cost_nano(usage, price)
