"""What is the same for every request that one rule sends to one backend, prepared once.

Guarantees that the hot path neither formats these headers nor looks up metric labels. Forgotten
when the table changes, so it is bounded by what one table names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.json import encode

from pointsman.api.table import Backend, ServiceAddress
from pointsman.router.live import Live
from pointsman.router.metrics import BackendSeries, Metrics, RouteSeries
from pointsman.router.serve.genai import provider_of
from pointsman.routing import CompiledPolicy, CompiledTable
from pointsman.routing.compiled import CompiledRoute
from pointsman.routing.cost import Tariff

_NO_TARIFF: Final = Tariff((), "")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One (policy, rule, backend); `backend` is None where the request reached none."""

    lines: bytes
    """Header lines x-pointsman-backend, -policy, -revision, -rule."""
    route: RouteSeries
    backend: BackendSeries | None
    service: str
    """How its backend's endpoints are filed; empty for an external one."""
    tariff: Tariff
    baseline: Tariff | None
    """Of the policy's baseline, where its currency is the same."""
    of: tuple[CompiledRoute, Backend | None]
    provider: str
    """Of its backend, as OpenTelemetry names it."""
    name: str
    """Of its backend; empty where there is none."""
    model: bytes
    """What its backend calls its model, in JSON."""
    plain: bool
    """True if its backend takes requests as they come: approved for ever, never full or cold, and
    without a profile."""


def _line(name: str, value: str) -> bytes:
    """A header line; names come from the table, but a header is no place for trust."""
    safe = "".join(c if c.isprintable() else "?" for c in value)
    return f"x-pointsman-{name}: {safe}\r\n".encode("ascii", "replace")


class Tracks:
    """All of the table in force."""

    __slots__ = ("_answering", "_live", "_made", "_metrics", "_table")

    def __init__(self, live: Live, metrics: Metrics) -> None:
        self._live = live
        self._metrics = metrics
        self._table: CompiledTable | None = None
        self._made: dict[tuple[int, int], Track] = {}
        """By the identities of what a Track is of, which it keeps alive."""
        self._answering: dict[str, bool] = {}

    def of(self, policy: CompiledPolicy, route: CompiledRoute, backend: Backend | None) -> Track:
        """The track of these three, whichever table they come from."""
        if self._table is not self._live.table:
            self._renew()
        key = (id(route), id(backend))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(policy, route, backend)
        return found

    def answering(self) -> Mapping[str, bool]:
        """Backends of the table in force, and whether requests may wait for a server of theirs."""
        if self._table is not self._live.table:
            self._renew()
        return self._answering

    def _renew(self) -> None:
        self._table = table = self._live.table
        self._made.clear()
        self._metrics.keep(*_names(table))
        self._answering = {
            backend.name: backend.activation is not None or backend.queue is not None
            for policy in table.policies
            for route in policy.routes
            for backend in _answering(policy, route)
        }

    def _make(self, policy: CompiledPolicy, route: CompiledRoute, backend: Backend | None) -> Track:
        name, rule = backend.name if backend else "", route.route.name
        lines = _line("backend", name) if backend else b""
        lines += _line("policy", policy.name) + _line("revision", policy.revision)
        address = backend.address if backend else None
        return Track(
            lines + _line("rule", rule),
            self._metrics.route(policy.name, rule, name),
            self._metrics.backend(name) if backend else None,
            address.key if isinstance(address, ServiceAddress) else "",
            Tariff(backend.prices, backend.currency) if backend else _NO_TARIFF,
            _baseline(policy, backend),
            (route, backend),
            provider_of(backend.address) if backend else "",
            name,
            encode(backend.model) if backend else b"",
            backend is not None and _is_plain(backend),
        )


def _is_plain(backend: Backend) -> bool:
    return (
        backend.approval is None
        and backend.activation is None
        and backend.queue is None
        and backend.profile is None
    )


def _answering(policy: CompiledPolicy, route: CompiledRoute) -> Iterator[Backend]:
    """Who may answer: its own, a predictor's, and those of what a person has to see."""
    for order in route.orders:
        yield from order
    pool = policy.chooser.pools.get(route.route.name) if policy.chooser is not None else None
    if pool is not None:
        yield from pool.backends
    if policy.review is not None:
        yield from policy.review.escalate_to
        if policy.review.fallback is not None:
            yield policy.review.fallback


def _names(table: CompiledTable) -> tuple[set[tuple[str, str, str]], set[tuple[str, str]]]:
    """What series may have: (policy, rule, backend or none) and (policy, budget)."""
    routes = {
        (policy.name, route.route.name, name)
        for policy in table.policies
        for route in policy.routes
        for name in ("", *(backend.name for backend in _answering(policy, route)))
    }
    return routes, {(policy.name, one.name) for policy in table.policies for one in policy.budgets}


def _baseline(policy: CompiledPolicy, backend: Backend | None) -> Tariff | None:
    found = policy.baseline
    if found is None or backend is None or found.currency != backend.currency:
        return None
    return Tariff(found.prices, found.currency)
