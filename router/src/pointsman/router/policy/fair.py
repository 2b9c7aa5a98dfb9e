"""PURE: whose turn it is in a line that several callers wait in.

Guarantees that a higher priority goes before every lower one; that callers of one priority take
turns, each with its oldest first, so that who sends a thousand makes another wait for one of them,
not for all; and that a full line gives a place of the lowest priority, there of the caller with
most of them, to who is above or has fewer. A caller alone finds a plain queue.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Turns(Generic[T]):
    """Those of one priority; each is in it once."""

    __slots__ = ("_callers", "_whose")

    def __init__(self) -> None:
        self._callers: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()
        """In the order of their turns."""
        self._whose: dict[T, str] = {}

    def __len__(self) -> int:
        return len(self._whose)

    def __contains__(self, one: object) -> bool:
        return one in self._whose

    def __iter__(self) -> Iterator[T]:
        """In the order in which they would go if nobody came or left."""
        lines = [list(each) for each in self._callers.values()]
        for number in range(max(map(len, lines), default=0)):
            yield from (line[number] for line in lines if number < len(line))

    def add(self, caller: str, one: T) -> None:
        """At the end of its caller's; who had none waiting is last of the callers."""
        self._callers.setdefault(caller, OrderedDict())[one] = None
        self._whose[one] = caller

    def discard(self, one: T) -> None:
        """It waits no longer; may be called twice."""
        caller = self._whose.pop(one, None)
        if caller is None:
            return
        line = self._callers[caller]
        del line[one]
        if not line:
            del self._callers[caller]

    def first(self) -> T:
        """Whose turn it is; StopIteration if nobody waits."""
        return next(iter(next(iter(self._callers.values()))))

    def turn(self) -> T:
        """The same, after which the next caller has its turn; it is still in the line."""
        one = self.first()
        self._callers.move_to_end(self._whose[one])
        return one

    def newest_of_most(self) -> T:
        """Of the caller with most of them; ValueError if nobody waits."""
        _, line = max(self._callers.items(), key=lambda item: len(item[1]))
        return next(reversed(line))

    def displaced_by(self, caller: str) -> T | None:
        """The newest of who has most, if that is still no less than `caller` has then."""
        most, line = max(self._callers.items(), key=lambda item: len(item[1]))
        own = len(self._callers.get(caller, ()))
        if most == caller or len(line) < own + 2:
            return None
        return next(reversed(line))


class Line(Generic[T]):
    """Of things that are waited for; each is in it once. A larger `rank` is a higher priority."""

    __slots__ = ("_ranks", "_turns")

    def __init__(self) -> None:
        self._turns: dict[int, _Turns[T]] = {}
        """Of those ranks in which somebody waits, the highest first."""
        self._ranks: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._ranks)

    def __contains__(self, one: object) -> bool:
        return one in self._ranks

    def __iter__(self) -> Iterator[T]:
        """In the order in which they would go if nobody came or left."""
        for turns in [*self._turns.values()]:
            yield from turns

    def add(self, caller: str, one: T, rank: int = 0) -> None:
        """At the end of its caller's; who had none waiting is last of the callers of its rank."""
        turns = self._turns.get(rank)
        if turns is None:
            turns = self._turns[rank] = _Turns()
            self._turns = dict(sorted(self._turns.items(), reverse=True))
        turns.add(caller, one)
        self._ranks[one] = rank

    def discard(self, one: T) -> None:
        """It waits no longer; may be called twice."""
        rank = self._ranks.pop(one, None)
        if rank is None:
            return
        turns = self._turns[rank]
        turns.discard(one)
        if not turns:
            del self._turns[rank]

    def first(self) -> T:
        """Whose turn it is; StopIteration if nobody waits."""
        return next(iter(self._turns.values())).first() if self._turns else next(iter(()))

    def turn(self) -> T:
        """The same, after which the next caller has its turn; it is still in the line."""
        return next(iter(self._turns.values())).turn() if self._turns else next(iter(()))

    def before(self, rank: int) -> int:
        """How many have their turn before one more of this rank, at most."""
        return sum(len(turns) for each, turns in self._turns.items() if each >= rank)

    def displaced_by(self, caller: str, rank: int = 0) -> T | None:
        """
        Who gives up a place in a full line to one more of `caller`; None: nobody.

        One of the lowest rank, of who has most waiting there; of the same rank only if that is then
        still no less than `caller` has.
        """
        if not self._turns:
            return None
        lowest = next(reversed(self._turns))
        if lowest < rank:
            return self._turns[lowest].newest_of_most()
        return self._turns[lowest].displaced_by(caller) if lowest == rank else None
