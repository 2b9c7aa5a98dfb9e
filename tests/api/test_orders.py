"""Orders to a rollout: what is written, and what is refused before anything is."""

import json
from typing import Any

import pytest

from pointsman.api.orders import ABORT, APPROVE, PAUSED, PROMOTE, RETRY, Action, Refused, order

NOW = "2026-11-26T10:00:00Z"


def policy(phase: str = "AwaitingApproval", **more: Any) -> dict[str, Any]:
    """Rolling desk-2 out, in its second step."""
    rollout = {"phase": phase, "revision": "desk-2", "stable": "desk-1", "step": 1}
    status = {"observedGeneration": 3, "activeRevision": "desk-1", "rollout": rollout}
    return {"metadata": {"name": "desk", "generation": 3}, "status": status | more}


def test_an_approval_binds_revision_step_and_person() -> None:
    """What the operator compares with what it rolls out."""
    name, value = order(
        Action.APPROVE, policy(), now=NOW, approver="ada", revision="desk-2", step=1
    )

    assert name == APPROVE
    said = {"revision": "desk-2", "step": 1, "approver": "ada", "at": NOW}
    assert json.loads(value or "") == said


@pytest.mark.parametrize(
    ("action", "phase", "wanted"),
    [
        (Action.PAUSE, "Progressing", (PAUSED, "true")),
        (Action.RESUME, "Paused", (PAUSED, None)),
        (Action.PROMOTE, "Progressing", (PROMOTE, f"desk-2 {NOW}")),
        (Action.ABORT, "Paused", (ABORT, f"desk-2 {NOW}")),
        (Action.RETRY, "Aborted", (RETRY, f"desk-2 {NOW}")),
    ],
)
def test_each_order_is_one_annotation(
    action: Action, phase: str, wanted: tuple[str, str | None]
) -> None:
    """With the time, so that it can be said once more."""
    assert order(action, policy(phase), now=NOW) == wanted


@pytest.mark.parametrize(
    ("action", "item", "seen", "message"),
    [
        (Action.APPROVE, policy(), {"revision": "desk-0"}, "the candidate is desk-2"),
        (Action.APPROVE, policy(), {"step": 0}, "stale: the rollout is in step 1, not 0"),
        (Action.ABORT, policy(), {"revision": "desk-0"}, "stale"),
        (Action.ABORT, policy("Promoted"), {}, "it has ended"),
        (Action.RETRY, policy("Progressing"), {}, "only what was rolled back"),
        (Action.PAUSE, policy(rollout=None), {}, "revision desk-1 is in force"),
        (Action.PROMOTE, policy(observedGeneration=2), {}, "has no rollout"),
    ],
)
def test_what_is_about_something_else_by_now_is_refused(
    action: Action, item: dict[str, Any], seen: dict[str, Any], message: str
) -> None:
    """A page may be minutes old."""
    with pytest.raises(Refused, match=message):
        order(action, item, now=NOW, **seen)
