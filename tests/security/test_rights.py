"""The verdict on rights, from lines as the API server's audit log has them."""

import json
from typing import Any

import pytest

from tests.bench.audit import Use, uses_in
from tests.security.granted import Grant, grants_in
from tests.security.rights import RARE, Difference, Rare, differences
from tests.security.threats import exists


def line(verb: str, about: dict[str, str] | None, code: int = 200, **more: Any) -> str:
    """One event; `allowed_by` is a role, None if it was refused."""
    role = more.get("allowed_by", 'Role "pointsman-operator"')
    notes = {"authorization.k8s.io/decision": "allow" if role else "forbid"}
    if role:
        notes["authorization.k8s.io/reason"] = (
            f'RBAC: allowed by RoleBinding "x/ai" of {role} to ServiceAccount "x/ai"'
        )
    event = {
        "verb": verb,
        "user": {"username": more.get("user", "system:serviceaccount:ai:pointsman-operator")},
        "requestURI": more.get("uri", "/apis/x?timeout=1"),
        "responseStatus": {"code": code},
        "annotations": notes,
    }
    return json.dumps(event | ({"objectRef": about} if about else {})) + "\n"


PODS = {"resource": "pods", "namespace": "ai", "apiVersion": "v1"}
STATUS = {
    "resource": "modelbackends", "subresource": "status", "apiGroup": "pointsman.dev",
    "namespace": "ai", "name": "a",
}  # fmt: skip
OPERATOR = "pointsman-operator"
LIST = Grant(OPERATOR, "own", "", "pods", "list")


def test_a_line_becomes_a_use() -> None:
    """With the part of a resource, the group, and the role that allowed it."""
    pods, status = uses_in([line("list", PODS), line("patch", STATUS)])

    assert pods == Use("ai", OPERATOR, "list", "", "pods", "ai", True, OPERATOR)
    assert (status.group, status.resource) == ("pointsman.dev", "modelbackends/status")


def test_an_apply_that_made_something_used_two_verbs() -> None:
    """One that changed something used one."""
    made, changed = (
        [use.verb for use in uses_in([line("patch", PODS, code)])] for code in (201, 200)
    )

    assert made == ["patch", "create"]
    assert changed == ["patch"]


def test_a_line_that_is_still_written_is_left_for_later() -> None:
    """The log is read while the API server appends to it."""
    whole = line("list", PODS)

    assert len([*uses_in([whole, whole[:-20]])]) == 1


def test_nobody_but_service_accounts_counts() -> None:
    """The bench's admin is none."""
    assert [*uses_in([line("list", PODS, user="kubernetes-admin")])] == []


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([line("list", PODS)], []),
        ([], [Difference("unused", LIST)]),
        (
            [line("list", PODS), line("watch", PODS, 403, allowed_by=None)],
            [Difference("refused", LIST._replace(verb="watch"))],
        ),
        (
            [line("list", PODS), line("get", PODS, allowed_by='ClusterRole "view"')],
            [Difference("beyond", LIST._replace(verb="get"))],
        ),
        (
            [line("list", PODS), line("list", PODS | {"namespace": "b"}, 403, allowed_by=None)],
            [Difference("refused", LIST._replace(scope="other"))],
        ),
        (
            [line("list", PODS), line("list", {"resource": "pods"}, 403, allowed_by=None)],
            [Difference("refused", LIST._replace(scope="cluster"))],
        ),
        # A namespace that is deleted has lost its Role: that says nothing of the chart.
        ([line("list", PODS), line("list", PODS, 403, allowed_by=None)], []),
        # A right that was only ever refused was not used.
        ([line("list", PODS, 403, allowed_by=None)], [Difference("unused", LIST)]),
        (
            [line("list", PODS), line("get", None, allowed_by='ClusterRole "system:discovery"')],
            [],
        ),
        (
            [
                line("list", PODS),
                line("get", None, 403, allowed_by=None),
                line("get", None, allowed_by='ClusterRole "system:discovery"'),
            ],
            [],
        ),
        (
            [line("list", PODS), line("get", PODS, user="system:serviceaccount:ai:default")],
            [],
        ),
    ],
)
def test_what_is_used_and_what_is_granted_are_held_against_each_other(
    said: list[str], found: list[Difference]
) -> None:
    """One right is granted: to list pods in its own namespace."""
    assert differences(uses_in(said), {LIST}) == found


@pytest.mark.parametrize(
    ("name", "found"), [("desk-operator", False), ("desk-other", True), ("", True)]
)
def test_a_right_by_name_is_none_to_another_name(name: str, found: bool) -> None:
    """The chart's names are those of its own release; what was refused is kept with its name."""
    lease = {"resource": "leases", "namespace": "ai", "apiGroup": "coordination.k8s.io"}
    user = "system:serviceaccount:ai:desk-operator"
    asked = line("get", lease | {"name": name}, 403, allowed_by=None, user=user)
    group = "coordination.k8s.io"
    named = Grant(OPERATOR, "own", group, "leases", "get", ("pointsman-operator",))
    wrong = [one.what for one in differences(uses_in([asked]), {named}, {named: Rare("", "")})]

    assert wrong == (["refused"] if found else [])


def test_a_right_by_name_is_used_by_any_use_of_it() -> None:
    """That was allowed: the API server has looked at the name."""
    named = LIST._replace(names=("x",))

    assert differences(uses_in([line("list", PODS)]), {named}) == []
    assert differences([], {named}, {named: Rare("", "")}) == []


def test_bindings_say_whose_a_right_is_and_where() -> None:
    """Also one for another namespace, and one for the whole cluster."""
    rules = [{"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["list"]}]
    subject = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": "ai"}

    def bound(kind: str, namespace: str = "") -> set[str]:
        about = {"name": "x"} | ({"namespace": namespace} if namespace else {})
        role = kind.removesuffix("Binding")
        items = [
            {"kind": role, "metadata": about, "rules": rules},
            {
                "kind": kind,
                "metadata": about,
                "roleRef": {"kind": role, "name": "x"},
                "subjects": [subject],
            },
        ]
        found = grants_in(items)
        assert {grant.group for grant in found} == {"", "apps"}
        return {grant.scope for grant in found}

    assert bound("RoleBinding", "ai") == {"own"}
    assert bound("RoleBinding", "other") == {"other"}
    assert bound("ClusterRoleBinding") == {"cluster"}
    with pytest.raises(ValueError, match="binds a role"):
        grants_in(
            [
                {
                    "kind": "RoleBinding",
                    "metadata": {"name": "x", "namespace": "ai"},
                    "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
                    "subjects": [subject],
                }
            ]
        )


def test_each_rare_right_has_a_reason_and_a_test() -> None:
    """That exists."""
    assert [one for one in RARE.values() if not one.why or not exists(one.test)] == []
