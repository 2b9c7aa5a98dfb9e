"""What routers know of governance: parts of the RoutingTable."""

import msgspec


class Approved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When an approval holds, in Unix time: from the first second on, not in the last."""

    from_s: float
    until_s: float

    def holds(self, now_s: float) -> bool:
        """Whether it does at this moment."""
        return self.from_s <= now_s < self.until_s


class Governed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the class of a request's data is told; values of DataClass, patterns are RE2's."""

    data_class: str = ""
    """That all requests have at least."""
    detected: str = ""
    """Of a request in whose text something is found."""
    built_in: tuple[str, ...] = ()
    """Values of redaction.Known."""
    patterns: tuple[str, ...] = ()
