"""Suites of golden prompts among files: their ConfigMaps, and what is wrong with their checks."""

from collections.abc import Iterator

from pointsman.api.manifests import Finding, Loaded
from pointsman.api.v1alpha1 import EvaluationSuite
from pointsman.evaluation.suite.content import Suite, compile_suite


def source_of(suite: EvaluationSuite) -> str:
    """What the key of its ConfigMap is called; empty without one."""
    reference = suite.spec.config_map_ref
    return f"ConfigMap {reference.name}, key {reference.key}" if reference else ""


def lines_of(suite: EvaluationSuite, loaded: Loaded) -> str | None:
    """The text of that key, if the ConfigMap is among the files."""
    reference = suite.spec.config_map_ref
    if reference is None:
        return None
    wanted = (reference.name, suite.metadata.namespace)
    for one in loaded.others:
        about, data = one.value.get("metadata"), one.value.get("data")
        if (
            one.value.get("kind") == "ConfigMap"
            and isinstance(about, dict)
            and (about.get("name"), about.get("namespace", "default")) == wanted
            and isinstance(data, dict)
            and isinstance(data.get(reference.key), str)
        ):
            return str(data[reference.key])
    return None


def check_suites(loaded: Loaded) -> Iterator[Finding]:
    """What the operator would not accept; a ConfigMap may be in the cluster only."""
    for item in loaded.suites:
        found = compile_suite(item.value.spec, lines_of(item.value, loaded), source_of(item.value))
        for problem in () if isinstance(found, Suite) else found:
            where = problem.path if problem.path.startswith("spec") else "spec.configMapRef"
            yield Finding(item.position(where), problem)
