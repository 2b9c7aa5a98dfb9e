"""Which backend a suite's judge is."""

from collections.abc import Mapping

from pointsman.api.v1alpha1 import ModelBackend
from pointsman.api.validation import Invalid


def judge_of(model: str, backends: Mapping[str, ModelBackend | Invalid]) -> ModelBackend | None:
    """By its own name, else the first by name that serves this model; None if there is none."""
    named = backends.get(model)
    if isinstance(named, ModelBackend):
        return named
    serving = (one for _, one in sorted(backends.items()) if isinstance(one, ModelBackend))
    return next((one for one in serving if one.spec.model == model), None)


def asked_of(
    backends: Mapping[str, ModelBackend | Invalid], judges: Mapping[str, str]
) -> frozenset[str]:
    """Names of the backends that evaluations ask; `judges`: by suite, the model of its judge."""
    found: set[str] = set()
    for name, backend in backends.items():
        if isinstance(backend, Invalid) or backend.spec.evaluation is None:
            continue
        found.add(name)
        model = judges.get(backend.spec.evaluation.suite_ref.name)
        judge = judge_of(model, backends) if model else None
        if judge is not None:
            found.add(judge.metadata.name)
    return frozenset(found)
