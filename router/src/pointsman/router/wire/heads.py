"""Known heads that connections have in common: many connections of one client share one.

Guarantees that each is there only for as long as a connection holds it: a key is not kept longer.
"""

from weakref import WeakValueDictionary

from pointsman.router.wire.received import Head


class Shared:
    """Keeps a head among those of `Heads`."""

    __slots__ = ("__weakref__", "head")  # compiled classes cannot be referred to weakly

    def __init__(self, head: Head) -> None:
        self.head = head


class Heads:
    """See the module."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        self._heads: WeakValueDictionary[tuple[bytes, bytes], Shared] = WeakValueDictionary()

    def shared(self, head: Head) -> Shared:
        """The one with the bytes of this known head: its own, if it is the first."""
        return self._heads.setdefault(head.around, Shared(head))

    def __len__(self) -> int:
        return len(self._heads)
