"""A histogram as plain numbers, to which the hot path adds."""

from bisect import bisect_left


class Histogram:
    """Counts in buckets and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        found: list[tuple[str, float]] = []
        count = 0
        for bound, new in zip((*self.bounds, float("inf")), self.counts, strict=True):
            count += new
            found.append(("+Inf" if bound == float("inf") else f"{bound:g}", float(count)))
        return found
