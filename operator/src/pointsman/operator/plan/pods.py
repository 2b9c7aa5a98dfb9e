"""A backend's pods, narrowed to what scaling needs: which are ready, and how long that took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from pointsman.operator.plan.objects import Json, conditions_of, meta, name_of

MEASURED: Final = 5
"""Cold starts whose median counts."""
LONGEST_S: Final = 3600.0
"""What the startup probes allow; more is a pod that was ready before, on its way back."""


@dataclass(frozen=True, slots=True)
class ReadyPod:
    """A pod that is ready and not on its way out."""

    name: str
    uid: str
    address: str


def ready_pods(pods: Sequence[Json]) -> list[ReadyPod]:
    """Those that can be sent to."""
    return [
        ReadyPod(name_of(pod), str(meta(pod).get("uid", "")), str(pod["status"]["podIP"]))
        for pod in pods
        if (pod.get("status") or {}).get("podIP")
        and not meta(pod).get("deletionTimestamp")
        and _ready(pod) is not None
    ]


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """The last cold starts: of pods that were seen before they were ready, and never twice."""

    starting: frozenset[str] = frozenset()
    """Uids of pods that were not ready yet."""
    seconds: tuple[float, ...] = ()
    before: float | None = None
    """The median that an earlier process had found."""

    @property
    def median_s(self) -> float | None:
        """None: none was ever seen."""
        return median(self.seconds) if self.seconds else self.before


def measured(known: ColdStarts, pods: Sequence[Json]) -> ColdStarts:
    """Add those that became ready since; a pod that comes back after a fault is no cold start."""
    ready = {str(meta(pod).get("uid")): _took_s(pod) for pod in pods if _ready(pod)}
    new = [
        took_s
        for uid in sorted(known.starting & ready.keys())
        for took_s in [ready[uid]]
        if took_s is not None and 0 <= took_s <= LONGEST_S
    ]
    starting = {str(meta(pod).get("uid")) for pod in pods if _never_ready(pod, known)}
    return ColdStarts(
        starting=frozenset(starting - ready.keys()),
        seconds=(*known.seconds, *new)[-MEASURED:],
        before=known.before,
    )


def _never_ready(pod: Json, known: ColdStarts) -> bool:
    """
    True of a pod that is on its way up.

    Its Ready condition is as old as the pod, or it was on its way up when it was seen before.
    """
    if meta(pod).get("deletionTimestamp"):
        return False
    if str(meta(pod).get("uid")) in known.starting:
        return True
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return not any(one.get("started") or one.get("restartCount") for one in statuses)


def _ready(pod: Json) -> Mapping[str, object] | None:
    return next(
        (c for c in conditions_of(pod) if c.get("type") == "Ready" and c.get("status") == "True"),
        None,
    )


def _ready_since(pod: Json) -> datetime | None:
    condition = _ready(pod)
    return _time((condition or {}).get("lastTransitionTime")) if condition else None


def _took_s(pod: Json) -> float | None:
    created, since = _time(meta(pod).get("creationTimestamp")), _ready_since(pod)
    return (since - created).total_seconds() if created and since else None


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
