"""PURE: what traffic is made of, added up one request after the other.

Guarantees memory that does not grow with the number of requests: names are bounded, of texts a
number is kept, and of these MOST_KEYS. Refuses to keep a text that was not asked for.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from pointsman.cli.traffic.money import Assumed, Prices, price_of
from pointsman.cli.traffic.seen import Seen, shown

Dimension = Literal["task", "complexity", "language", "context", "model"]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)
UNDECIDED: Final = "undecided"
UNKNOWN: Final = "not recorded"
OTHERS: Final = "(other names)"
MOST_NAMES: Final = 500
"""Of models; callers choose them."""
MOST_KEYS: Final = 1_000_000
"""Of texts that are looked for again: about 100 MB. Later new ones count as never asked before."""
BUCKETS: Final = (
    (250, "up to 250"), (1_000, "to 1,000"), (4_000, "to 4,000"), (8_000, "to 8,000"),
    (32_000, "to 32,000"), (128_000, "to 128,000"),
)  # fmt: skip
LARGEST: Final = "more"


class Sums(msgspec.Struct):
    """Of some requests; money in billionths."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    stated: int = 0
    """Requests whose answer stated its tokens; those of the others are estimated and assumed."""
    cost_nano: int = 0
    priced: int = 0
    """Requests whose cost is known."""

    def add(self, input_tokens: int, output_tokens: int, *, stated: bool, cost: int | None) -> None:
        """One request."""
        self.requests += 1
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.stated += stated
        if cost is not None:
            self.cost_nano += cost
            self.priced += 1


class Figures:
    """Add requests, then read."""

    def __init__(self, assumed: Assumed, prices: Prices, examples: int = 0) -> None:
        self.total = Sums()
        self.by: dict[Dimension, dict[str, Sums]] = {name: {} for name in DIMENSIONS}
        self.having: Counter[str] = Counter()
        """Of tools, images, JSON mode, stream, system message, several turns."""
        self.sizes: Counter[int] = Counter()
        """Requests by the bits of their estimated prompt tokens: n bits is [2^(n-1), 2^n)."""
        self.examples: dict[str, list[str]] = {}
        self.repeated = 0
        self.texts = 0
        """Requests that have texts; 0 for a ledger."""
        self.currencies: set[str] = set()
        self._keys: set[int] = set()
        self._assumed = assumed
        self._prices = prices
        self._most_examples = examples

    def add(self, seen: Seen) -> None:
        """One request, in a few microseconds."""
        analysis = seen.facts.analysis
        usage = self._assumed.usage(seen)
        cost = self._cost(seen)
        stated = seen.usage is not None and not (seen.recorded and seen.recorded.estimated)
        task = seen.task or UNDECIDED
        values: Mapping[Dimension, str] = {
            "task": task,
            "complexity": str(analysis.complexity) if _has_complexity(seen) else UNKNOWN,
            "language": analysis.language,
            "context": bucket(analysis.context_tokens),
            "model": seen.model,
        }
        self.total.add(usage.prompt_tokens, usage.completion_tokens, stated=stated, cost=cost)
        for dimension, value in values.items():
            of = self.by[dimension]
            sums = of.get(value)
            if sums is None:
                # Callers name models: at any length, with what moves a cursor in them.
                name = shown(value) if len(of) < MOST_NAMES else OTHERS
                sums = of.setdefault(name, Sums())
            sums.add(usage.prompt_tokens, usage.completion_tokens, stated=stated, cost=cost)
        self.sizes[analysis.context_tokens.bit_length()] += 1
        self._has(seen)
        if seen.excerpt:
            examples = self.examples.setdefault(task, [])
            if len(examples) < self._most_examples:
                examples.append(seen.excerpt)

    def at_least(self, tokens: int) -> int:
        """Requests with so many prompt tokens; `tokens` is a power of two."""
        bits = tokens.bit_length()
        return sum(count for size, count in self.sizes.items() if size >= bits)

    def _has(self, seen: Seen) -> None:
        facts, having = seen.facts, self.having
        having["tools"] += facts.tools
        having["images"] += facts.images
        having["JSON mode"] += facts.analysis.json_mode
        having["streamed"] += seen.stream
        if not seen.key:
            return
        having["system message"] += seen.system
        self.texts += 1
        if seen.key in self._keys:
            self.repeated += 1
        elif len(self._keys) < MOST_KEYS:
            self._keys.add(seen.key)

    def _cost(self, seen: Seen) -> int | None:
        """None: not known. A request that reached no backend has no currency, and no price."""
        if (of := seen.recorded) is not None:
            if not of.currency:
                return None
            if of.cost_nano:  # a backend without prices has the usual one
                self.currencies.add(of.currency)
            return of.cost_nano
        price = self._prices.of(seen.model)
        if price is None:
            return None
        self.currencies.add(self._prices.currency)
        return price_of(self._assumed.usage(seen), price)


def bucket(tokens: int) -> str:
    """The name of a length."""
    for most, name in BUCKETS:
        if tokens <= most:
            return name
    return LARGEST


def _has_complexity(seen: Seen) -> bool:
    """A ledger of a schema without it has the default, which says nothing."""
    return seen.recorded is None or bool(getattr(seen.recorded, "complexity", ""))
