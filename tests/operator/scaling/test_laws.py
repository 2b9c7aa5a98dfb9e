"""Laws of every decision, whatever happens: hypothesis looks for the counterexample."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.operator.plan.scaling import (
    Behavior,
    Bounds,
    Fleet,
    Memory,
    Rules,
    RulesPolicy,
    SelectPolicy,
    Signal,
    decide,
    dump_memory,
    load_memory,
)
from tests.operator.scaling.drive import NOON_S, Drive

SIGNALS = st.one_of(
    st.none(),
    st.builds(
        Signal,
        held=st.integers(0, 300),
        in_flight=st.integers(0, 300),
        elsewhere=st.sampled_from([0, 0, 7]),
        finished=st.one_of(
            st.none(), st.dictionaries(st.sampled_from("ab"), st.integers(0, 5000), max_size=2)
        ),
    ),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 2.0, 2.0, 2.0, 7.0, 40.0, 900.0, -5.0, -4000.0]),
        SIGNALS,
        st.booleans(),
        st.sampled_from(["", "", "", "restart", "forget", "edit"]),
    ),
    max_size=40,
)
POLICIES = st.builds(
    RulesPolicy,
    type=st.sampled_from(["Pods", "Percent"]),
    value=st.integers(1, 120),
    period_s=st.sampled_from([1, 15, 60, 600, 1800]),
)
RULES = st.builds(
    Rules,
    policies=st.lists(POLICIES, min_size=1, max_size=3).map(tuple),
    stabilization_s=st.sampled_from([0, 30, 300]),
    select=st.sampled_from(SelectPolicy),
)
BEHAVIORS = st.builds(
    Behavior, scale_up=st.one_of(st.none(), RULES), scale_down=st.one_of(st.none(), RULES)
)
ALL_BOUNDS = st.builds(
    lambda least, extra, target, delay, behavior: Bounds(
        least, max(1, least + extra), target, delay, behavior
    ),
    st.integers(0, 4),
    st.integers(0, 40),
    st.sampled_from([0.5, 1.0, 8.0, 100.0]),
    st.sampled_from([0.0, 30.0, 600.0]),
    BEHAVIORS,
)
Steps = list[tuple[float, Signal | None, bool, str]]
Check = Callable[[int, int, Signal | None, float, Memory], None]


def play(bounds: Bounds, steps: Steps, replicas: int, check: Check) -> None:
    """Apply every decision at once; `check(before, after, signal, now_s, memory)` after each."""
    memory: Memory | None = None
    now_s = NOON_S
    for passed_s, signal, holding, what in steps:
        now_s += passed_s
        if what == "restart" and memory is not None:
            memory = load_memory(dump_memory(memory))
            assert memory is not None
        elif what == "forget":
            memory = None
        elif what == "edit":
            replicas = (replicas * 7 + 3) % (bounds.max_replicas + 1)
        fleet = Fleet(replicas, max(0, replicas - 1), 30.0)
        decision, memory = decide(
            bounds, memory, signal=signal, fleet=fleet, now_s=now_s, holding=holding
        )
        check(replicas, decision.desired, signal, now_s, memory)
        replicas = decision.desired


@settings(max_examples=40, deadline=None)
@given(bounds=ALL_BOUNDS, steps=STEPS, replicas=st.integers(0, 60))
def test_never_outside_the_bounds(bounds: Bounds, steps: Steps, replicas: int) -> None:
    """Also from a count that somebody else set outside of them."""

    def check(_: int, after: int, __: Signal | None, ___: float, ____: Memory) -> None:
        assert bounds.min_replicas <= after <= bounds.max_replicas

    play(bounds, steps, replicas, check)


@settings(max_examples=40, deadline=None)
@given(bounds=ALL_BOUNDS, steps=STEPS, replicas=st.integers(0, 60))
def test_never_down_without_data(bounds: Bounds, steps: Steps, replicas: int) -> None:
    """Only a maximum that the user set can lower it then."""

    def check(before: int, after: int, signal: Signal | None, _: float, __: Memory) -> None:
        if signal is None:
            assert after >= min(before, bounds.max_replicas)

    play(bounds, steps, replicas, check)


@settings(max_examples=40, deadline=None)
@given(bounds=ALL_BOUNDS, steps=STEPS)
def test_never_to_zero_under_load_or_unconfirmed(bounds: Bounds, steps: Steps) -> None:
    """Whoever waits keeps the last replica, and so does a router that has not confirmed."""
    memory: Memory | None = None
    now_s, replicas = NOON_S, bounds.max_replicas
    for passed_s, signal, holding, _ in steps:
        now_s += passed_s
        fleet = Fleet(replicas, replicas)
        decision, memory = decide(
            bounds, memory, signal=signal, fleet=fleet, now_s=now_s, holding=holding
        )
        if replicas and not decision.desired:
            assert signal is not None
            assert signal.load == 0
            assert holding
        replicas = decision.desired


@settings(max_examples=25, deadline=None)
@given(load=st.integers(0, 200), more=st.integers(1, 200), seconds=st.integers(10, 400))
def test_more_waiting_never_wants_fewer(load: int, more: int, seconds: int) -> None:
    """The same past, more held now: at least as many."""
    drive = Drive(Bounds(0, 100, 8.0), replicas=3)
    drive.run(load, float(seconds))
    signal = drive.steady(load)

    def desired(held: int) -> int:
        seen = Signal(held, signal.in_flight, finished=signal.finished)
        fleet = Fleet(drive.replicas, drive.replicas)
        bounds, now_s = drive.bounds, drive.now_s
        return decide(bounds, drive.memory, signal=seen, fleet=fleet, now_s=now_s)[0].desired

    assert desired(0) <= desired(more) <= desired(2 * more)


@settings(max_examples=15, deadline=None)
@given(load=st.integers(0, 150), more=st.integers(1, 100))
def test_a_higher_steady_load_never_ends_with_fewer(load: int, more: int) -> None:
    """Settled under each, from the same beginning."""
    low, high = (Drive(Bounds(0, 100, 8.0), replicas=1) for _ in range(2))
    low.run(load, 700)
    high.run(load + more, 700)
    assert low.replicas <= high.replicas


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    load=st.integers(20, 200),
    noise=st.lists(st.floats(-0.1, 0.1), min_size=50, max_size=50),
    replicas=st.integers(1, 40),
)
def test_noise_within_tolerance_does_not_flap(load: int, noise: list[float], replicas: int) -> None:
    """Once settled, a load that wavers by 10 % turns at most once in ten minutes."""
    drive = Drive(Bounds(0, 60, 8.0), replicas=replicas)
    drive.run(load, 700)
    drive.trail.clear()
    for index in range(300):
        drive.decide(drive.steady(round(load * (1 + noise[index % 50]))))
    counts = [count for _, count in drive.trail]
    moves = [b - a for a, b in itertools.pairwise(counts) if a != b]
    turns = sum((a > 0) != (b > 0) for a, b in itertools.pairwise(moves))
    assert turns <= 1


def _within(policy: RulesPolicy, began: int, change: int) -> bool:
    if policy.type == "Pods":
        return change <= policy.value
    return change * 100 <= began * policy.value + 99


@settings(max_examples=40, deadline=None)
@given(
    rules=RULES,
    steps=STEPS,
    least=st.integers(0, 1),
    replicas=st.integers(1, 40),
)
def test_up_limits_hold_in_every_window(
    rules: Rules, steps: Steps, least: int, replicas: int
) -> None:
    """In no period of any policy that counts is more added than it allows (from zero: one)."""
    trail: list[tuple[float, int, int]] = []
    steps = [(max(0.0, passed_s), signal, holding, "") for passed_s, signal, holding, _ in steps]

    def check(before: int, after: int, _: Signal | None, now_s: float, __: Memory) -> None:
        trail.append((now_s, before, after))
        if after <= before or (before == 0 and after == 1):
            return
        allowed = []
        for policy in rules.policies:
            window = [one for one in trail if one[0] > now_s - policy.period_s]
            began, change = window[0][1], after - window[0][1]
            allowed.append(_within(policy, began, change))
        if rules.select is SelectPolicy.DISABLED:
            raise AssertionError("scaled up while Disabled")
        assert all(allowed) if rules.select is SelectPolicy.MIN else any(allowed)

    bounds = Bounds(least, 60, 8.0, behavior=Behavior(scale_up=rules))
    play(bounds, steps, replicas, check)


@settings(max_examples=40, deadline=None)
@given(bounds=ALL_BOUNDS, steps=STEPS, replicas=st.integers(0, 60))
def test_the_memory_fits_an_annotation(bounds: Bounds, steps: Steps, replicas: int) -> None:
    """However long it goes on, and it is read back as it was written."""

    def check(_: int, __: int, ___: Signal | None, ____: float, memory: Memory) -> None:
        text = dump_memory(memory)
        assert len(text) < 16_384
        assert load_memory(text) == memory

    play(bounds, steps * 2, replicas, check)


def test_the_memory_of_a_busy_day_stays_small() -> None:
    """Ups and downs of all sizes for hours, with the longest windows: under 12 KiB."""
    rules = Rules((RulesPolicy("Pods", 400, 1800),), 3600)
    bounds = Bounds(0, 400, 1.0, 3600.0, Behavior(rules, rules))
    drive = Drive(bounds, replicas=1)
    longest = 0
    for index in range(1500):
        drive.decide(drive.steady((index * 7919) % 400))
        assert drive.memory is not None
        longest = max(longest, len(dump_memory(drive.memory)))
    assert longest < 12_288


@given(text=st.text(max_size=200))
def test_an_annotation_that_nobody_can_read_is_no_memory(text: str) -> None:
    """It never raises."""
    assert load_memory(text) is None
    assert load_memory("[99" + text) is None
