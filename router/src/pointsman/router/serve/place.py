"""Where a backend is asked, and how."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where to dial and how to ask there."""

    host: str
    port: int
    key: tuple[str, int, str]
    """Connections with equal keys are interchangeable; how to ask on them may differ."""
    before: bytes
    """The request line up to the operation's path."""
    after: bytes
    """The rest of it, with the Host header."""
    external: bool = False
    tls: bool = False
    ca_bundle: str | None = None
