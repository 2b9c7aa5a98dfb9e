"""Pointsman without Helm: `kubectl apply -k`, a sync without a difference, and the end.

The namespace is then deleted with everything in it, while the operator runs.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.bench import Bench, CommandFailed
from tests.charts.cluster import CHART, ROOT, differences, restricted, settles
from tests.charts.golden import KUSTOMIZE

pytestmark = pytest.mark.bench
NAMESPACE = "models"
EXAMPLE = ROOT / "crds" / "examples" / "01-one-model"
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: models
resources: [../base]
transformers: [../overlays/models/cluster-names.yaml]
replicas: [{name: pointsman-router, count: 1}, {name: pointsman-operator, count: 1}]
patches:
  - target: {kind: Deployment, name: pointsman-router}
    patch: '[{"op": "replace", "path": "/spec/minReadySeconds", "value": 1}]'
"""


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A user's overlay beside a copy of the base, as text."""
    folder = tmp_path_factory.mktemp("kustomize")
    shutil.copytree(KUSTOMIZE, folder / "k")
    mine = folder / "k" / "mine"
    mine.mkdir()
    names = folder / "k" / "overlays" / "models" / "cluster-names.yaml"
    shutil.copy(names, mine / "cluster-names.yaml")
    text = OVERLAY.replace("../overlays/models/cluster-names.yaml", "cluster-names.yaml")
    (mine / "kustomization.yaml").write_text(text)
    done = subprocess.run(
        ["kubectl", "kustomize", str(mine)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.fixture(scope="module")
def applied(bench: Bench, overlay: str) -> Iterator[Bench]:
    """Both bases by kubectl, one model, Ready."""
    bench.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(KUSTOMIZE / "crds"))
    bench.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
    restricted(bench, NAMESPACE)
    bench.kubectl("apply", "--server-side", "-f", "-", input=overlay)
    where = ("-n", NAMESPACE)
    bench.kubectl(*where, "apply", "--server-side", "-f", str(EXAMPLE))
    bench.kubectl(
        *where, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s"
    )
    bench.kubectl(*where, "wait", "--for=condition=Ready", "mb,rp", "--all", "--timeout=120s")
    yield bench
    bench.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
    bench.kubectl("delete", "-f", "-", "--ignore-not-found", input=overlay, check=False)
    # Of the kinds' base only these are deleted: whoever installs the kinds by Helm owns them.
    bench.kubectl("delete", "clusterrole", "pointsman-edit", "pointsman-view")


def test_a_second_apply_finds_nothing_to_do(applied: Bench, overlay: str) -> None:
    """After the operator has worked."""
    assert differences(applied, overlay, NAMESPACE, "kubectl") == []


def test_helm_does_not_take_it_over(applied: Bench) -> None:
    """It names an object and says that it is not the release's."""
    with pytest.raises(CommandFailed, match="cannot be imported into the current release"):
        applied.helm("install", "pointsman", CHART, "--namespace", NAMESPACE)


def test_a_namespace_ends_with_everything_in_it(applied: Bench) -> None:
    """No finalizer holds it; an operator whose world goes does not cry, crash or write again."""
    bench = applied
    (pod,) = bench.list("pods", NAMESPACE, "app.kubernetes.io/component=operator")
    name = pod["metadata"]["name"]
    before = sum(line.startswith("{") for line in bench.log(NAMESPACE, name).splitlines())
    # One object that does not go at once keeps the namespace in Terminating for a while.
    note = {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "slow", "finalizers": ["example.com/slow"]},
    }  # fmt: skip
    bench.kubectl("-n", NAMESPACE, "create", "-f", "-", input=json.dumps(note))
    bench.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    pods = lambda: len(bench.list("pods", NAMESPACE))  # noqa: E731 - one word for it
    settles(pods, 0, 120)
    left = {"slow", "kube-root-ca.crt"}
    settles(
        lambda: {i["metadata"]["name"] for i in bench.list("configmaps", NAMESPACE)} - left, set()
    )
    patch = json.dumps({"metadata": {"finalizers": None}})
    bench.kubectl("-n", NAMESPACE, "patch", "configmap", "slow", "--type=merge", "-p", patch)
    settles(lambda: bench.get("namespace", NAMESPACE), None, 90)

    said = bench.log(NAMESPACE, name).splitlines()
    lines = [json.loads(line) for line in said if line.startswith("{")]
    loud = [one for one in lines[before:] if one["level"] != "INFO"]
    assert not [one for one in loud if "trace" in one or one["level"] == "CRITICAL"]
    assert len(loud) < 60, loud[:20]
    assert sum(one["event"] == "started" for one in lines) == 1, "it began anew"
