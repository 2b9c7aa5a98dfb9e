"""PURE: how much feedback one caller may give, which is kept beside the records of everybody.

Guarantees that a caller takes BURST_BYTES at once and BYTES_A_SECOND after that of what waits for
the ledger, whatever its limits, and that who has given none for some minutes is forgotten.
"""

from typing import Final

BURST_BYTES: Final = 8 * 1024 * 1024
"""Some thousand remarks at once, as a night's job sends them; a 32nd of what a router's disk keeps
for a ledger that is away."""
BYTES_A_SECOND: Final = 32 * 1024
"""Thirty remarks: more than people write."""
EACH_BYTES: Final = 1024
"""That each takes besides its body: a row, its place in an index, a question to the ledger."""
_MOST: Final = 4096


class Allowances:
    """Of one router, by caller; times in seconds of one clock."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[str, tuple[float, float]] = {}
        """(when, bytes of then that were not given back yet)."""

    def wait_s(self, caller: str, size: int, now_s: float) -> float:
        """0: it is taken; else when to come back with it. No body may be larger than the burst."""
        taken = self._left(self._taken.get(caller, (now_s, 0.0)), now_s) + size + EACH_BYTES
        if taken > BURST_BYTES:
            return (taken - BURST_BYTES) / BYTES_A_SECOND
        self._taken[caller] = (now_s, taken)
        if len(self._taken) > _MOST:
            known = self._taken.items()
            self._taken = {name: one for name, one in known if self._left(one, now_s)}
        return 0.0

    def __len__(self) -> int:
        return len(self._taken)

    @staticmethod
    def _left(taken: tuple[float, float], now_s: float) -> float:
        return max(0.0, taken[1] - BYTES_A_SECOND * (now_s - taken[0]))
