"""What the charts grant, in all shapes in which they are installed: least, and no way to more."""

from collections.abc import Iterable

import pytest

from tests.bench import Bench
from tests.charts.test_charts import render
from tests.security.granted import EVERYTHING, Grant, Json, grants_in

pytestmark = pytest.mark.bench
VALUES: dict[str, str] = {
    "defaults": "",
    "everything": EVERYTHING,
    "a ledger": "ledger.enabled=true,ledger.tokenSecret=t",
    "a console that reads": EVERYTHING.replace("console.write=true", "console.write=false"),
    "PostgreSQL": f"{EVERYTHING},ledger.postgres.secret=db,ledger.console.sessionSecret=s",
    "KEDA": "operator.keda.enabled=true,operator.replicas=1",
    "admission": "governance.approvers.group=approvers,governance.workloads.enabled=true",
    "monitoring": (
        "monitoring.podMonitors.enabled=true,monitoring.rules.enabled=true,networkPolicy.enabled=false"
    ),
    "several namespaces": f"{EVERYTHING},namespaces={{ai,ai-two}}",
    "a ledger elsewhere": "ledger.url=http://other:9903,ledger.tokenSecret=t",
}
TO_MORE = {"escalate", "bind", "impersonate", "*"}
"""Verbs by which an account gets what it was not given."""
GROUPS_TO_MORE = {
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "certificates.k8s.io",
    "*",
}
RESOURCES_TO_MORE = {
    "serviceaccounts/token", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "nodes/proxy",
    "pods/proxy", "services/proxy", "*",
}  # fmt: skip


@pytest.fixture(params=VALUES)
def grants(request: pytest.FixtureRequest, bench: Bench) -> set[Grant]:
    """Of one set of values."""
    values = VALUES[request.param]
    return grants_in(render(bench, *(("--set", values) if values else ())))


def test_secrets_are_read_by_name_by_routers_in_their_own_namespace(grants: set[Grant]) -> None:
    """No list, no watch, no write, nothing beyond the namespace; nobody else at all."""
    assert {one for one in grants if one.resource.partition("/")[0] in ("secrets", "*")} == {
        Grant("desk-router", "own", "", "secrets", "get")
    }


def test_nothing_but_having_tokens_judged_is_beyond_the_namespace(grants: set[Grant]) -> None:
    """TokenReviews have none."""
    assert {one for one in grants if one.scope != "own"} == {
        Grant("desk-router", "cluster", "authentication.k8s.io", "tokenreviews", "create")
    }


def test_no_account_can_make_itself_more(grants: set[Grant]) -> None:
    """By roles, by tokens, by somebody else's name, or from inside others' pods."""
    assert not [
        one
        for one in grants
        if one.verb in TO_MORE or one.group in GROUPS_TO_MORE or one.resource in RESOURCES_TO_MORE
    ]


def aggregated(items: Iterable[Json]) -> dict[str, set[tuple[str, str]]]:
    """(resource, verb) of each ClusterRole, all in our own group."""
    found: dict[str, set[tuple[str, str]]] = {}
    for item in items:
        if item["kind"] == "ClusterRole":
            for rule in item["rules"]:
                assert rule["apiGroups"] == ["pointsman.dev"]
                found.setdefault(item["metadata"]["name"], set()).update(
                    (resource, verb) for resource in rule["resources"] for verb in rule["verbs"]
                )
    return found


def test_who_edits_our_kinds_cannot_write_their_status(bench: Bench) -> None:
    """What the operator says of an object is not its author's; who views writes nothing."""
    roles = aggregated(render(bench, chart="pointsman-crds"))
    assert set(roles) == {"pointsman-edit", "pointsman-view"}
    assert not [one for one in roles["pointsman-edit"] if one[0].endswith("/status")]
    assert {verb for _, verb in roles["pointsman-view"]} == {"get", "list", "watch"}
