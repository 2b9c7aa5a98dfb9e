"""Overrides of a pod template merge as kubectl's do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.operator.plan.strategic_merge import MergeRefused, merge_template

BASE: dict[str, Any] = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {
        "nodeSelector": {"gpu": "yes", "zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "shm", "emptyDir": {}}],
        "containers": [
            {
                "name": "model",
                "image": "server:1",
                "args": ["--port", "8000"],
                "env": [{"name": "HOME", "value": "/x"}, {"name": "USER", "value": "model"}],
                "ports": [{"name": "http", "containerPort": 8000}],
                "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
                "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
CASES: dict[str, dict[str, Any]] = {
    "label": {"metadata": {"labels": {"team": "b"}, "annotations": {"x": "y"}}},
    "pull-secret": {"spec": {"imagePullSecrets": [{"name": "registry"}]}},
    "runtime-class": {"spec": {"runtimeClassName": "nvidia", "priorityClassName": "high"}},
    "tolerations-are-replaced": {"spec": {"tolerations": [{"operator": "Exists"}]}},
    "node-selector-merges": {"spec": {"nodeSelector": {"zone": None, "disk": "fast"}}},
    "spread": {
        "spec": {
            "topologySpreadConstraints": [
                {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            ]
        }
    },
    "env": {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "env": [{"name": "USER", "value": "me"}, {"name": "TOKEN", "value": "t"}],
                }
            ]
        }
    },
    "env-from-a-secret": {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "env": [
                        {
                            "name": "HF_TOKEN",
                            "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}},
                        }
                    ],
                }
            ]
        }
    },
    "sidecar-and-init": {
        "spec": {
            "containers": [{"name": "side", "image": "side:1"}],
            "initContainers": [{"name": "fetch", "image": "fetch:1", "args": ["a"]}],
        }
    },
    "item-deleted": {
        "spec": {
            "volumes": [{"name": "shm", "$patch": "delete"}],
            "containers": [{"name": "model", "env": [{"name": "HOME", "$patch": "delete"}]}],
        }
    },
    "list-replaced": {"spec": {"volumes": [{"$patch": "replace"}, {"name": "only"}]}},
    "map-replaced": {"spec": {"nodeSelector": {"$patch": "replace", "only": "this"}}},
    "volume-of-another-source": {
        "spec": {
            "volumes": [
                {
                    "name": "cache",
                    "$retainKeys": ["name", "persistentVolumeClaim"],
                    "persistentVolumeClaim": {"claimName": "weights"},
                }
            ]
        }
    },
    "args-are-replaced": {"spec": {"containers": [{"name": "model", "args": ["--other"]}]}},
    "nested": {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "resources": {"limits": {"cpu": None, "memory": "1Gi"}},
                    "ports": [{"containerPort": 9000, "name": "metrics"}],
                    "volumeMounts": [{"mountPath": "/more", "name": "shm"}],
                }
            ]
        }
    },
    "null-where-nothing-is": {"spec": {"affinity": {"nodeAffinity": None}, "dnsPolicy": None}},
}


def by_kubectl(patch: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the real kubectl makes of a Deployment's pod template; no cluster is asked."""
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"template": BASE},
    }
    file = folder / "deployment.json"
    file.write_text(json.dumps(deployment))
    change = json.dumps({"spec": {"template": patch}})
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "kubectl"),
            "patch", "--local", "--type=strategic", "-f", str(file), "-p", change, "-o", "json",
        ],
        capture_output=True, text=True, check=True, timeout=60,
        env={"HOME": str(folder), "KUBECONFIG": str(folder / "none")},
    )  # fmt: skip
    template: dict[str, Any] = json.loads(done.stdout)["spec"]["template"]
    return template


def without_empty(value: Any) -> Any:
    """kubectl prints through Go's types: empty maps and zero values come and go."""
    if isinstance(value, dict):
        found = {k: without_empty(v) for k, v in value.items() if k != "creationTimestamp"}
        return {k: v for k, v in found.items() if v not in ({}, None) or k == "emptyDir"}
    if isinstance(value, list):
        ordered = [without_empty(item) for item in value]
        keyed = all(isinstance(item, dict) for item in ordered)
        return (
            sorted(ordered, key=lambda item: json.dumps(item, sort_keys=True)) if keyed else ordered
        )
    return value


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_the_result_is_kubectls(name: str, tmp_path: Path) -> None:
    """The order of lists aside: kubectl puts what is new first, we keep what is ours first."""
    ours = merge_template(BASE, CASES[name])
    assert without_empty(ours) == without_empty(by_kubectl(CASES[name], tmp_path))


@pytest.mark.parametrize("name", sorted(CASES))
def test_neither_side_is_changed_and_once_is_enough(name: str) -> None:
    """A reconcile merges again and again."""
    before = json.dumps([BASE, CASES[name]])
    once = merge_template(BASE, CASES[name])
    assert merge_template(once, CASES[name]) == once
    assert json.dumps([BASE, CASES[name]]) == before


def test_what_is_ours_stays_first() -> None:
    """Variables may refer to those before them."""
    merged = merge_template(BASE, CASES["env"])
    names = [item["name"] for item in merged["spec"]["containers"][0]["env"]]
    assert names == ["HOME", "USER", "TOKEN"]


@pytest.mark.parametrize(
    ("patch", "path", "word"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0]", "name"),
        ({"spec": {"containers": ["x"]}}, "spec.containers[0]", "object"),
        ({"spec": {"volumes": [{"name": "cache", "$patch": "paint"}]}}, "spec.volumes[0]", "paint"),
        ({"spec": {"$setElementOrder/volumes": []}}, "spec", "$setElementOrder/volumes"),
        ({"spec": {"$retainKeys": ["volumes"], "dnsPolicy": "x"}}, "spec", "$retainKeys"),
        ({"spec": {"$retainKeys": "volumes"}}, "spec", "$retainKeys"),
        ({"spec": {"imagePullSecrets": "x"}}, "spec.imagePullSecrets", "list"),
        ({"spec": {"tolerations": {"x": 1}}}, "spec.tolerations", "list"),
        ({"spec": []}, "spec", "object"),
    ],
)
def test_what_cannot_be_merged_is_named(patch: dict[str, Any], path: str, word: str) -> None:
    """With the place, for the condition's message."""
    with pytest.raises(MergeRefused) as refused:
        merge_template(BASE, patch)
    assert refused.value.path == path
    assert word in refused.value.message
