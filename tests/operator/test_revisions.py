"""Revisions: content hashes, numbers, and what is thrown away."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.revisions import (
    KEEP,
    Revision,
    last_accepted,
    next_number,
    read_revisions,
    render_revision,
    revision_name,
    to_collect,
)
from tests.operator.objects import NAMESPACE, policy

SPEC: dict[str, Any] = policy()["spec"]


def revisions(count: int) -> tuple[Revision, ...]:
    return tuple(
        Revision(name=f"desk-{i}", policy="desk", number=i, spec=SPEC) for i in range(1, count + 1)
    )


def test_a_revision_survives_the_round_trip() -> None:
    """What was rendered is read back with its spec."""
    name = revision_name("desk", SPEC)
    stored = render_revision(
        namespace=NAMESPACE, policy="desk", uid="u", name=name, number=3, spec=SPEC
    )

    assert read_revisions([stored], policy="desk", uid="u") == (
        Revision(name=name, policy="desk", number=3, spec=SPEC),
    )


def test_revisions_of_an_earlier_policy_of_that_name_are_ignored() -> None:
    """Deleted and made again: nothing was accepted yet."""
    stored = render_revision(
        namespace=NAMESPACE, policy="desk", uid="old", name="desk-1", number=1, spec=SPEC
    )

    assert read_revisions([stored], policy="desk", uid="new") == ()


def test_the_key_order_does_not_count() -> None:
    """Equal specs have equal names."""
    assert revision_name("desk", SPEC) == revision_name("desk", dict(reversed(SPEC.items())))


def test_going_back_raises_the_number() -> None:
    """The last accepted revision is the one with the highest number."""
    history = revisions(3)

    assert next_number((), "desk-1") == 1
    assert next_number(history, "desk-3") is None
    assert next_number(history, "desk-1") == 4


@given(count=st.integers(0, 30), active=st.integers(0, 31))
def test_ten_and_the_active_one_are_kept(count: int, active: int) -> None:
    """The newest ten stay, and what is in force stays however old it is."""
    history = revisions(count)
    gone = set(to_collect(history, in_force={f"desk-{active}"}))
    left = [r.name for r in history if r.name not in gone]

    assert f"desk-{active}" not in gone
    assert len([name for name in left if name != f"desk-{active}"]) == min(
        KEEP, count - (1 <= active <= count)
    )
    assert not history or last_accepted(history) in [r for r in history if r.name in left]
