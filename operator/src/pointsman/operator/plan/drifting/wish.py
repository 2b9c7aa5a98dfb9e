"""What is asked of the detectors, from a ModelBackend's spec."""

from dataclasses import dataclass

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.v1alpha1.drift import Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`alpha`, `runs` hold for baselines that begin from now on."""

    model: str
    """What the server is asked for: another model is no drift of this one."""
    golden: bool
    """Whether a suite is run against it."""
    alpha: float = 0.01
    runs: int = 5
    fields: tuple[str, ...] = ("model", "fingerprint")
    """Of what it calls itself."""
    traffic: bool = True


def wish_of(backend: ModelBackend) -> Wish | None:
    """None where nobody asks whether it drifts."""
    spec, golden = backend.spec, backend.spec.evaluation is not None
    drift = spec.drift or Drift()
    if drift.mode == "None" or (spec.drift is None and not golden):
        return None
    fields = {"All": ("model", "fingerprint"), "Model": ("model",), "None": ()}[drift.identity]
    return Wish(
        model=spec.model,
        golden=golden,
        alpha=drift.alpha,
        runs=drift.baseline_runs,
        fields=fields,
        traffic=drift.passive == "Observe",
    )
