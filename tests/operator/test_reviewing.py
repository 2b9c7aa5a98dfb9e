"""A policy's human review on its way to routers, and what its tests say of it."""

from typing import Any

import pytest

from pointsman.api import table
from pointsman.api.v1alpha1 import RoutingPolicy
from pointsman.api.validation import parse
from pointsman.operator.plan.policytests import problems_of, run_tests
from tests.operator.objects import backend, backends, compiled, policy, route

HOLD = {"mode": "Hold", "stage": "Request", "priority": "High"}
FULL = {
    "deadline": "90s",
    "onTimeout": "Fallback",
    "fallbackRef": {"name": "b"},
    "escalateTo": [{"name": "c"}],
    "lowConfidence": {"below": "0.25", "mode": "Escalate"},
    "dataClass": {"atLeast": "Restricted", "mode": "Flag", "priority": "Low"},
    "maxHeld": 7,
    "retention": "48h",
    "webhooks": [{"url": "https://example.org/hook", "secretRef": {"name": "hooks"}}],
}


def reviewed(human: dict[str, Any] | None, review: dict[str, Any] | None) -> dict[str, Any]:
    """A policy whose default is reviewed."""
    found = policy(default=route("a") | ({"review": review} if review else {}))
    if human is not None:
        found["spec"]["humanReview"] = human
    return found


def blob_of(written: dict[str, Any]) -> table.PolicyBlob:
    known = backends(backend("a"), backend("b"), backend("c"))
    return table.decode_blob(next(iter(compiled(written, known=known).blobs.values())))


def test_all_of_it_reaches_the_routers() -> None:
    """Each field in the unit that they count in."""
    blob = blob_of(reviewed(FULL, HOLD))
    asks = blob.review
    assert asks is not None
    assert (asks.deadline_s, asks.max_held, asks.retention_s) == (90.0, 7, 48 * 3600.0)
    assert (asks.fallback, asks.escalate_to) == ("b", ("c",))
    assert asks.low_confidence is not None
    assert (asks.low_confidence.below, asks.low_confidence.review.mode) == (0.25, "Escalate")
    assert asks.data_class is not None
    assert (asks.data_class.at_least, asks.data_class.review.priority) == ("Restricted", "Low")
    assert [(one.url, one.key) for one in asks.webhooks] == [
        ("https://example.org/hook", "hooks.key")
    ]
    review = blob.routes[-1].review
    assert review is not None
    assert (review.mode, review.stage, review.priority) == ("Hold", "Request", "High")
    assert set(blob.backends) == {"a", "b", "c"}


def test_a_policy_without_it_is_as_it_was() -> None:
    """Not a byte of its blob is another, so that no router switches for it."""
    assert blob_of(reviewed(None, None)).review is None
    assert b"review" not in table.encode(blob_of(reviewed(None, None)).routes[-1])


def test_who_may_not_be_used_is_no_fallback() -> None:
    """Then the caller is denied: nobody else was named."""
    written = reviewed(FULL, HOLD)
    written["spec"]["governance"] = {"require": {"licenses": ["MIT"]}}
    asks = blob_of(written).review
    assert asks is not None
    assert (asks.fallback, asks.escalate_to) == ("", ())


@pytest.mark.parametrize(
    ("review", "expected", "problem"),
    [
        (HOLD, "Hold", ""),
        (None, "None", ""),
        (HOLD, "None", "review is Hold of the request, priority High (rule default), not None"),
        (None, "Flag", "review is None, not Flag"),
    ],
)
def test_a_test_expects_a_review(
    review: dict[str, Any] | None, expected: str, problem: str
) -> None:
    """As the router would ask for one."""
    written = reviewed({"maxHeld": 1}, review)
    test = {"name": "t", "prompt": "Hello!", "expect": {"review": expected}}
    spec = parse(RoutingPolicy, written | {"spec": written["spec"] | {"tests": [test]}}).spec
    found = problems_of(run_tests(table.encode(blob_of(written)), spec.tests))
    assert [one.message for one in found] == ([f"test t: {problem}"] if problem else [])
