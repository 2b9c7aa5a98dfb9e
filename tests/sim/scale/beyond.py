"""What a fleet that nobody has measured would cost, by the lines of the measured ones."""

from dataclasses import dataclass
from math import ceil, inf

from tests.sim.scale.costs import Costs
from tests.sim.scale.edits import Loop, latencies, rank

MAX_OBJECT_BYTES = 1024 * 1024
"""Data of one ConfigMap (Kubernetes' own limit)."""
REQUEST_US = 85.0
"""CPU of a router for a request: 30 in the image at c32 (docs/performance.md), 50 for its analysis
and 5 for its event (docs/ledger.md), since here every request leaves one."""
BUSY = 0.6
"""How much of a core a router may use."""
LOAD_LINES_S = 10.0
"""Of a busy router: one in 100 ms (docs of the admin stream)."""
LOAD_US = 0.29
"""Reading one Load line, for each backend in it: 0.29 ms for 25,064 bytes, of 1,000 backends with
requests in flight and ended."""
WATCHES = 3
"""Of a router: ConfigMaps, Services, EndpointSlices."""
EVENT_BYTES = 627.0
LEDGER_EVENTS_S = 14_561.0
"""Of one event, and of a PostgreSQL ledger on one core (docs/ledger.md)."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Of one release in one namespace."""

    name: str
    backends: int
    policies: int
    requests_s: float
    edits_s: float
    least: int = 3
    """Routers."""

    @property
    def routers(self) -> int:
        """One core each."""
        return max(self.least, ceil(self.requests_s * REQUEST_US / 1e6 / BUSY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one operator and its API server have to bear."""

    fleet: Fleet
    cold_cpu_s: float
    rss_mib: float
    idle_percent: float
    manifest_share: float
    """Of what one object may hold; over 1 no table can be written."""
    fan_out_mib: float
    """From the API server to all routers for one edit: manifest and blob."""
    load_percent: float
    """Of the operator's core, for reading what routers tell of their load."""
    edit_p50_ms: float
    """Infinite, as p99, where reading what routers tell takes all of the loop."""
    edit_p99_ms: float
    watches: int
    ledgers: float
    """PostgreSQL ledgers of one core, if every request leaves an event."""


def bill(costs: Costs, fleet: Fleet, *, edits: int = 400, seed: int = 1) -> Bill:
    """By the lines, and by the simulation of the loop for edits."""
    policies, routers = fleet.policies, fleet.routers
    manifest = costs.manifest_bytes.at(policies)
    blob = costs.blob_bytes.at(policies) / max(1, policies)
    load = routers * LOAD_LINES_S * fleet.backends * LOAD_US / 1e6 if fleet.requests_s else 0.0
    found = [inf]
    if load < 1:
        loop = Loop(
            reconcile_ms=costs.reconcile_ms.at(policies) / (1 - load),
            ack_ms=costs.ack_ms.at(policies) / (1 - load),
            routers=routers,
        )
        found = latencies(loop, per_s=fleet.edits_s, edits=edits, seed=seed)
    return Bill(
        fleet=fleet,
        cold_cpu_s=costs.cold_cpu_s.at(fleet.backends),
        rss_mib=costs.rss_mib.at(fleet.backends),
        idle_percent=costs.idle_percent.at(fleet.backends),
        manifest_share=manifest / MAX_OBJECT_BYTES,
        fan_out_mib=routers * (manifest * 4 / 3 + blob * 4 / 3) / 2**20,
        load_percent=100 * load,
        edit_p50_ms=rank(found, 0.5),
        edit_p99_ms=rank(found, 0.99),
        watches=routers * WATCHES,
        ledgers=fleet.requests_s / LEDGER_EVENTS_S,
    )


def most_policies(costs: Costs) -> int:
    """So many fit in one manifest."""
    line = costs.manifest_bytes
    return int((MAX_OBJECT_BYTES - line.base) / line.each) if line.each else 0


FLEETS = (
    Fleet("measured", 1000, 300, 0, 0.2, least=20),
    Fleet("the same, busy", 1000, 300, 100_000, 0.2),
    Fleet("10,000 backends in one namespace", 10_000, 3000, 0, 1),
    Fleet("10,000 backends, 1,000,000 requests/s, one release", 10_000, 3000, 1_000_000, 1),
    Fleet("a tenth of that: one of 10 clusters", 1000, 300, 100_000, 0.2),
)
