"""Who is compared, with which target by default, and in which range it may be swept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.sim.scaling.algorithms.fixed import Fixed
from tests.sim.scaling.algorithms.hpa import Hpa
from tests.sim.scaling.algorithms.keda import Keda
from tests.sim.scaling.algorithms.kpa import Kpa
from tests.sim.scaling.algorithms.kubeai import KubeAi
from tests.sim.scaling.algorithms.ours import Ours
from tests.sim.scaling.fleet import Autoscaler, Engine
from tests.sim.scaling.traces import WARM_UP_S, Trace

OURS: Final = "pointsman"
FIXED: Final = "fixed"
SERVICE_S: Final = 6.5
"""About what a request takes on the modeled engine; only for where a run begins."""


@dataclass(frozen=True, slots=True)
class Contender:
    """`share`: the default target as a share of what a replica takes at once."""

    name: str
    share: float
    make: Callable[[float, Trace], Autoscaler]


def early_load(trace: Trace) -> float:
    """Return about the concurrency of the first two minutes: where a run begins."""
    early = sum(1 for at_s in trace.arrivals_s if at_s < 120.0)
    return early / 120.0 * SERVICE_S


def start(trace: Trace, engine: Engine) -> int:
    """Return the replicas to begin the warm-up with; the same for everyone."""
    return max(1, round(1.2 * early_load(trace) / engine.limit + 0.5))


def fixed(replicas: float, trace: Trace, *, late: bool) -> Autoscaler:
    """Return a fixed fleet; a fractional one has its extra replica early or late."""
    assert trace.begin_s in {0.0, WARM_UP_S}
    return Fixed(replicas, trace.begin_s, trace.horizon_s, late=late)


CONTENDERS: Final = (
    Contender(OURS, 1.0, lambda target, _: Ours(target)),
    Contender("HPA", 1.0, lambda target, _: Hpa(target)),
    Contender("Knative KPA", 0.7, lambda target, _: Kpa(target)),
    Contender("KubeAI", 1.0, lambda target, trace: KubeAi(target, early_load(trace))),
    Contender("KEDA", 1.0, lambda target, _: Keda(target)),
)
"""HPA and KEDA have no default target, and KubeAI's (100 requests) knows nothing of an engine that
takes 8: they get what a replica takes at once. KPA's is 70 % of the concurrency limit."""
