"""Who should answer, by what is known and what is allowed."""

import pytest

from pointsman.operator.plan.reevaluating.choosing import Bounds, Route, choose, gain, holds
from pointsman.operator.plan.reevaluating.evidence import Facts
from pointsman.operator.plan.reevaluating.moving import Move
from tests.operator.reevaluating.known import facts, known, quality

ANY = Route(name="default", tasks=("all",), weights={"a": 1}, chain=("b", "c"))
CODING = Route(name="code", tasks=("Coding",), weights={"a": 1}, chain=("b",))


def chosen(*found: Facts, route: Route = ANY, bounds: Bounds | None = None) -> tuple[Move, ...]:
    return choose(route, known(*found), bounds or Bounds())


def test_who_got_worse_loses_to_who_is_better() -> None:
    """Of two that are as good, to the cheaper one."""
    worse = facts("a", 0.6, state="Worse", price=2)

    assert chosen(worse, facts("b", 0.85, price=9), facts("c", 0.84, price=3)) == (
        Move("a", "c", "Worse"),
    )
    assert chosen(worse, facts("b", 0.85, price=9), facts("c", 0.80, price=3)) == (
        Move("a", "b", "Worse"),
    )


def test_a_small_model_that_is_as_it_was_keeps_its_requests() -> None:
    """That its fallback is better was known, and what it costs."""
    assert chosen(facts("a", 0.6, price=1), facts("b", 0.95, price=10)) == ()


def test_who_is_better_and_costs_no_more_gets_them() -> None:
    """There is no reason left for the other one; unpriced ones cost the same."""
    assert chosen(facts("a", 0.6, price=1), facts("b", 0.9, price=1)) == (
        Move("a", "b", "NoDearer"),
    )
    assert chosen(facts("a", 0.6), facts("b", 0.9)) == (Move("a", "b", "NoDearer"),)
    assert chosen(facts("a", 0.6, price=1), facts("b", 0.9)) == ()


def test_who_got_better_gets_them() -> None:
    """Also if it costs more: a change is news."""
    found = chosen(facts("a", 0.6, price=1), facts("b", 0.9, state="Better", price=5))

    assert found == (Move("a", "b", "Better"),)


@pytest.mark.parametrize("state", ["Worse", "IdentityChanged"])
def test_who_has_drifted_itself_gets_nothing(state: str) -> None:
    """Its figures may be of yesterday's model."""
    assert chosen(facts("a", 0.5, state="Worse"), facts("b", 0.9, state=state)) == ()


def test_within_the_margin_nothing_moves() -> None:
    """The difference is 8 points, and its interval begins at 2.3."""
    assert chosen(facts("a", 0.78, state="Worse"), facts("b", 0.86)) == ()
    found = chosen(facts("a", 0.78, state="Worse"), facts("b", 0.86), bounds=Bounds(gain_points=2))
    assert found == (Move("a", "b", "Worse"),)


def test_wide_intervals_move_nothing() -> None:
    """Suites of few prompts know little."""
    assert chosen(facts("a", 0.6, state="Worse", half=0.2), facts("b", 0.8, half=0.2)) == ()


def test_only_what_the_owner_allows() -> None:
    """Targets alone, and no more than so much dearer; an unknown price is too dear."""
    worse, better = facts("a", 0.5, state="Worse", price=10), facts("b", 0.9, price=12)

    assert chosen(worse, better, bounds=Bounds(targets_only=True)) == ()
    assert chosen(worse, better, bounds=Bounds(cost_percent=10)) == ()
    assert chosen(worse, better, bounds=Bounds(cost_percent=20)) == (Move("a", "b", "Worse"),)
    unknown = facts("b", 0.9, price=None, free=False)
    assert chosen(worse, unknown, bounds=Bounds(cost_percent=20)) == ()


def test_a_rule_looks_at_its_tasks() -> None:
    """What got worse in another one is nothing to it; one of all is of it, too."""
    coder = facts("a", 0.5, state="Worse", task="Coding")
    assert chosen(coder, facts("b", 0.9, task="Coding"), route=CODING) == (Move("a", "b", "Worse"),)
    drift = facts("x", state="Worse", task="Chat").drift
    chat = facts("a", 0.5, state="Worse", task="Coding", price=1, drift=drift)
    assert chosen(chat, facts("b", 0.9, task="Coding", price=2), route=CODING) == ()
    assert chosen(facts("a", 0.5, state="Worse"), facts("b", 0.9), route=CODING) == (
        Move("a", "b", "Worse"),
    )


def test_suites_of_other_content_cannot_be_compared() -> None:
    """Nor what was never measured."""
    assert chosen(facts("a", 0.5, state="Worse"), facts("b", 0.9, content="other")) == ()
    assert chosen(facts("a", None, state="Worse"), facts("b", 0.9)) == ()
    assert chosen(facts("a", 0.5, state="Worse")) == ()


def test_the_gain_of_several_tasks_is_their_mean() -> None:
    """Independent tasks are surer together."""
    both = {"Coding": quality(0.9), "Chat": quality(0.8)}
    one = facts("b", quality=both)
    two = facts("a", quality={task: quality(0.7) for task in both})
    found = gain(one, two, ("Coding", "Chat"))

    assert found is not None
    assert found.points == pytest.approx(15)
    assert found.low == pytest.approx(15 - 4)
    assert found.sure == pytest.approx(15 - 8)


def test_the_order_of_the_donors_is_that_of_their_gain() -> None:
    """The bound may be for the first only."""
    route = Route(name="default", tasks=("all",), weights={"a": 1, "b": 1, "c": 2})
    found = chosen(
        facts("a", 0.6, state="Worse"), facts("b", 0.4, state="Worse"), facts("c"), route=route
    )

    assert [one.donor for one in found] == ["b", "a"]


def test_a_reason_is_over_when_the_detector_says_so() -> None:
    """Not when nobody says anything, and not while it is suspected."""
    move = Move("a", "b", "Worse")

    assert holds(move, ANY, known(facts("a", 0.5, state="Worse"), facts("b")))
    assert holds(move, ANY, known(facts("a", 0.9, state="NoBaseline"), facts("b")))
    assert holds(move, ANY, known(facts("a", 0.9, drifted=""), facts("b")))
    suspected = facts("a", state="Worse").drift[0]._replace(suspected=True)
    assert holds(move, ANY, known(facts("a", state="Suspected", drift=(suspected,)), facts("b")))
    assert not holds(move, ANY, known(facts("a", 0.9), facts("b")))
    assert not holds(move, ANY, known(facts("a", 0.9, state="Better"), facts("b")))
    better = Move("a", "b", "Better")
    assert holds(better, ANY, known(facts("a"), facts("b", state="Better")))
    assert not holds(better, ANY, known(facts("a"), facts("b")))


def test_who_costs_no_more_keeps_them_until_it_does_or_is_worse_for_sure() -> None:
    """Figures that waver take nothing back."""
    move = Move("a", "b", "NoDearer")

    assert holds(move, ANY, known(facts("a", 0.82), facts("b", 0.80)))
    assert not holds(move, ANY, known(facts("a", 0.95), facts("b", 0.80)))
    assert not holds(move, ANY, known(facts("a", 0.6, price=1), facts("b", 0.9, price=2)))
    assert not holds(move, ANY, known(facts("a"), facts("b", state="Worse")))
