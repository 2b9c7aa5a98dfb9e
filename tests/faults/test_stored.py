"""What has to be the same is compared, and what has to come to rest is waited for."""

from typing import Any

import pytest

from tests.faults.stored import differences, is_at_rest, mark_of

Json = dict[str, Any]


def found(**changed: Json) -> Json:
    """A backend that is Ready, with its Deployment; by kind, what of them is another."""
    backend: Json = {
        "apiVersion": "pointsman.dev/v1alpha1",
        "metadata": {"generation": 2},
        "status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    deployment: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"ownerReferences": [{"kind": "ModelBackend", "name": "one"}]},
        "spec": {"replicas": 2},
        "status": dict.fromkeys(
            ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 2
        ),
    }
    return {
        "ModelBackend/one": {"kind": "ModelBackend", **backend, **changed.get("backend", {})},
        "Deployment/one-model": {**deployment, **changed.get("deployment", {})},
        "table": {},
    }


def test_what_is_ready_and_whole_is_at_rest() -> None:
    """And so is nothing."""
    assert is_at_rest(found())
    assert is_at_rest({"table": {}})


@pytest.mark.parametrize(
    "changed",
    [
        {"backend": {"metadata": {"generation": 3}}},
        {"backend": {"status": {}}},
        {"deployment": {"spec": {"replicas": 3}}},
    ],
)
def test_what_has_still_to_be_done_is_waited_for(changed: Json) -> None:
    """An edit that was not looked at, a first status, a replica."""
    assert not is_at_rest(found(**changed))


def test_a_child_without_its_owner_is_waited_for() -> None:
    """Until the garbage collector has it."""
    left = found()
    del left["ModelBackend/one"]

    assert not is_at_rest(left)


def test_each_difference_is_told_with_where_it_is() -> None:
    """Also what is there once only."""
    assert differences({"a": {"b": [1]}, "c": 2}, {"a": {"b": [1, 3]}, "c": 2}) == [
        "a.b: [1], not [1, 3]"
    ]
    assert differences({"a": 1}, {}) == ["a: 1, not None"]
    assert differences(found(), found()) == []


def test_no_mark_is_in_another() -> None:
    """Otherwise what is left of one cycle is taken for another's."""
    marks = [mark_of(k) for k in range(300)]

    assert [(a, b) for a in marks for b in marks if a != b and a in b] == []
