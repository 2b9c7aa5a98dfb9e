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


@dataclass(frozen=True, slots=True)
class Need:
    """What a policy has to know of a request's text before it decides."""

    analysis: bool
    """True if a rule looks at task, language or length."""
    window: int
    """The smallest context window of its backends, 0 if none states one."""


def _need(policy: CompiledPolicy) -> Need:
    matches = [route.match for route in policy.routes if route.match is not None]
    looks = any(m.tasks or m.languages or m.min_tokens or m.max_tokens is not None for m in matches)
    windows = [b.context_window for b in policy.backends.values() if b.context_window]
    return Need(looks, min(windows, default=0))


def _line(name: str, value: str) -> bytes:
    """A header line; names come from the table, but a header is no place for trust."""
    safe = "".join(c if c.isprintable() else "?" for c in value)
    return f"x-pointsman-{name}: {safe}\r\n".encode("ascii", "replace")


class Tracks:
    """All of the table in force."""

    __slots__ = ("_by_names", "_live", "_metrics", "_needs", "_table")

    def __init__(self, live: Live, metrics: Metrics) -> None:
        self._live = live
        self._metrics = metrics
        self._table: CompiledTable | None = None
        self._by_names: dict[tuple[str, str, str, str], Track] = {}
        self._needs: dict[str, Need] = {}

    def of(self, policy: CompiledPolicy, route: CompiledRoute, backend: Backend | None) -> Track:
        """The track of these three, whichever table they come from."""
        self._forget_old()
        name = backend.name if backend else ""
        key = (policy.name, policy.revision, route.route.name, name)
        found = self._by_names.get(key)
        if found is None:
            found = self._by_names[key] = self._make(*key)
        return found

    def need(self, policy: CompiledPolicy) -> Need:
        """What a policy has to know of the text."""
        self._forget_old()
        found = self._needs.get(policy.digest)
        if found is None:
            found = self._needs[policy.digest] = _need(policy)
        return found

    def _forget_old(self) -> None:
        if self._table is not self._live.table:
            self._table = self._live.table
            self._by_names.clear()
            self._needs.clear()

    def _make(self, policy: str, revision: str, rule: str, backend: str) -> Track:
        lines = _line("backend", backend) if backend else b""
        lines += _line("policy", policy) + _line("revision", revision) + _line("rule", rule)
        return Track(
            lines,
            self._metrics.route(policy, rule, backend),
            self._metrics.backend(backend) if backend else None,
        )
