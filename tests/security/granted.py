"""What the chart grants, read from what helm renders: every rule, resource by resource."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

CHART: Final = Path(__file__).parents[2] / "charts" / "pointsman"
RELEASE: Final = "pointsman"
NAMESPACE: Final = "ai"
EVERYTHING: Final = (
    "ledger.enabled=true,ledger.tokenSecret=t,ledger.console.enabled=true,ledger.console.write=true,"
    "ledger.console.trustedProxies={10.0.7.0/24},ledger.console.roles={viewer=*},"
    "networkPolicy.ledgerFrom[0].podSelector.matchLabels.app=proxy"
)
"""Values with which every account of the chart has all the rights that it can get."""

Json = Mapping[str, Any]
Scope = Literal["own", "other", "cluster"]
"""The namespace of the account, another one, or what has none or all of them."""


class Grant(NamedTuple):
    """One verb on one resource, for one account; `*` stands for itself."""

    account: str
    scope: Scope
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()
    """Only objects of these names; empty: all."""


def rendered(helm: Path, values: str = EVERYTHING) -> list[Json]:
    """The chart's objects; raises CalledProcessError."""
    said = subprocess.run(
        [helm, "helm", "template", RELEASE, CHART, "--namespace", NAMESPACE, "--set", values],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [item for item in yaml.safe_load_all(said.stdout) if item]


def grants_in(items: Iterable[Json]) -> set[Grant]:
    """Of all accounts that some binding names; accounts that no binding names have none."""
    listed = list(items)
    rules = {
        (item["kind"], item["metadata"]["name"]): item.get("rules") or ()
        for item in listed
        if item["kind"] in ("Role", "ClusterRole")
    }
    found: set[Grant] = set()
    for item in listed:
        if item["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        given = rules.get((item["roleRef"]["kind"], item["roleRef"]["name"]))
        if given is None:
            raise ValueError(f"{item['metadata']['name']} binds a role that is not of the chart")
        for subject in item["subjects"]:
            scope = _scope(item, subject)
            found.update(grant for rule in given for grant in _of(subject["name"], scope, rule))
    return found


def _scope(binding: Json, subject: Json) -> Scope:
    if binding["kind"] == "ClusterRoleBinding":
        return "cluster"
    return "own" if binding["metadata"]["namespace"] == subject["namespace"] else "other"


def _of(account: str, scope: Scope, rule: Json) -> Iterator[Grant]:
    names = tuple(sorted(rule.get("resourceNames") or ()))
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in rule["verbs"]:
                yield Grant(account, scope, group, resource, verb, names)
    for path in rule.get("nonResourceURLs") or ():
        for verb in rule["verbs"]:
            yield Grant(account, scope, "", path, verb)
