"""What is decided when: one sentence of the table in `deciding` after the other."""

import math

import pytest

from pointsman.operator.plan.scaling import Bounds, Clamp, Reason, Signal
from tests.operator.scaling.drive import NOON_S, Drive


def bounds(least: int = 0, most: int = 20, target: float = 8.0) -> Bounds:
    return Bounds(min_replicas=least, max_replicas=most, target_requests=target)


@pytest.mark.slow
@pytest.mark.parametrize("target", [1.0, 8.0, 100.0])
@pytest.mark.parametrize("known", [False, True])
def test_a_request_wakes_an_empty_fleet_at_the_same_call(target: float, known: bool) -> None:
    """No window, no tick: one request is one replica, at once, and stays one until it is ready."""
    drive = Drive(bounds(target=target), replicas=0, cold_s=60.0)
    if known:
        drive.replicas = 8
        for _ in range(100):
            drive.decide(drive.steady(4, served_in_s=20.0))
    drive.run(0, 900)
    drive.now_s += 0.1

    waiting = Signal(held=1, in_flight=0, finished={"router-0": drive.finished})
    decision = drive.decide(waiting)
    assert (decision.desired, decision.reason) == (1, Reason.WOKEN)
    for _ in range(29):
        drive.now_s += 2.0
        assert drive.decide(waiting).desired == 1


def test_a_long_queue_wakes_as_many_as_it_needs_at_once() -> None:
    """A hundred held requests are not worked off by one replica."""
    drive = Drive(bounds(), replicas=0)
    decision = drive.decide(Signal(held=100, in_flight=0))

    assert decision.desired == 13
    assert decision.observed == 100


def test_an_empty_fleet_without_load_stays_empty_after_a_restart() -> None:
    """An operator that restarts without its memory wakes nobody."""
    drive = Drive(bounds(), replicas=0)
    assert drive.run(0, 300).desired == 0
    assert {count for _, count in drive.trail} == {0}


def test_no_data_holds_whatever_was_before() -> None:
    """A router that vanished is not an idle router: nothing goes down, and never to zero."""
    drive = Drive(bounds(), replicas=6)
    drive.run(40, 120)
    before = drive.replicas
    for _ in range(600):
        drive.now_s += 2.0
        decision = drive.decide(None)
        assert (decision.desired, decision.reason) == (before, Reason.NO_DATA)
        assert decision.clamped_by is Clamp.NO_DATA

    decision = drive.decide(drive.steady(0))
    assert decision.desired == before, "the first word after silence is no proof of an idle hour"
    assert decision.clamped_by is Clamp.RESTART


def test_the_last_replica_goes_only_when_every_router_holds() -> None:
    """Idle for long, unconfirmed: one stays; confirmed: zero."""
    drive = Drive(bounds(), replicas=1)
    drive.run(3, 120)
    decision = drive.run(0, 600, holding=False)
    assert (decision.desired, decision.clamped_by) == (1, Clamp.UNCONFIRMED)

    decision = drive.decide(drive.steady(0), holding=True)
    assert (decision.desired, decision.reason) == (0, Reason.IDLE)


def test_a_request_in_the_idle_window_begins_it_anew() -> None:
    """Zero means idle for the whole window, not on average."""
    drive = Drive(bounds(), replicas=1)
    for _ in range(20):
        drive.run(0, 50)
        drive.run(1, 2)
    assert {count for _, count in drive.trail} == {1}


def test_a_restart_without_memory_only_holds_or_raises() -> None:
    """For the first stable window, whatever the load is; a higher load is served at once."""
    drive = Drive(bounds(), replicas=8)
    assert drive.run(4, 58).clamped_by is Clamp.RESTART
    assert drive.replicas == 8

    raising = Drive(bounds(), replicas=2)
    assert raising.run(60, 20).desired > 7


def test_a_restart_with_memory_changes_nothing() -> None:
    """The same decisions at the same times, restarted at each call or never."""
    one, other = Drive(bounds(), replicas=6), Drive(bounds(), replicas=6)
    for load in (40, 10, 0, 30):
        for _ in range(100):
            one.decide(one.steady(load))
            other.decide(other.steady(load))
            other.restart()
    assert one.trail == other.trail


def test_what_an_operator_missed_does_not_count_as_idle() -> None:
    """Ten minutes away under load, back with its old memory: nothing goes down for a window."""
    drive = Drive(bounds(), replicas=6)
    drive.run(40, 300)
    before = drive.replicas
    drive.restart()
    drive.now_s += 600
    assert drive.run(0, 58).desired == before


@pytest.mark.parametrize("load", [0, 4])
def test_a_silence_longer_than_the_delay_is_no_proof_that_less_was_enough(load: int) -> None:
    """Ten minutes mean ten minutes with data, however long nobody said anything before."""
    drive = Drive(Bounds(0, 20, 8.0, scale_down_delay_s=600.0), replicas=6)
    drive.run(40, 300)
    before = drive.replicas
    for _ in range(1200):
        drive.now_s += 2.0
        drive.decide(None)
    assert drive.run(load, 598).desired == before
    assert drive.run(load, 60).desired < before


def test_a_jump_is_panic_and_then_nothing_falls_for_a_stable_window() -> None:
    """Twice the ready capacity within 6 s."""
    drive = Drive(bounds(), replicas=2, cold_s=30.0)
    drive.run(8, 300)
    reasons = [drive.decide(drive.steady(80)).reason for _ in range(6)]
    assert Reason.PANIC in reasons
    high = drive.replicas
    assert drive.run(8, 50).desired == high


def test_replicas_that_start_are_not_ordered_again() -> None:
    """Requests pile up while nobody is ready: what was ordered in 20 s is enough for the rest.

    That is the flood guard of the first pods: counts are absolute, and while pods start the
    backlog is foreseen for what is left of their cold start.
    """
    drive = Drive(bounds(most=200), replicas=4, cold_s=60.0)
    drive.run(10, 300)
    drive.run(0, 900)
    assert drive.replicas == 0
    held, ordered = 0, []
    for _ in range(29):
        drive.now_s += 2.0
        held += 4
        drive.decide(Signal(held, 0, finished={"router-0": drive.finished}))
        ordered.append(drive.replicas)
    assert ordered[-1] <= ordered[9] + 1
    assert ordered[-1] <= 5, "two a second for 5 s each are 10 at once, and the queue 13 more"


def test_unknown_first_pods_follow_the_queue_only() -> None:
    """Before anything was served, never more than take at once all that waits."""
    drive = Drive(bounds(most=200), replicas=0, cold_s=60.0)
    for held in range(1, 60):
        drive.now_s += 1.0
        decision = drive.decide(Signal(held, 0, finished={"router-0": 0}))
        assert decision.desired <= math.ceil(held / 8)


def test_a_spare_replica_is_kept_longer_than_what_is_surely_too_much() -> None:
    """After the delay all but one above the need go; that one after four delays."""
    drive = Drive(bounds(least=1), replicas=10)
    drive.run(60, 300)
    drive.run(8, 2)
    began_s = drive.now_s
    drive.run(8, 600)

    final = drive.replicas
    at_spare = next(at_s for at_s, count in drive.trail if at_s > began_s and count == final + 1)
    at_final = next(at_s for at_s, count in drive.trail if at_s > began_s and count == final)
    assert at_spare - began_s < 180
    assert at_final - began_s >= 240


def test_a_fleet_is_at_most_halved_in_six_seconds() -> None:
    """Down slowly, up fast."""
    drive = Drive(bounds(most=64), replicas=64)
    drive.run(400, 400)
    drive.run(0, 400)
    for (_, before), (at_s, count) in zip(drive.trail, drive.trail[1:], strict=False):
        assert count >= before // 2
        recent = [one for moment, one in drive.trail if at_s - 6.0 < moment <= at_s]
        assert count >= max(recent) // 2


def test_longer_answers_are_noticed_without_more_requests() -> None:
    """The rate stays, the service time triples: the load itself tells."""
    drive = Drive(bounds(), replicas=3)
    drive.run(12, 300)
    before = drive.replicas
    for second in range(60):
        drive.decide(drive.steady(min(36, 12 + second), served_in_s=15.0))
    assert drive.replicas * 8 >= 36
    for _ in range(150):
        drive.decide(drive.steady(36, served_in_s=15.0))
    assert drive.replicas > before + 2


def test_load_from_elsewhere_counts_on_a_shared_server() -> None:
    """What the engines have beyond our requests needs replicas too."""
    drive = Drive(bounds(), replicas=1)
    for _ in range(60):
        signal = drive.steady(4)
        decision = drive.decide(Signal(0, 4, 40, signal.finished))
    assert decision.desired >= 6
    assert decision.observed == 44


def test_without_counts_the_load_alone_decides() -> None:
    """A router that counts no ends still gets its replicas."""
    drive = Drive(bounds(), replicas=1)
    for _ in range(60):
        drive.now_s += 2.0
        decision = drive.decide(Signal(0, 40))
    assert 5 <= decision.desired <= 9


@pytest.mark.parametrize("back_s", [3.0, 3600.0, 1e9])
def test_a_clock_that_goes_back_is_harmless(back_s: float) -> None:
    """Nothing falls more than a panic window earlier, nothing hangs: as if no time had passed."""
    one, other = Drive(bounds(), replicas=6), Drive(bounds(), replicas=6)
    for drive in (one, other):
        drive.run(40, 120)
    other.now_s -= back_s
    for load in (40, 4):
        for _ in range(200):
            one.decide(one.steady(load))
            other.decide(other.steady(load))
    for index, (_, turned) in enumerate(other.trail):
        assert turned >= min(count for _, count in one.trail[index : index + 4])
    assert one.replicas == other.replicas < 6


def test_a_router_that_comes_back_with_old_counts_is_no_arrival() -> None:
    """A count of a million in a new router's first report moves nothing."""
    drive = Drive(bounds(), replicas=2)
    drive.run(8, 120)
    before = drive.replicas
    signal = drive.steady(8)
    counts = {**(signal.finished or {}), "router-1": 1_000_000}
    assert drive.decide(Signal(0, 8, finished=counts)).desired == before
    signal = drive.steady(8)
    counts = {**(signal.finished or {}), "router-1": 3}
    assert drive.decide(Signal(0, 8, finished=counts)).desired == before


def test_a_decision_explains_itself_in_one_sentence() -> None:
    """The maximum is named as what clamped it, with what was wanted."""
    drive = Drive(bounds(most=3), replicas=1)
    decision = drive.run(80, 60)
    assert (decision.desired, decision.clamped_by) == (3, Clamp.MAX)
    assert decision.wanted > 9
    assert decision.message.startswith("0 held and 80 in flight; ")
    assert decision.message.endswith(f"{decision.wanted} wanted, 3 by Max.")
    assert drive.now_s > NOON_S


def test_what_the_bounds_ask_for_is_not_put_down_to_load() -> None:
    """Nobody came, and yet there are three: the minimum says so."""
    drive = Drive(Bounds(min_replicas=3, max_replicas=5, target_requests=4), replicas=1)
    decision = drive.decide(drive.steady(1))

    assert (decision.desired, decision.reason, decision.clamped_by) == (3, Reason.BOUNDS, Clamp.MIN)


def test_a_floor_raises_before_the_load_and_drains_after_it() -> None:
    """It says so; when it is gone, the usual delays have passed long ago."""
    drive = Drive(bounds(), replicas=1)
    drive.run(3, 600)
    raised = drive.decide(drive.steady(3), floor=5)
    assert (raised.desired, raised.reason) == (5, Reason.PRE_SCALE)
    assert raised.clamped_by is Clamp.PRE_SCALE
    for _ in range(300):
        kept = drive.decide(drive.steady(3), floor=5)
        assert (kept.desired, kept.reason) == (5, Reason.STEADY)

    assert drive.run(3, 30).desired == 1


def test_a_floor_keeps_within_the_bounds_and_needs_no_data() -> None:
    """The maximum wins; what is about to come is known from others' load."""
    drive = Drive(bounds(least=2, most=4), replicas=2)
    drive.run(1, 60)
    assert drive.decide(drive.steady(1), floor=9).desired == 4
    drive = Drive(bounds(most=4), replicas=0)
    drive.run(0, 120)
    blind = drive.decide(None, floor=2)

    assert (blind.desired, blind.reason, blind.clamped_by) == (2, Reason.PRE_SCALE, Clamp.PRE_SCALE)


def test_what_is_about_to_be_sent_to_is_not_asked_to_hold() -> None:
    """An idle replica with a floor of one stays, and no router has to confirm it."""
    drive = Drive(bounds(), replicas=1)
    drive.run(0, 600, holding=False)
    kept = drive.decide(drive.steady(0), holding=False, floor=1)

    assert (kept.desired, kept.clamped_by) == (1, Clamp.PRE_SCALE)
