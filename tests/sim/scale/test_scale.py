"""The simulation says what follows from its inputs, and nothing where it has none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.scale.beyond import MAX_OBJECT_BYTES, Fleet, bill, most_policies
from tests.sim.scale.costs import costs_of, fit, load
from tests.sim.scale.edits import Loop, latencies, rank

ROOT = Path(__file__).parents[3]
ALONE = Loop(reconcile_ms=20.0, ack_ms=1.0, routers=4, router_ms=(10.0, 10.0))


def row(backends: int, **more: Any) -> dict[str, Any]:
    """Figures of costs that grow by the book."""
    policies = 3 * backends // 10
    return {
        "backends": backends, "policies": policies, "routers": 20, "cold_cpu_s": 1 + backends / 100,
        "rss_mib": 90 + backends / 20, "idle_cpu_percent": backends / 500, "edit_reconciles": 3,
        "manifest_bytes": 100 + 150 * policies, "blob_bytes": 700 * policies,
        "ack_bytes": 120 * policies, "ack_read_ms": 0.001 * policies,
        "edit_cpu_ms": 20 * 0.001 * policies + 3 * (5 + 0.02 * policies),
        "swap_first_ms": policies, "swap_one_ms": 1.0, **more,
    }  # fmt: skip


ROWS = [row(10), row(100), row(1000)]


def test_an_edit_alone_takes_its_way_and_no_longer() -> None:
    """Event, reconcile, store, the routers, and their acks one after the other."""
    found = latencies(ALONE, per_s=0.001, edits=3, seed=1)

    assert found == pytest.approx([15 + 20 + 12 + 10 + 4 * 1] * 3)


def test_the_first_ack_does_not_hold_up_the_others() -> None:
    """What follows from acks is reckoned a moment after the first, when all others are read."""
    spread = Loop(reconcile_ms=500.0, ack_ms=1.0, routers=4, router_ms=(10.0, 60.0))

    assert max(latencies(spread, per_s=0.001, edits=30, seed=1)) <= 15 + 500 + 12 + 60 + 4


def test_an_edit_that_comes_during_a_reconcile_waits_for_it() -> None:
    calm = latencies(ALONE, per_s=0.1, edits=300, seed=2)
    busy = latencies(ALONE, per_s=20, edits=300, seed=2)

    assert rank(busy, 0.99) > rank(calm, 0.99) + 10


def test_edits_that_wait_share_one_reconcile() -> None:
    """So a loop that takes a second for each is not overrun by five edits a second."""
    slow = Loop(reconcile_ms=1000.0, ack_ms=1.0, routers=4)

    assert max(latencies(slow, per_s=5, edits=300, seed=3)) < 6000


@given(st.floats(0.1, 50), st.integers(1, 60), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_edit_ends_once(per_s: float, edits: int, routers: int, seed: int) -> None:
    loop = Loop(reconcile_ms=30.0, ack_ms=0.5, routers=routers)
    found = latencies(loop, per_s=per_s, edits=edits, seed=seed)

    assert len(found) == edits
    assert min(found) >= loop.event_ms + loop.store_ms + loop.router_ms[0]


def test_a_line_knows_how_far_it_misses() -> None:
    assert fit([(10, 110), (100, 200)]).at(1000) == pytest.approx(1100)
    assert fit([(1, 1), (2, 2), (3, 4)]).miss > 0.1
    one = fit([(10, 5)])
    assert (one.base, one.each) == (0, 0.5)
    assert one.miss != one.miss, "not known"
    with pytest.raises(ValueError, match="a point"):
        fit([])


def test_what_follows_is_by_the_lines() -> None:
    costs = costs_of(ROWS)
    found = bill(costs, Fleet("ten times", 10_000, 3000, 0, 0.1))

    assert found.rss_mib == pytest.approx(590)
    assert found.manifest_share == pytest.approx((100 + 150 * 3000) / MAX_OBJECT_BYTES)
    assert found.fleet.routers == 3
    assert most_policies(costs) == (MAX_OBJECT_BYTES - 100) // 150


def test_requests_need_routers_and_these_need_reading() -> None:
    costs = costs_of(ROWS)
    found = bill(costs, Fleet("busy", 1000, 300, 1_000_000, 0.1))

    assert found.fleet.routers == 142
    assert found.load_percent == pytest.approx(100 * 142 * 10 * 1000 * 0.29e-6)


def test_a_loop_that_is_overrun_ends_no_edit() -> None:
    """Lines of load that take more than a whole core leave nothing for edits."""
    found = bill(costs_of(ROWS), Fleet("too much", 10_000, 3000, 1_000_000, 0.1))

    assert found.load_percent > 100
    assert found.edit_p50_ms == float("inf")


def test_the_committed_figures_are_figures() -> None:
    """Of two sizes or more, and the command prints what follows from them."""
    assert max(one["backends"] for one in load()) >= 1000
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.scale"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=50,
    )  # fmt: skip

    assert "10,000 backends in one namespace" in done.stdout


def test_other_figures_are_refused_with_a_reason(tmp_path: Path) -> None:
    wrong = tmp_path / "costs.json"
    wrong.write_text(json.dumps([{"backends": 10}]))
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.scale", "--costs", str(wrong)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip

    assert done.returncode == 2
    assert "--costs:" in done.stderr
