"""A policy's governance as the request path wants it: None where it asks for nothing.

A blob whose patterns or classes a router does not know is refused whole with TableError.
"""

from dataclasses import dataclass

from pointsman.api.dataclass import RANKS
from pointsman.api.redaction import BadPattern, Known, Pattern, compiled, known
from pointsman.api.table import PolicyBlob, TableError


@dataclass(frozen=True, slots=True)
class CompiledGovernance:
    """What the class of a request's data is told by."""

    rank: int
    """That every request has at least; of dataclass.RANKS."""
    detected: int
    """Of a request in whose text a pattern is found."""
    patterns: tuple[Pattern, ...]


def compile_governance(blob: PolicyBlob) -> CompiledGovernance | None:
    """None where no request has to be looked at. Raises TableError."""
    asks = blob.governance
    backends = blob.backends.values()
    classes = [*(route.data_class for route in blob.routes), *(b.max_data_class for b in backends)]
    if asks is not None:
        classes += [asks.data_class, asks.detected]
    if unknown := sorted({one for one in classes if one and one not in RANKS}):
        raise TableError(f"policy {blob.name}: {unknown[0]!r} is no class of data")
    timed = any(backend.approval is not None for backend in backends)
    looked_at = any(route.data_class for route in blob.routes) or (
        blob.review is not None and blob.review.data_class is not None
    )
    if asks is None and not timed and not looked_at:
        return None
    rank = RANKS[asks.data_class] if asks and asks.data_class else 0
    detected = RANKS[asks.detected] if asks and asks.detected else 0
    try:
        patterns = [one for name in (asks.built_in if asks else ()) for one in known(Known(name))]
        patterns += [compiled(pattern) for pattern in (asks.patterns if asks else ())]
    except BadPattern as error:
        raise TableError(f"policy {blob.name}: {str(error)!r} is no pattern to detect") from None
    except ValueError:
        raise TableError(f"policy {blob.name}: detect.builtIn is not known here") from None
    return CompiledGovernance(rank, detected, tuple(patterns))
