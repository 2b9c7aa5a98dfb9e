"""Statuses that anybody may have edited."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.reevaluating.choosing import gain
from pointsman.operator.plan.reevaluating.evidence import drift_said, facts_of
from tests.operator.objects import NAMESPACE, backend, backends
from tests.operator.reevaluating.known import status_of

NOW_S = 1_800_000_000.0


def read(item: dict[str, Any]) -> Any:
    found = facts_of([item], backends(item), namespace=NAMESPACE, now_s=NOW_S)
    return found[item["metadata"]["name"]]


def test_what_evaluation_and_detector_wrote() -> None:
    """All of it."""
    item = {**backend("a"), "status": status_of(state="Worse", score=0.62, task="Coding")}
    found = read(item)

    assert found.quality["Coding"][:3] == pytest.approx((0.62, 0.58, 0.66))
    assert (found.drifted, found.reason, found.content) == ("True", "Worse", "abc")
    assert found.found("Worse", ("Coding",))
    assert not found.found("Worse", ("Chat",))
    assert found.found("Worse", ("all",))
    assert found.free
    assert found.price is None


def test_figures_are_of_the_content_that_they_were_measured_with() -> None:
    """Not of the run under way; where it is not said they cannot be compared with any."""
    old = {**backend("a"), "status": status_of(score=0.9, content="old")}
    new = {**backend("b"), "status": status_of(score=0.5, content="new")}
    assert gain(read(old), read(new), ("all",)) is None
    bare = {**status_of(score=0.9), "evaluation": {"content": "abc"}}

    assert read({**backend("a"), "status": bare}).quality == {}


def test_prices_that_hold_now() -> None:
    """Later ones count when they begin; those by the hour are not known."""
    change = {"validFrom": "2027-01-01T00:00:00Z", "inputPerMillion": "3", "outputPerMillion": "4"}
    cost = {"inputPerMillion": "1", "outputPerMillion": "2", "changes": [change]}
    item = backend("a", cost=cost)
    early = facts_of([item], backends(item), namespace=NAMESPACE, now_s=NOW_S - 365 * 86_400)["a"]

    assert read(item).price == ("USD", 3_000_000, 4_000_000)
    assert early.price == ("USD", 1_000_000, 2_000_000)
    assert early.priced() != read(item).priced()
    hourly = read(backend("a", cost={"replicaHour": "2.50"}))
    assert hourly.price is None
    assert not hourly.free


@pytest.mark.parametrize(
    "quality",
    [
        None, "much", [None], ["a"], [{}], [{"task": "all", "score": "good"}],
        [{"task": "all", "score": 10**400, "low": 0, "high": 1}],
        [{"task": "all", "score": "nan", "low": "nan", "high": "nan"}],
        [{"task": "all", "score": "0.5", "low": "0.6", "high": "0.7"}],
        [{"task": "all", "score": "50", "low": "40", "high": "60"}],
    ],
)  # fmt: skip
def test_figures_that_are_none_are_not_known(quality: Any) -> None:
    """Nothing is decided on them, and nothing breaks."""
    assert read({**backend("a"), "status": {"quality": quality}}).quality == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("type", "status", "task", "direction", "x")), inner)
    ),
    max_leaves=6,
)


@given(quality=JSON, drift=JSON, evaluation=JSON)
def test_whatever_stands_there_can_be_read(quality: Any, drift: Any, evaluation: Any) -> None:
    """A status that somebody else wrote stops no reconcile."""
    status = {"quality": quality, "drift": drift, "evaluation": evaluation}
    read({**backend("a"), "status": status})
    drift_said({**backend("a"), "status": status})
