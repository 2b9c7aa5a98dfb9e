"""Weekly windows with other bounds, in local wall time."""

import datetime
import zoneinfo

import pytest

from pointsman.operator.plan.scaling import Bounds, Clamp, Reason, Schedule
from pointsman.operator.plan.scaling.bounds import allowed
from tests.operator.scaling.drive import NOON_S, Drive

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
WEEKDAYS = frozenset({"Mon", "Tue", "Wed", "Thu", "Fri"})


def at(text: str) -> float:
    """Return the Unix time of a moment in Berlin."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def clock(text: str) -> datetime.time:
    return datetime.time.fromisoformat(text)


OFFICE = Schedule(
    clock("08:00"), clock("18:00"), WEEKDAYS, BERLIN, min_replicas=4, max_replicas=30, name="office"
)
NIGHT = Schedule(
    clock("22:00"), clock("02:00"), frozenset({"Fri"}), BERLIN, max_replicas=1, name="night"
)


@pytest.mark.parametrize(
    ("moment", "least", "most"),
    [
        ("2027-01-15T07:58:00", 0, 10),
        ("2027-01-15T08:00:00", 4, 30),
        ("2027-01-15T17:59:59", 4, 30),
        ("2027-01-15T18:00:00", 0, 10),
        ("2027-01-16T12:00:00", 0, 10),  # a Saturday
        ("2027-01-15T22:00:00", 0, 1),
        ("2027-01-16T01:59:00", 0, 1),  # still Friday's night
        ("2027-01-16T02:00:00", 0, 10),
        ("2027-01-15T01:00:00", 0, 10),  # Thursday's night is not listed
    ],
)
def test_bounds_by_the_clock(moment: str, least: int, most: int) -> None:
    """In the window its bounds, outside the usual ones."""
    bounds = Bounds(0, 10, 8.0, schedules=(OFFICE, NIGHT))
    assert allowed(bounds, now_s=at(moment), ahead_s=0.0)[:2] == (least, most)


def test_wall_time_follows_daylight_saving() -> None:
    """Eight o'clock is eight o'clock, in winter and in summer."""
    bounds = Bounds(0, 10, 8.0, schedules=(OFFICE,))
    for day in ("2027-01-15", "2027-07-16", "2027-03-29"):
        assert allowed(bounds, now_s=at(f"{day}T07:59:59"), ahead_s=0.0)[0] == 0
        assert allowed(bounds, now_s=at(f"{day}T08:00:00"), ahead_s=0.0)[0] == 4


def test_replicas_are_started_one_cold_start_early() -> None:
    """At eight they are ready, not ordered."""
    bounds = Bounds(0, 10, 8.0, schedules=(OFFICE,))
    drive = Drive(bounds, replicas=0, cold_s=90.0, now_s=at("2027-01-15T07:58:00"))
    assert drive.run(0, 20).desired == 0
    decisions = [drive.decide(drive.steady(0)) for _ in range(6)]
    first = next(one for one in decisions if one.desired)
    assert (first.desired, first.clamped_by) == (4, Clamp.SCHEDULE)
    assert drive.now_s <= at("2027-01-15T07:58:32")


def test_of_two_windows_the_maximum_wins() -> None:
    """A cap is a cap, whatever minimum another window wants."""
    always = Schedule(clock("00:00"), clock("00:00"), min_replicas=5)
    cap = Schedule(clock("00:00"), clock("00:00"), max_replicas=2)
    bounds = Bounds(0, 10, 8.0, schedules=(always, cap))
    assert allowed(bounds, now_s=NOON_S, ahead_s=0.0) == (2, 2, True)


def test_the_schedule_gives_the_reason() -> None:
    """Raised by a schedule, not by load."""
    always = Schedule(clock("00:00"), clock("00:00"), min_replicas=5)
    drive = Drive(Bounds(0, 10, 8.0, schedules=(always,)), replicas=0)
    decision = drive.decide(drive.steady(0))
    assert (decision.desired, decision.reason) == (5, Reason.BOUNDS)
    assert decision.clamped_by is Clamp.SCHEDULE


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"days": frozenset({"Friday"})}, "daysOfWeek"),
        ({"days": frozenset()}, "daysOfWeek"),
        ({"min_replicas": None, "max_replicas": None}, "minReplicas or maxReplicas"),
        ({"min_replicas": -1}, "minReplicas"),
        ({"min_replicas": 3, "max_replicas": 2}, "minReplicas"),
        ({"max_replicas": 0, "min_replicas": None}, "maxReplicas"),
    ],
)
def test_a_window_that_cannot_be_is_refused(changes: dict[str, object], field: str) -> None:
    """With the field's name."""
    usual: dict[str, object] = {"min_replicas": 1, "max_replicas": None, "days": WEEKDAYS}
    values = usual | changes
    with pytest.raises(ValueError, match=field):
        Schedule(clock("08:00"), clock("18:00"), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("least", "most", "target", "field"),
    [(3, 2, 8.0, "minReplicas"), (-1, 2, 8.0, "min"), (0, 0, 8.0, "max"), (0, 1, 0.0, "target")],
)
def test_bounds_that_cannot_be_met_are_refused(
    least: int, most: int, target: float, field: str
) -> None:
    """With the field's name."""
    with pytest.raises(ValueError, match=field):
        Bounds(least, most, target)
