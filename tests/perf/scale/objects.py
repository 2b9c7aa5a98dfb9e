"""The fleet that is measured: so many backends and policies, and what they refer to.

| every tenth backend | what it is                                                    |
|---------------------|---------------------------------------------------------------|
| 0                   | `deployment`, scaled by the operator, at zero replicas        |
| 1 to 5              | `service`: one of four, each with one simulator              |
| 6 to 9              | `external`: nobody asks it                                    |

A policy has two rules and a default over five backends, so each backend is in one or two policies.
"""

import json
from collections.abc import Sequence
from typing import Any

from pointsman.api import names
from tests.bench.pods import CONFINED_CONTAINER, CONFINED_POD
from tests.operator.objects import route, rule

SERVICES = 4
SIMULATORS = 1
"""Of each Service."""
PORT = 8000
PER_POLICY = 5
Json = dict[str, Any]


def backend_name(number: int) -> str:
    """`b0042`."""
    return f"b{number:04}"


def policy_name(number: int) -> str:
    """`p0042`; callers say the same."""
    return f"p{number:04}"


def policies_for(backends: int) -> int:
    """Three for ten backends: 300 for 1,000."""
    return max(1, 3 * backends // 10)


def _object(kind: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip


def backend(number: int, *, deployed: bool = False) -> Json:
    """One backend; `deployed`: whatever its number, it is a `deployment`."""
    spec: Json = {
        "model": f"model-{number}",
        "contextWindow": 32768,
        "cost": {"inputPerMillion": "0.5", "outputPerMillion": "1.5", "currency": "USD"},
    }
    if deployed or number % 10 == 0:
        spec["deployment"] = {"engine": "Simulator"}
        spec["scaling"] = {"minReplicas": 0, "maxReplicas": 2, "targetRequests": 4}
        spec["activation"] = {"mode": "Hold", "timeout": "30s"}
    elif number % 10 < 6:
        spec["service"] = {"name": f"sim-{number % SERVICES}", "port": PORT}
    else:
        spec["external"] = {"url": f"https://model-{number}.example.com/v1"}
    return _object("ModelBackend", backend_name(number), spec)


def policy(number: int, backends: int) -> Json:
    """One policy over five of so many backends."""
    first = number * backends // policies_for(backends)
    own = [backend_name((first + step) % backends) for step in range(PER_POLICY)]
    rules = [
        rule("code", {"task": ["Coding"]}, own[0], own[1], chain=(own[2],)),
        rule("long", {"headers": [{"name": "x-tier", "value": "gold"}]}, own[3]),
    ]
    spec = {
        "modelNames": [policy_name(number)],
        "rules": rules,
        "default": route(own[4], chain=(own[1],)),
    }
    return _object("RoutingPolicy", policy_name(number), spec)


def listed(items: Sequence[Json]) -> str:
    """For `kubectl apply -f -`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


def simulators() -> list[Json]:
    """Four Services of one model server each."""
    found: list[Json] = []
    for number in range(SERVICES):
        labels = {"app": f"sim-{number}"}
        container = {
            "name": "main", "image": "pointsman/test", "command": ["pointsman-simulator"],
            "args": ["--port", str(PORT), "--model", "any"],
            "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1},
            "securityContext": CONFINED_CONTAINER,
        }  # fmt: skip
        found += [
            {
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": f"sim-{number}"},
                "spec": {
                    "replicas": SIMULATORS,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"securityContext": CONFINED_POD, "containers": [container]},
                    },
                },
            },
            {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": f"sim-{number}"},
                "spec": {"selector": labels, "ports": [{"name": "http", "port": PORT}]},
            },
        ]  # fmt: skip
    return found
