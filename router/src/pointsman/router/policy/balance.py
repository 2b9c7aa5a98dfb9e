"""PURE: which of a backend's endpoints takes a request.

Power of two choices on outstanding requests: of two endpoints taken at random, the one with less.
It keeps the longest queue near log log n and, unlike "least loaded of all", routers that do not
know of each other do not all run to the same endpoint (Mitzenmacher 2001).
"""


def pick_two(count: int, first: float, second: float) -> tuple[int, int]:
    """Two different indices below `count` (equal only if it is 1) by dice in [0, 1)."""
    one = int(first * count)
    if count == 1:
        return one, one
    other = int(second * (count - 1))
    return one, other + 1 if other >= one else other


def choose(outstanding_one: int, outstanding_other: int) -> bool:
    """True if the first of the two takes the request; it wins ties."""
    return outstanding_one <= outstanding_other
