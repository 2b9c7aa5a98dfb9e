"""What is the same for every request that one rule sends to one backend, prepared once.

Guarantees that the hot path neither formats these headers nor looks up metric labels. Forgotten
when the table changes, so it is bounded by what one table names.
"""

from dataclasses import dataclass

from pointsman.api.table import Backend
from pointsman.router.live import Live
from pointsman.router.metrics import BackendSeries, Metrics, RouteSeries
from pointsman.routing import CompiledPolicy, CompiledTable
from pointsman.routing.compiled import CompiledRoute


@dataclass(frozen=True, slots=True)
class Track:
    """One (policy, rule, backend); `backend` is None where the request reached none."""

    lines: bytes
    """Header lines x-pointsman-backend, -policy, -revision, -rule."""
    route: RouteSeries
    backend: BackendSeries | None


def _line(name: str, value: str) -> bytes:
    """A header line; names come from the table, but a header is no place for trust."""
    safe = "".join(c if c.isprintable() else "?" for c in value)
    return f"x-pointsman-{name}: {safe}\r\n".encode("ascii", "replace")


class Tracks:
    """All of the table in force."""

    __slots__ = ("_by_names", "_live", "_metrics", "_table")

    def __init__(self, live: Live, metrics: Metrics) -> None:
        self._live = live
        self._metrics = metrics
        self._table: CompiledTable | None = None
        self._by_names: dict[tuple[str, str, str, str], Track] = {}

    def of(self, policy: CompiledPolicy, route: CompiledRoute, backend: Backend | None) -> Track:
        """The track of these three, whichever table they come from."""
        if self._table is not self._live.table:
            self._table = self._live.table
            self._by_names.clear()
        name = backend.name if backend else ""
        key = (policy.name, policy.revision, route.route.name, name)
        found = self._by_names.get(key)
        if found is None:
            found = self._by_names[key] = self._make(*key)
        return found

    def _make(self, policy: str, revision: str, rule: str, backend: str) -> Track:
        lines = _line("backend", backend) if backend else b""
        lines += _line("policy", policy) + _line("revision", revision) + _line("rule", rule)
        return Track(
            lines,
            self._metrics.route(policy, rule, backend),
            self._metrics.backend(backend) if backend else None,
        )
