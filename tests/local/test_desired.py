"""What local mode makes of files, without running it."""

from pathlib import Path

import pytest

from pointsman.api.manifests import load_text
from pointsman.local.desired import desire
from pointsman.local.saying import ready_line
from pointsman.local.session import Session

BACKEND = """
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: a}
spec: {model: m, deployment: {engine: Simulator}}
"""


def policy(name: str, *model_names: str) -> str:
    return f"""
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {{name: {name}}}
spec:
  modelNames: [{", ".join(model_names)}]
  default: {{targets: [{{backendRef: {{name: a}}}}]}}
"""


def test_a_local_vllm_has_its_users_home() -> None:
    """The image needs another one; here it would be a folder that nobody may write."""
    text = BACKEND.replace("engine: Simulator", "engine: VLLM, env: [{name: A, value: b}]")
    desired = desire(load_text(text), accepted={}, previous=None, time_scale=1)

    assert desired.processes["a/0"].env == (("A", "b"),)


@pytest.mark.parametrize(("least", "running"), [(2, {"a/0", "a/1"}), (0, {"a/0"})])
def test_nothing_scales_here_so_the_fewest_run(least: int, running: set[str]) -> None:
    """The same file serves on a laptop; nobody would start the first one from zero."""
    scaling = f"{{minReplicas: {least}, maxReplicas: 9, targetRequests: 8}}, activation: {{}}"
    text = BACKEND.replace("model: m,", f"model: m, scaling: {scaling},")
    desired = desire(load_text(text), accepted={}, previous=None, time_scale=1)

    assert desired.processes.keys() == running


def test_ready_names_whom_nobody_can_ask() -> None:
    """A Service and a Secret of the cluster are not here; where they are, all of it is ready."""
    examples = Path(__file__).parent.parent.parent / "crds" / "examples"
    service = (examples / "04-existing-service" / "backend.yaml").read_text()
    external = (examples / "05-external-provider" / "backend.yaml").read_text()

    def line(text: str) -> str:
        return ready_line(desire(load_text(text), accepted={}, previous=None, time_scale=1))

    all_three = "\n---\n".join((BACKEND, external, service))
    assert line(all_three) == "ready, but for deepseek-api, in-house"
    found = 'name: in-house\n  annotations: {pointsman.dev/local-address: "127.0.0.1:1"}'
    assert line(service.replace("name: in-house", found)) == "ready"
    assert line(BACKEND) == "ready"


def test_one_name_in_two_namespaces_is_refused() -> None:
    """Local mode has one namespace: one of the two would silently win."""
    text = BACKEND + "\n---" + BACKEND.replace("name: a", "name: a, namespace: prod")

    with pytest.raises(ValueError, match="ModelBackend a is in the namespaces default and prod"):
        desire(load_text(text), accepted={}, previous=None, time_scale=1)


async def test_a_removed_policy_vouches_for_no_later_one(tmp_path: Path) -> None:
    """Its revision is not what a refused policy of the same name falls back to."""
    file = tmp_path / "all.yaml"
    session = Session([file], say=lambda _line: None)
    try:
        for names in ({"one": "x", "two": "z"}, {"one": "x"}):
            file.write_text(BACKEND + "".join(policy(*pair) for pair in names.items()))
            assert session._read() == []
            assert session._rollouts.accepted.keys() == names.keys()
    finally:
        session._directory.cleanup()


def test_a_policy_whose_tests_fail_is_not_served_here_either() -> None:
    """Without anything accepted before there is nothing."""
    failing = "\n  tests: [{name: t, prompt: hi, expect: {rule: other}}]\n"
    bad = load_text(BACKEND + policy("p", "m") + failing)
    verdict = desire(bad, accepted={}, previous=None, time_scale=1).table.verdicts["p"]

    assert not verdict.accepted.status
    assert verdict.entry is None
    assert "spec.tests[0]: test t: rule is default, not other" in verdict.accepted.message
    assert (
        desire(bad, accepted={}, previous=None, time_scale=1, run_tests=False)
        .table.verdicts["p"]
        .accepted.status
    )
