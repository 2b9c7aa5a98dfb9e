"""Golden prompts from files: what can be asked, and why something cannot."""

from pathlib import Path

from pointsman.api.conditions import Reason
from pointsman.api.manifests import load
from pointsman.evaluation.suite.content import Suite
from pointsman.local.suites import suites_of
from pointsman.operator.plan.evaluating.telling import Hindrance

SUITE = """\
apiVersion: pointsman.dev/v1alpha1
kind: EvaluationSuite
metadata: {name: desk}
spec: {configMapRef: {name: prompts}}
---
"""
BACKEND = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: coder}
spec:
  model: coder
  deployment: {engine: Simulator}
  evaluation: {suiteRef: {name: missing}}
---
"""
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: prompts}
data:
  prompts.jsonl: |
    {"name": "one", "prompt": "Say yes.", "checks": [CHECK]}
"""


def _suites(tmp_path: Path, text: str) -> dict[str, Suite | Hindrance]:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    return suites_of(load([file]))


def test_prompts_of_a_config_map_are_read_anew_when_they_change(tmp_path: Path) -> None:
    first = _suites(tmp_path, SUITE + MAP.replace("CHECK", '{"contains": "yes"}'))["desk"]
    other = _suites(tmp_path, SUITE + MAP.replace("CHECK", '{"contains": "no"}'))["desk"]
    assert isinstance(first, Suite)
    assert isinstance(other, Suite)
    assert len(first.prompts) == 1
    assert first.content != other.content


def test_each_prompt_of_the_examples_is_what_its_file_says() -> None:
    """A default that nobody wrote is not written for them: it may be refused beside a check."""
    folder = Path(__file__).parent.parent.parent / "crds" / "examples"
    for name in ("17-golden-prompts", "19-evaluated-backend", "drift-story"):
        found = suites_of(load([folder / name]))
        assert found
        assert all(isinstance(one, Suite) for one in found.values()), (name, found)


def test_what_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    alone = _suites(tmp_path, SUITE)["desk"]
    assert isinstance(alone, Hindrance)
    assert "there is no ConfigMap prompts" in alone.message
    broken = _suites(tmp_path, SUITE + MAP.replace("CHECK", '{"regex": "("}'))["desk"]
    assert isinstance(broken, Hindrance)
    assert broken.reason is Reason.SUITE_NOT_READY
    named = _suites(tmp_path, BACKEND)["missing"]
    assert isinstance(named, Hindrance)
    assert named.reason is Reason.SUITE_NOT_FOUND
