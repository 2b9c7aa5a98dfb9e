"""Limits out of Secrets: a caller's own and its team's, refused alone, kept over a restart."""

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pointsman.api.callers import Limits
from pointsman.router.control.callers import CallerFeed, Reason, combine
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Store
from pointsman.router.live import Live
from tests.router.control.objects import caller_entry
from tests.router.control.test_callers import read, said


def team(**limits: object) -> bytes:
    return json.dumps({"kind": "Team", "team": "search", "limits": limits}).encode()


APP = caller_entry(b"1", team="search", limits={"rpm": 60, "maxConcurrentRequests": 4})
JOB = caller_entry(b"2", team="search")
OTHER = caller_entry(b"3", team="desk")


def test_a_caller_has_its_own_and_its_teams() -> None:
    """Of whichever Secret; other teams have none."""
    secrets = {"a": read("a", app=APP, other=OTHER), "b": read("b", job=JOB, t=team(tpm=9000))}
    callers, problems = combine(("a", "b"), secrets)

    found = {one.name: (one.limits, one.team_limits) for one in callers.everyone}
    assert found == {
        "app": (Limits(rpm=60, max_concurrent_requests=4), Limits(tpm=9000)),
        "job": (None, Limits(tpm=9000)),
        "other": (None, None),
    }
    assert problems == ()


@pytest.mark.parametrize("limits", [{}, {"rpm": 0}, {"rpm": "60"}, {"rps": 1}])
def test_bad_limits_refuse_their_entry(limits: dict[str, object]) -> None:
    """A caller's lets nobody in, as any bad entry does; a team's limits nobody, and is said."""
    found = read(good=APP, bad=caller_entry(b"9", limits=limits), t=team(**limits))

    assert [caller.name for caller in found.callers] == ["good"]
    assert found.teams == ()
    assert said(found.problems) == {
        "callers/bad": Reason.MALFORMED,
        "callers/t": Reason.MALFORMED,
    }


def test_of_two_limits_of_one_team_the_first_counts() -> None:
    """By the order of entries in a Secret, and of Secrets."""
    secrets = {
        "a": read("a", app=APP, one=team(rpm=1), two=team(rpm=2)),
        "b": read("b", t=team(rpm=3)),
    }
    callers, problems = combine(("a", "b"), secrets)

    assert callers.everyone[0].team_limits == Limits(rpm=1)
    assert said(problems) == {"a/two": Reason.DUPLICATE_TEAM, "b": Reason.DUPLICATE_TEAM}


def _feed(folder: Path) -> tuple[CallerFeed, Live, Store]:
    live, metrics = Live(), ControlMetrics(CollectorRegistry())
    store = Store(state=folder, keys=folder, identity="demo/local", metrics=metrics)
    return CallerFeed(live, metrics, names=("a",), store=store), live, store


def test_limits_are_known_before_the_api_server_answers(tmp_path: Path) -> None:
    """A restart while it is away must not open what was limited."""
    feed, live, store = _feed(tmp_path)
    feed.read({"a": read("a", app=APP, job=JOB, t=team(rpm=7))}, {})
    assert store.flush(10)

    again, after, _ = _feed(tmp_path)
    assert again.restore()
    assert after.callers.everyone == live.callers.everyone
    assert {one.team_limits for one in after.callers.everyone} == {Limits(rpm=7)}


def test_new_limits_are_in_force_without_a_restart(tmp_path: Path) -> None:
    """Also those of a team alone."""
    feed, live, _ = _feed(tmp_path)
    feed.read({"a": read("a", app=APP)}, {})
    before = live.callers
    feed.read({"a": read("a", app=APP, t=team(rpm=7))}, {})

    assert live.callers is not before
    assert live.callers.everyone[0].team_limits == Limits(rpm=7)
