"""Endpoints that fail are left out for a while, and never too many of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointsman.router.policy import outlier
from pointsman.router.policy.outlier import FAILURES, FIRST_S, LEAST, MOST_S, Health


def _ejected(now_s: float = 0.0) -> Health:
    health = Health()
    for number in range(FAILURES):
        assert outlier.failed(health, now_s, may_eject=True) is (number == FAILURES - 1)
    return health


def test_failures_in_a_row_eject() -> None:
    """An answer between them begins anew."""
    health = Health()
    for _ in range(FAILURES - 1):
        assert not outlier.failed(health, 0.0, may_eject=True)
    outlier.answered(health)
    assert not outlier.failed(health, 0.0, may_eject=True)
    assert outlier.admits(health, 0.0)
    assert not outlier.admits(_ejected(), FIRST_S - 0.001)


def test_a_share_of_failures_ejects() -> None:
    """Two of three fail, never five in a row."""
    health, gone = Health(), 0
    for number in range(60):
        if number % 3 == 0:
            outlier.answered(health)
        elif outlier.failed(health, 0.0, may_eject=True):
            gone = number
            break
    assert gone >= LEAST - 1


def test_one_of_four_that_fails_ejects_nobody() -> None:
    """That is for retries."""
    health = Health()
    for number in range(400):
        if number % 4:
            outlier.answered(health)
        else:
            assert not outlier.failed(health, 0.0, may_eject=True)


def test_after_its_time_one_request_at_a_time_tries() -> None:
    """Its answer brings the endpoint back; its failure doubles the time."""
    health = _ejected()
    assert outlier.admits(health, FIRST_S)
    health.probed_s = FIRST_S
    assert not outlier.admits(health, FIRST_S + 1)
    assert outlier.failed(health, FIRST_S + 1, may_eject=False)
    assert not outlier.admits(health, FIRST_S + 1 + 2 * FIRST_S - 0.001)
    assert outlier.admits(health, FIRST_S + 1 + 2 * FIRST_S)
    health.probed_s = 40.0
    outlier.answered(health)
    assert not health.ejected
    assert outlier.admits(health, 40.0)


def test_what_was_sent_before_decides_nothing_of_an_ejected_one() -> None:
    """Answers and failures that come late neither bring it back nor keep it out for longer."""
    health = _ejected()
    until_s = health.until_s
    outlier.answered(health)
    assert not outlier.failed(health, 5.0, may_eject=True)
    assert health.until_s == until_s


def test_a_probe_that_ends_without_a_verdict_lets_another_go() -> None:
    """The caller left; or its end was never told, which counts as lost after a while."""
    health = _ejected()
    health.probed_s = FIRST_S
    outlier.neither(health)
    assert outlier.admits(health, FIRST_S)
    health.probed_s = FIRST_S
    assert outlier.admits(health, FIRST_S + MOST_S)


def test_the_time_has_a_bound() -> None:
    """However often it fails."""
    health, now_s = _ejected(), 0.0
    for _ in range(50):
        now_s = health.until_s
        health.probed_s = now_s
        assert outlier.failed(health, now_s, may_eject=False)
        assert health.until_s - now_s <= MOST_S
    assert health.until_s - now_s == MOST_S


def test_who_answers_for_long_is_forgotten() -> None:
    """Nothing is remembered of it."""
    health = Health()
    outlier.failed(health, 0.0, may_eject=True)
    told = [outlier.answered(health) for _ in range(50)]
    assert told == [False] * 49 + [True]


@given(st.integers(1, 100), st.integers(0, 100))
def test_at_most_half_are_ejected(endpoints: int, ejected: int) -> None:
    """So never the last one."""
    if outlier.may_eject(endpoints, ejected):
        assert ejected + 1 <= endpoints / 2
        assert ejected + 1 < endpoints


class Endpoints(RuleBasedStateMachine):
    """Whatever comes of requests at five endpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.healths = [Health() for _ in range(5)]
        self.now_s = 0.0

    @precondition(lambda self: any(outlier.admits(h, self.now_s) for h in self.healths))
    @rule(data=st.data(), end=st.sampled_from(["failed", "answered", "neither"]))
    def ask(self, data: st.DataObject, end: str) -> None:
        """One who may be asked is, and it ends somehow."""
        open_to = [h for h in self.healths if outlier.admits(h, self.now_s)]
        health = data.draw(st.sampled_from(open_to))
        if health.ejected:
            health.probed_s = self.now_s
        if end == "failed":
            ejected = sum(each.ejected for each in self.healths)
            may = outlier.may_eject(len(self.healths), ejected)
            outlier.failed(health, self.now_s, may_eject=may)
        elif end == "answered":
            outlier.answered(health)
        else:
            outlier.neither(health)

    @rule(seconds=st.floats(0.1, 400))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds

    @invariant()
    def most_are_there(self) -> None:
        """At least three of five are never ejected."""
        assert sum(h.ejected for h in self.healths) <= 2
        assert sum(outlier.admits(h, self.now_s) for h in self.healths) >= 3


TestEndpoints = pytest.mark.slow(Endpoints.TestCase)
