"""Feedback moves traffic away from a backend that is bad at a task, and back when it recovers."""

from dataclasses import replace

import pytest

from pointsman.analysis import Task
from tests.sim.feedback.__main__ import BEGINS_BAD, left_after
from tests.sim.feedback.desk import BACKENDS, TASKS, Desk, Hour, Plan, Trouble, share

pytestmark = pytest.mark.slow

FAST = Plan(
    hours=100,
    trouble=Trouble("alpha", Task.CODING, quality=0.1, from_h=30, until_h=56),
    requests_an_hour=60,
    half_life_h=12,
    refit_h=3,
)


@pytest.fixture(scope="module")
def hours() -> list[Hour]:
    """One seed; nothing is explored."""
    return Desk(FAST, seed=7).run()


def test_traffic_leaves_and_comes_back(hours: list[Hour]) -> None:
    """Ratings take it away; that they grow old brings it back."""
    assert share(hours[20:30], "alpha", Task.CODING) > 0.8
    assert share(hours[44:56], "alpha", Task.CODING) < 0.3
    assert share(hours[88:], "alpha", Task.CODING) > 0.8


def test_other_tasks_stay_where_they_are(hours: list[Hour]) -> None:
    """gamma, best at Reasoning, keeps it throughout."""
    for begin in (20, 45, 60):
        assert share(hours[begin : begin + 10], "gamma", Task.REASONING) > 0.8


def test_all_go_to_candidates(hours: list[Hour]) -> None:
    """Nothing is lost, and nobody else is asked."""
    for hour in hours:
        names = {name for task in TASKS for name in hour.asked[task]}
        assert names <= set(BACKENDS)
        assert sum(hour.asked[task].total() for task in TASKS) == FAST.requests_an_hour


@pytest.mark.parametrize("count", [20, 60])
def test_it_does_not_leave_before_there_are_as_many_ratings_as_asked_for(count: int) -> None:
    """Of that backend in that task."""
    plan = replace(BEGINS_BAD, min_samples=count)
    left = left_after(Desk(plan, seed=3).run(), "beta", Task.CODING)
    assert left is not None
    assert count <= left < count + 20


def test_as_much_is_explored_as_is_asked_for() -> None:
    """Of conversations that begin, which all are here."""
    found = Desk(Plan(hours=10, exploration_percent=10, observed_h=0), seed=5).run()
    explored = sum(hour.why["Explores"] for hour in found)
    assert 0.06 < explored / (10 * 60) < 0.14
