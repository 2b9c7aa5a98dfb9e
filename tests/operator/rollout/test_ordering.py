"""Annotations on a policy, and what they ask of its rollout."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.api.orders import ABORT, APPROVE, PAUSED, PROMOTE, RETRY
from pointsman.operator.plan.rollout import Approval, begin
from pointsman.operator.plan.rollout.ordering import ONCE, hear, said_of_rollout

ROLLOUT = structs.replace(begin("desk-1", "desk-2", now_s=0.0), step=1)


def approval(**more: Any) -> str:
    said = {"revision": "desk-2", "step": 1, "approver": "ada", "at": "2026-11-26T10:00:00Z"}
    return json.dumps({**said, **more})


def test_each_order_names_its_candidate() -> None:
    """What stands behind a space says the same once more."""
    said = {ABORT: "desk-2 again", PROMOTE: "desk-2", RETRY: "desk-2 2026", PAUSED: "true"}
    heard = hear(said | {APPROVE: approval()}, {}, ROLLOUT)

    assert heard.problems == ()
    assert (heard.orders.abort, heard.orders.promote, heard.retry) == ("desk-2",) * 3
    assert heard.orders.paused
    (found,) = heard.orders.approvals
    assert found == Approval(revision="desk-2", step=1, approver="ada", at_s=1795687200.0)


def test_what_was_said_before_it_began_was_meant_for_another() -> None:
    """But for a pause, which holds while it stands there."""
    said = {ABORT: "desk-2", PAUSED: "true", APPROVE: approval()}
    heard = hear(said, said, ROLLOUT)

    assert (heard.orders.abort, heard.orders.approvals, heard.problems) == ("", (), ())
    assert heard.orders.paused
    assert hear({ABORT: "desk-2 again"}, said, ROLLOUT).orders.abort == "desk-2"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (approval(revision="desk-1"), "stale"),
        (approval(step=2), "it is for step 2, and the rollout is in step 1"),
        (approval(approver=" "), "does not say who"),
        (approval(at="yesterday"), "no approval"),
        (approval(step="1"), "no approval"),
        ("yes", "no approval"),
        ("[" * 5000, "no approval"),
    ],
)
def test_an_approval_that_is_none_is_told(value: str, why: str) -> None:
    """And has no effect."""
    heard = hear({APPROVE: value}, {}, ROLLOUT)

    assert heard.orders.approvals == ()
    assert why in heard.problems[0]


def test_an_approval_of_a_step_that_is_over_is_no_news() -> None:
    """It stands there until the next one."""
    assert hear({APPROVE: approval(step=0)}, {}, ROLLOUT).problems == ()


@pytest.mark.parametrize("name", [ABORT, PROMOTE, RETRY])
def test_an_order_for_another_revision_is_told(name: str) -> None:
    """Somebody thinks that it was obeyed."""
    heard = hear({name: "desk-0"}, {}, ROLLOUT)

    assert f'{name} names "desk-0"' in heard.problems[0]
    assert "the candidate is desk-2" in heard.problems[0]


TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(["true", "desk-2", "{}", "null", "1e999"]))


@given(said=st.dictionaries(st.sampled_from([*ONCE, PAUSED, "other"]), TEXTS))
def test_nothing_that_anybody_writes_is_an_error(said: dict[str, str]) -> None:
    """Annotations are no part of the schema: whatever is there was never checked."""
    heard = hear(said, {}, ROLLOUT)

    assert heard.orders.abort in {"", *said.get(ABORT, "").split()}
    assert "other" not in said_of_rollout(said)
