"""PURE: golden prompts of local mode, judged as in a cluster, from files."""

import functools

from pointsman.api.manifests import Loaded
from pointsman.api.v1alpha1 import EvaluationSuite
from pointsman.evaluation.suite.content import Suite
from pointsman.operator.plan.evaluating.telling import Hindrance, no_suite, not_ready
from pointsman.operator.plan.suite_status import Verdict, judge, lines_of, source_of


def suites_of(loaded: Loaded) -> dict[str, Suite | Hindrance]:
    """By name: what is run of each suite that a file has, or that a backend names."""
    maps = {
        str(about["name"]): item.value
        for item in loaded.others
        if item.value.get("kind") == "ConfigMap"
        and isinstance(about := item.value.get("metadata"), dict)
        and "name" in about
    }
    named = [one.value.spec.evaluation for one in loaded.backends]
    found: dict[str, Suite | Hindrance] = {
        one.suite_ref.name: no_suite(one.suite_ref.name) for one in named if one
    }
    for item in loaded.suites:
        suite, name = item.value, item.value.metadata.name
        reference = suite.spec.config_map_ref
        lines = lines_of(suite, maps.get(reference.name)) if reference else None
        if reference and lines is None:
            found[name] = not_ready(name, f"there is no {source_of(suite)} among these files")
            continue
        verdict = _judged(
            suite.model_dump_json(by_alias=True, exclude_unset=True), lines or "", bool(reference)
        )
        if isinstance(verdict, Suite):
            found[name] = verdict
        else:
            found[name] = not_ready(name, "; ".join(map(str, verdict)))
    return found


@functools.lru_cache(maxsize=64)
def _judged(suite: str, lines: str, refers: bool) -> Verdict:
    """Files are read again with each change; to judge one suite may take tenths of a second."""
    return judge(EvaluationSuite.model_validate_json(suite), lines if refers else None)
