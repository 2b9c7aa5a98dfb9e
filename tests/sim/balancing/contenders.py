"""Ways to choose; the last is the shipped code, with its own bounds."""

import random
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from pointsman.router.policy import balance
from tests.sim.balancing.fleet import Choosing
from tests.sim.balancing.traffic import Request

_BYTES_A_TOKEN: Final = 4


class Random:
    """Any of them."""

    def __init__(self, _servers: int, seed: int) -> None:
        self._dice = random.Random(seed)

    def pick(self, request: Request, outstanding: Sequence[int]) -> int:  # noqa: ARG002
        """See Choosing."""
        return self._dice.randrange(len(outstanding))


class Least:
    """The one with least outstanding, of equals any."""

    def __init__(self, _servers: int, seed: int) -> None:
        self._dice = random.Random(seed)

    def pick(self, request: Request, outstanding: Sequence[int]) -> int:  # noqa: ARG002
        """See Choosing."""
        least = min(outstanding)
        return self._dice.choice([i for i, load in enumerate(outstanding) if load == least])


class Two:
    """The better of two."""

    def __init__(self, _servers: int, seed: int) -> None:
        self._dice = random.Random(seed).random

    def pick(self, request: Request, outstanding: Sequence[int]) -> int:  # noqa: ARG002
        """See Choosing."""
        return balance.better_of_two(len(outstanding), outstanding.__getitem__, self._dice)


class Prefix:
    """What ships: long prompts at home under the bound, all others the better of two."""

    least_bytes = balance.LEAST_BYTES

    def __init__(self, servers: int, seed: int) -> None:
        self._dice = random.Random(seed).random
        self._homes = balance.Homes([b"10.0.0.%d:8000" % number for number in range(servers)])
        self._open_to = range(servers)

    def pick(self, request: Request, outstanding: Sequence[int]) -> int:
        """See Choosing."""
        homes: tuple[int, ...] = ()
        if request.context_tokens * _BYTES_A_TOKEN >= self.least_bytes:
            key = blake2b(b"%d" % request.conversation, digest_size=12).digest()
            homes = self._homes.of(key)
        return balance.pick(
            self._open_to, homes, sum(outstanding), outstanding.__getitem__, self._dice
        )


class AnyLength(Prefix):
    """The same for all prompts, as prefix-aware routers elsewhere do."""

    least_bytes = 0


CONTENDERS: Final[dict[str, Callable[[int, int], Choosing]]] = {
    "random": Random,
    "least outstanding": Least,
    "better of two": Two,
    "prefix, any length": AnyLength,
    "prefix (default)": Prefix,
}
