"""`pointsman approve`: rollouts that wait for a person. Models are approved in YAML: it says so.

Exit status: as of `pointsman rollout approve`; without a name 0, also where nothing waits.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.api import names
from pointsman.cli.listing.arguments import cluster_flags
from pointsman.cli.listing.page import Column, Page, Table
from pointsman.cli.listing.showing import show
from pointsman.cli.rollout.commands import rollout
from pointsman.cli.rollout.kubectl import Failed, Kubectl

Json = Mapping[str, Any]
_POLICIES: Final = f"{names.PLURALS[names.ROUTING_POLICY]}.{names.GROUP}"
_BACKENDS: Final = f"{names.PLURALS[names.MODEL_BACKEND]}.{names.GROUP}"


def approve(options: argparse.Namespace) -> int:
    """See above."""
    kubectl = Kubectl(cluster_flags(options))
    try:
        if options.name is None:
            every = ["--all-namespaces"] if options.all_namespaces else []
            options.watch = False
            show(options, lambda: page(kubectl.get(_POLICIES, *every)["items"]))
            return 0
        if options.all_namespaces:
            print("pointsman approve: -A and a name mean nothing together", file=sys.stderr)
            return 2
        if _is_model(kubectl, options.name):
            print(f"pointsman approve: {_in_yaml(options.name)}", file=sys.stderr)
            return 1
    except Failed as error:
        print(f"pointsman approve: {error}", file=sys.stderr)
        return 1
    options.action = "approve"
    options.output = "json" if options.output == "json" else "text"
    return rollout(options)


def _is_model(kubectl: Kubectl, name: str) -> bool:
    """A model of that name, and no policy of it."""
    if kubectl.run("get", _POLICIES, name, "--ignore-not-found", "-o", "name").strip():
        return False
    found = kubectl.run("get", _BACKENDS, name, "--ignore-not-found", "-o", "name")
    return bool(found.strip())


def _in_yaml(name: str) -> str:
    return (
        f"{name} is a ModelBackend, and those are approved in YAML: `pointsman vet {name}` prints "
        "spec.governance.approval with its evidence (docs/governance.md)"
    )


def page(policies: Sequence[Json]) -> Page:
    """PURE: rollouts that wait for a person."""
    waiting = [one for one in policies if _waits(one)]
    columns = (
        Column("NAMESPACE"), Column("POLICY"), Column("CANDIDATE"), Column("STEP"),
        Column("APPROVED-BY"), Column("MESSAGE", wide=True),
    )  # fmt: skip
    rows = []
    for one in waiting:
        status = one["status"]
        rollout_now = status.get("rollout") or {}
        rows.append(
            (
                str(one["metadata"].get("namespace", "")), one["metadata"]["name"],
                str(status.get("candidateRevision", "")), str(rollout_now.get("step", "")),
                ",".join(rollout_now.get("approvedBy") or ()), str(rollout_now.get("message", "")),
            )
        )  # fmt: skip
    return Page(
        tables=(Table(columns, tuple(rows)),),
        items=tuple(waiting),
        names=tuple(f"routingpolicy.{names.GROUP}/{one['metadata']['name']}" for one in waiting),
        empty="No rollout waits for approval.",
    )


def _waits(policy: Json) -> bool:
    conditions = (policy.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "AwaitingApproval" and one["status"] == "True" for one in conditions)
