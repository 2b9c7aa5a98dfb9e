"""Values that are made anew only when what they are made of has changed.

A fleet has thousands of objects, and an edit changes one: what it costs must not grow with them.
"""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

T = TypeVar("T")
V = TypeVar("V")


class Kept(Generic[V]):
    """By name. What a value is made of is compared by identity first, so that it costs nothing."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[object, ...], V]] = {}
        self._items: dict[str, tuple[object, V]] = {}

    def get(self, name: str, made_of: tuple[object, ...], make: Callable[[], V]) -> V:
        """The value of before if it was made of the same, or else `make()`."""
        known = self._known.get(name)
        if known is not None and known[0] == made_of:
            return known[1]
        value = make()
        self._known[name] = (made_of, value)
        return value

    def of(
        self, name: str, item: T, made_of: Callable[[T], tuple[object, ...]], make: Callable[[T], V]
    ) -> V:
        """The same; the very item of before need not even be looked into."""
        known = self._items.get(name)
        if known is not None and known[0] is item:
            return known[1]
        value = self.get(name, made_of(item), lambda: make(item))
        self._items[name] = (item, value)
        return value

    def names(self) -> list[str]:
        """Of all that is remembered."""
        return list(self._known)

    def forget(self, name: str) -> None:
        """It is made anew the next time."""
        self._known.pop(name, None)
        self._items.pop(name, None)

    def only(self, names: Collection[str]) -> None:
        """Forget all others."""
        for name in self._known.keys() - set(names):
            self.forget(name)
