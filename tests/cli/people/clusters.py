"""A kubectl that answers from files, and objects as an operator leaves them."""

import json
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KUBECTL = r"""#!/bin/sh
cd "$(dirname "$0")"
for word; do printf '%s\1' "$word"; done >> calls
printf '\n' >> calls
case "$*" in *'get pods'*) if [ -e forbidden ]; then cat forbidden >&2; exit 1; fi ;; esac
case "$*" in
*whoami*) printf ada ;;
*--raw*pods/silent*) echo "Error: forbidden" >&2; exit 1 ;;
*--raw*router*) cat router.txt ;;
*--raw*ledger*) cat ledger.txt ;;
*component=router*) cat routers.json ;;
*component=ledger*) cat ledgers.json ;;
*'get namespaces'*) printf 'namespace/team-a\nnamespace/team-b\n' ;;
*get-contexts*) printf 'one\ntwo\n' ;;
*get*routingpolicies*-o*name*) cat policy-names ;;
*get*modelbackends*-o*name*) cat backend-names ;;
*get*) cat items.json ;;
esac
"""
Json = dict[str, Any]


def item(kind: str, name: str, status: Mapping[str, Any] | None = None, **spec: Any) -> Json:
    """An object of ours."""
    about = {"name": name, "namespace": "team-a", "creationTimestamp": "2026-11-26T08:00:00Z"}
    return {
        "apiVersion": "pointsman.dev/v1alpha1", "kind": kind, "metadata": about, "spec": spec,
        "status": dict(status or {}),
    }  # fmt: skip


def condition(kind: str, status: str, reason: str = "AsItShould", message: str = "") -> Json:
    """As in metav1.Condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def policy(name: str, *conditions: Json, **status: Any) -> Json:
    """Ready unless it says otherwise."""
    all_of = [*conditions] or [condition("Ready", "True")]
    routers = {"summary": "3/3"}
    whole = {"activeRevision": f"{name}-1", "routers": routers, "conditions": all_of, **status}
    return item("RoutingPolicy", name, whole, modelNames=["auto"])


def backend(name: str, *conditions: Json, **status: Any) -> Json:
    """Deployed, two of two ready."""
    all_of = [*conditions] or [condition("Ready", "True", "Serving")]
    whole = {"replicas": 2, "readyReplicas": 2, "queueDepth": 5, "conditions": all_of, **status}
    return item("ModelBackend", name, whole, model="m", deployment={"engine": "Simulator"})


class Cluster:
    """What kubectl answers, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.has()
        for name in ("policy-names", "backend-names", "router.txt", "ledger.txt"):
            (folder / name).write_text("")
        self.pods("routers")
        self.pods("ledgers")

    def has(self, *items: Json) -> None:
        """These objects."""
        self.file("items.json", json.dumps({"items": items}))

    def file(self, name: str, text: str) -> None:
        """What kubectl prints for a question."""
        (self._folder / name).write_text(text)

    def pods(self, component: str, *names: str) -> None:
        """Running ones."""
        pods = [
            {"metadata": {"name": name, "namespace": "team-a"}, "status": {"phase": "Running"}}
            for name in names
        ]
        self.file(f"{component}.json", json.dumps({"items": pods}))

    def forbids_pods(self, reason: str) -> None:
        """To list them, with this line."""
        self.file("forbidden", reason)

    @property
    def calls(self) -> Sequence[str]:
        """The words of each call, by spaces."""
        text = (self._folder / "calls").read_text()
        return [line.replace("\1", " ").strip() for line in text.splitlines()]
