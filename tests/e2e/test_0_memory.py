"""Idle processes are small, before traffic comes."""

import pytest

from tests.e2e.conftest import Killer
from tests.e2e.fleet import ROUTERS, Fleet
from tests.perf.memory import LIMIT_MIB, held

pytestmark = [pytest.mark.bench, pytest.mark.usefixtures("own_bench")]


def test_idle_processes_hold_no_more_than_promised(fleet: Fleet, killer: Killer) -> None:
    """Routers and the operator of the chart, with the support desk's table in force."""
    with killer.paused():
        fleet.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s")
        found = held(fleet, "router") + held(fleet, "operator")

    assert sorted(each.component for each in found) == ["operator", *["router"] * ROUTERS]
    assert [each for each in found if each.rss_mib > LIMIT_MIB[each.component]] == []
