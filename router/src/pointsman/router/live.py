"""What the request path reads and the control side writes, on one event loop.

Each attribute is replaced whole between two requests, so a request sees either the old state or
the new one, never a mixture. Nothing here waits and nothing here does I/O.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.api.counted import Arms
from pointsman.api.table import BudgetUse, CredentialRef, Endpoint, Order, Served, ServiceAddress
from pointsman.router.callers import NOT_READ, Callers
from pointsman.routing import CompiledTable

if TYPE_CHECKING:
    from pointsman.api.pairs import Pairs


@dataclass(slots=True)
class Live:
    """The state in force."""

    table: CompiledTable = field(default_factory=lambda: CompiledTable(by_model={}, policies=()))
    ready: bool = False
    """True once a table is in force: from last-known-good, or from the source."""
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """ServiceAddress.key -> ready endpoints; replaced by `replace_endpoints`."""
    endpoint_listeners: list[Callable[[], None]] = field(default_factory=list)
    credentials: Mapping[tuple[str, str, str], bytes] = field(default_factory=dict, repr=False)
    """(Secret name, key, URL) -> API key, only where the Secret's label and allowed hosts were
    checked against this very URL."""
    callers: Callers = NOT_READ
    """Who may call. Nobody, until Secrets were read or somebody chose `callers.OPEN`."""
    draining: bool = False
    routers: int = 1
    """Routers that share the backends, this one included."""
    in_flight: dict[str, int] = field(default_factory=dict)
    """Backend name -> requests sent and not finished."""
    finished: dict[str, int] = field(default_factory=dict)
    """Backend name -> requests that ended since this router began, however they did."""
    held: dict[str, int] = field(default_factory=dict)
    """Backend name -> requests that wait for a server of it."""
    missed: dict[str, int] = field(default_factory=dict)
    """Backend name -> requests that met no server since this router began."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Backend name -> requests that it answered with 404 since this router began."""
    orders: dict[str, Order] = field(default_factory=dict)
    """Backend name -> what the operator asks, and is in force."""
    load_listeners: list[Callable[[], None]] = field(default_factory=list)
    served: Callable[[], Served] = dict
    """What ended by rule, once a data plane counts it."""
    failing: Callable[[], dict[str, str]] = dict
    """Backend -> how its attempts end, if none is answered, once a data plane looks at it."""
    budgets: Callable[[], dict[str, tuple[BudgetUse, ...]]] = dict
    """What is used of budgets, by policy, once a data plane knows it."""
    arms: Callable[[], dict[str, Arms]] = dict
    """What the arms of rollouts did, by policy, once a data plane counts it."""
    pairs: Callable[[str], "Pairs | None"] = lambda _: None
    """What a policy's shadow has to be compared: each pair is given away once."""

    def replace_endpoints(self, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """These are ready now, and no others."""
        self.endpoints = dict(endpoints)
        for listener in self.endpoint_listeners:
            listener()

    def endpoints_of(self, address: ServiceAddress) -> tuple[Endpoint, ...]:
        """Ready endpoints of a Service port; empty if none is known."""
        return self.endpoints.get(address.key, ())

    def credential(self, ref: CredentialRef, url: str) -> bytes | None:
        """The API key for this URL, or None when it is not (or not yet) known."""
        return self.credentials.get((ref.name, ref.key, url))

    def obey(self, backend: str, order: Order | None) -> None:
        """This order is in force now, or none."""
        if order == self.orders.get(backend):
            return
        if order is None:
            del self.orders[backend]
        else:
            self.orders[backend] = order
        for listener in (*self.endpoint_listeners, *self.load_listeners):
            listener()

    def hold(self, backend: str, waiting: int) -> None:
        """So many wait now."""
        if waiting:
            self.held[backend] = waiting
        else:
            self.held.pop(backend, None)
        for listener in self.load_listeners:
            listener()

    def miss(self, backend: str) -> None:
        """One request more met no server."""
        self.missed[backend] = self.missed.get(backend, 0) + 1
        for listener in self.load_listeners:
            listener()

    def begin(self, backend: str) -> None:
        """Count one request more that is with a backend."""
        self.in_flight[backend] = self.in_flight.get(backend, 0) + 1
        for listener in self.load_listeners:
            listener()

    def end(self, backend: str) -> None:
        """Count one request less; every `begin` has exactly one `end`."""
        self.finished[backend] = self.finished.get(backend, 0) + 1
        left = self.in_flight.get(backend, 0) - 1
        if left > 0:
            self.in_flight[backend] = left
        else:
            self.in_flight.pop(backend, None)
        for listener in self.load_listeners:
            listener()
