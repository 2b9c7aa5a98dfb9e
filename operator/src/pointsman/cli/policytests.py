"""`spec.tests` of the policies in files, for `pointsman check`."""

from pointsman.api.conditions import Reason
from pointsman.api.manifests import Finding, Item, Loaded
from pointsman.api.table import TableError
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.api.validation import Problem


def check_tests(loaded: Loaded) -> dict[Finding, str]:
    """A finding for each test that fails, with the explanation of what happened instead."""
    found: dict[Finding, str] = {}
    for item in loaded.policies:
        if item.value.spec.tests:
            found |= _failing(item, _backends(loaded, item.value.metadata.namespace))
    return found


def _backends(loaded: Loaded, namespace: str) -> dict[str, ModelBackend]:
    return {
        item.value.metadata.name: item.value
        for item in loaded.backends
        if item.value.metadata.namespace == namespace
    }


def _failing(item: Item[RoutingPolicy], backends: dict[str, ModelBackend]) -> dict[Finding, str]:
    """Empty where a backend is missing: that is an error of its own."""
    from pointsman.cli.explain import as_text  # noqa: PLC0415 - most policies have no tests
    from pointsman.operator.plan.blobs import compile_blob, unresolved  # noqa: PLC0415
    from pointsman.operator.plan.policytests import problems_of, run_tests  # noqa: PLC0415
    from pointsman.operator.plan.revisions import revision_name  # noqa: PLC0415

    spec, about = item.value.spec, item.value.metadata
    if unresolved(spec, backends):
        return {}
    written = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    try:
        blob = compile_blob(
            namespace=about.namespace,
            policy=about.name,
            revision=revision_name(about.name, written),
            spec=spec,
            backends=backends,
            model_names=tuple(spec.model_names),
        )
        outcomes = run_tests(blob, spec.tests)
    except TableError as error:
        problem = Problem("spec", str(error), Reason.TOO_LARGE)
        return {Finding(item.position("spec"), problem): ""}
    failed = [outcome for outcome in outcomes if outcome.problems]
    return {
        Finding(item.position(problem.path), problem): as_text(outcome.analysis, outcome.decision)
        for problem, outcome in zip(problems_of(outcomes), failed, strict=True)
    }
