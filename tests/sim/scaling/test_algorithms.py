"""The others' algorithms against what their documentation says."""

from dataclasses import replace

from tests.sim.scaling.algorithms.hpa import Hpa
from tests.sim.scaling.algorithms.keda import Keda
from tests.sim.scaling.algorithms.kpa import Kpa
from tests.sim.scaling.algorithms.kubeai import KubeAi
from tests.sim.scaling.fleet import Autoscaler, Seen

NOTHING = Seen(0.0, 0, 0, 0.0, 0, 0, 0, None)


def drive(scaler: Autoscaler, load: int, replicas: int, seconds: float, begin: Seen) -> Seen:
    """Keep a load for a while, everything ordered ready at once."""
    seen = begin
    for _ in range(int(seconds / scaler.period_s)):
        now_s = seen.now_s + scaler.period_s
        integral = seen.load_integral + load * scaler.period_s
        seen = replace(
            seen,
            now_s=now_s,
            in_flight=load if replicas else 0,
            held=0 if replicas else load,
            load_integral=integral,
            replicas=replicas,
            ready=replicas,
        )
        replicas = scaler.decide(seen)
    return replace(seen, replicas=replicas, ready=replicas)


def test_hpa_rounds_up_and_tolerates_a_tenth() -> None:
    """ceil(metric / target); 10 % more or less is nothing."""
    assert drive(Hpa(10.0), 54, 5, 15, NOTHING).replicas == 5
    assert drive(Hpa(10.0), 56, 5, 15, NOTHING).replicas == 6


def test_hpa_adds_at_most_the_larger_of_double_and_four() -> None:
    """In 15 s."""
    assert drive(Hpa(1.0), 100, 1, 15, NOTHING).replicas == 5
    assert drive(Hpa(1.0), 100, 10, 15, NOTHING).replicas == 20


def test_hpa_goes_down_after_five_minutes() -> None:
    """To the highest recommendation of the last 300 s."""
    hpa = Hpa(1.0)
    seen = drive(hpa, 10, 10, 60, NOTHING)
    seen = drive(hpa, 2, 10, 285, seen)
    assert seen.replicas == 10
    assert drive(hpa, 2, 10, 30, seen).replicas == 2


def test_keda_wakes_at_a_poll_and_sleeps_after_its_cooldown() -> None:
    """Every 30 s; 300 s after the last activity."""
    keda = Keda(5.0)
    seen = drive(keda, 0, 0, 15, NOTHING)
    seen = drive(keda, 1, 0, 15, seen)
    assert seen.replicas == 0, "between two polls nobody looks"
    seen = drive(keda, 1, 0, 15, seen)
    assert seen.replicas == 1
    seen = drive(keda, 0, 1, 285, seen)
    assert seen.replicas == 1
    assert drive(keda, 0, 1, 60, seen).replicas == 0


def test_kpa_follows_the_stable_average() -> None:
    """Over 60 s, at its target."""
    assert drive(Kpa(7.0), 35, 5, 120, NOTHING).replicas == 5
    assert drive(Kpa(7.0), 36, 5, 120, NOTHING).replicas == 6


def test_kpa_panics_at_twice_the_ready_replicas() -> None:
    """Within 6 s, and does not go down for a stable window."""
    kpa = Kpa(10.0)
    seen = drive(kpa, 10, 1, 120, NOTHING)
    seen = drive(kpa, 100, 1, 8, seen)
    assert seen.replicas >= 8
    high = seen.replicas
    seen = drive(kpa, 10, high, 50, seen)
    assert seen.replicas == high
    assert drive(kpa, 10, high, 120, seen).replicas == 1


def test_kpa_needs_idleness_and_grace_for_zero() -> None:
    """60 s of nothing, then 30 s."""
    kpa = Kpa(10.0)
    seen = drive(kpa, 5, 1, 120, NOTHING)
    seen = drive(kpa, 0, 1, 80, seen)
    assert seen.replicas == 1
    assert drive(kpa, 0, 1, 20, seen).replicas == 0


def test_kubeai_averages_ten_minutes() -> None:
    """Half of the window at a new load is half of the way."""
    kubeai = KubeAi(1.0, begins_with=2.0)
    assert drive(kubeai, 12, 2, 300, NOTHING).replicas == 7


def test_kubeai_goes_down_after_three_intervals() -> None:
    """scaleDownDelaySeconds 30, counted in intervals of 10 s."""
    kubeai = KubeAi(1.0, begins_with=2.0)
    seen = drive(kubeai, 2, 5, 30, NOTHING)
    assert seen.replicas == 5
    assert drive(kubeai, 2, 5, 10, seen).replicas == 2
