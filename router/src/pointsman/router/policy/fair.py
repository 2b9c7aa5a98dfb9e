"""PURE: whose turn it is in a line that several callers wait in.

Guarantees that callers take turns, each with its oldest first, so that who sends a thousand makes
another wait for one of them, not for all; and that a full line gives a place of the caller with
most of them to one with fewer. A caller alone finds a plain queue.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Of things that are waited for; each is in it once."""

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

    def displaced_by(self, caller: str) -> T | None:
        """
        Who gives up a place in a full line to one more of `caller`; None: nobody.

        The newest of who has most waiting, if that is still no less than `caller` has then.
        """
        most, line = max(self._callers.items(), key=lambda item: len(item[1]))
        own = len(self._callers.get(caller, ()))
        if most == caller or len(line) < own + 2:
            return None
        return next(reversed(line))
