"""PURE: which labels a policy's predictor is fitted on, when anew, and what its answers were like.

Guarantees that the same labels lead to the same weights, bit by bit, whichever process fits: time
moves in steps of a sixteenth of the half-life. Refuses feedback that is too little to count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import msgspec

from pointsman.analysis.predictor import Weights
from pointsman.api.predicting import Trait
from pointsman.api.quantity import parse_duration
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy, RoutingPolicySpec
from pointsman.ledger.labels import Label
from pointsman.operator.plan.blobs import Backends, unresolved
from pointsman.operator.plan.objects import ObservedPolicy
from pointsman.operator.plan.predicting import Learned, candidates_of
from pointsman.operator.plan.revisions import Revision
from pointsman.operator.plan.table import spec_of_revision

STEPS: Final = 16
"""In a half-life: after one of them a label counts 4 % less."""
WINDOW: Final = 6
"""Half-lives that labels are asked for: older ones count less than a sixtieth."""
CHANGED: Final = 0.02
"""Of the labels: as many have to be new, gone or other ones before a fit is worth a new table."""
TRAIT_SAMPLES: Final = 20


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy wants to learn of."""

    models: dict[str, tuple[str, str]]
    """Candidate -> (family, model)."""
    min_samples: int
    half_life_s: float


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One fit; everything that its result depends on."""

    wish: Wish
    labels: list[Label]
    """Those that count, in an order of their own."""
    now_s: float


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """What a fit led to; `weights` None: too few labels, what is published counts."""

    weights: Weights | None
    traits: dict[str, Trait]
    samples: dict[str, int]
    """Labels that counted, by candidate."""

    def learned(self) -> Learned | None:
        """As the table is compiled with it."""
        return Learned(self.weights, self.traits) if self.weights else None


@dataclass(frozen=True, slots=True)
class Learning:
    """How it stands with one policy."""

    wish: Wish
    learned: Learned | None = None
    samples: Mapping[str, int] = field(default_factory=dict)
    """Labels that counted in the last fit of this process, by candidate."""
    fitted_s: float = 0.0
    """Unix time when it learned something new; 0: not yet, in this process."""
    problem: str = ""
    """Why it does not learn now."""


def wish_of(spec: RoutingPolicySpec, backends: Backends) -> Wish | None:
    """None for a policy without a predictor."""
    predictor = spec.predictor
    found = {name: backends.get(name) for name in candidates_of(spec)}
    models = {
        name: (str(one.spec.family), one.spec.model)
        for name, one in found.items()
        if isinstance(one, ModelBackend)
    }
    if predictor is None or not models:
        return None
    return Wish(
        models=models,
        min_samples=predictor.min_samples,
        half_life_s=parse_duration(predictor.half_life),
    )


def wishes(
    policies: Iterable[ObservedPolicy],
    accepted: Mapping[str, Revision],
    backends: Backends,
) -> dict[str, Wish]:
    """By policy, of the spec that is in force or about to be: a typo in one unlearns nothing."""
    found = {}
    for policy in policies:
        spec = policy.parsed.spec if isinstance(policy.parsed, RoutingPolicy) else None
        if spec is None or unresolved(spec, backends):
            last = accepted.get(policy.name)
            spec = (spec_of_revision(policy.name, last.spec) if last else None) or spec
        wish = wish_of(spec, backends) if spec else None
        if wish is not None:
            found[policy.name] = wish
    return found


def moment_s(now_s: float, half_life_s: float) -> float:
    """The last step of time that is over."""
    step_s = half_life_s / STEPS
    return now_s // step_s * step_s


def job_of(wish: Wish, labels: Sequence[Label], now_s: float) -> Job:
    """Labels of candidates, of a task in which the candidate has as many as the policy asks for."""
    known = [one for one in labels if one.backend in wish.models]
    count = Counter((one.backend, one.task) for one in known)
    enough = [one for one in known if count[one.backend, one.task] >= wish.min_samples]
    return Job(
        wish=wish,
        labels=sorted(enough, key=lambda one: (one.at_ms, one.decision)),
        now_s=moment_s(now_s, wish.half_life_s),
    )


def is_due(before: Job | None, job: Job) -> bool:
    """Whether another fit is worth it."""
    if before is None or before.wish != job.wish:
        return True
    if before.now_s != job.now_s and job.labels:
        return True
    old, new = (Counter(map(_said, one.labels)) for one in (before, job))
    changed = (old - new).total() + (new - old).total()
    return changed > CHANGED * len(before.labels)


def _said(label: Label) -> tuple[str, str, float]:
    return label.decision, label.backend, label.quality


def samples_of(job: Job) -> dict[str, int]:
    """Labels that count, by candidate."""
    count = Counter(one.backend for one in job.labels)
    return {name: count[name] for name in job.wish.models}


def traits_of(job: Job) -> dict[str, Trait]:
    """Of candidates with enough answers, to two digits: a table is not written for a token."""
    found = {}
    for name in job.wish.models:
        whole = [one for one in job.labels if one.backend == name and one.source != "Failure"]
        if len(whole) >= TRAIT_SAMPLES:
            found[name] = Trait(
                output_tokens=_rounded(median(one.output_tokens for one in whole)),
                duration_ms=_rounded(median(one.duration_us for one in whole) / 1000),
            )
    return found


def _rounded(value: float) -> int:
    return int(float(f"{value:.1e}"))
