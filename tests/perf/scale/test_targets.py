"""A figure that was not taken is neither met nor a number."""

from tests.perf.scale.measure import Figures
from tests.perf.scale.page import markdown
from tests.perf.scale.targets import TARGETS, verdict


def test_a_run_that_failed_meets_nothing_that_it_did_not_measure() -> None:
    """Zero is what stands there then."""
    figures = Figures(backends=1000, policies=300, routers=20)
    assert {verdict(one, figures) for one in TARGETS} == {"not measured"}
    assert "| writes at rest |  | 0 | not measured |" in markdown(
        [figures], date="2026-01-01", command="x", load=0.0
    )

    figures.edit_p99_ms, figures.idle_s, figures.cold_start_s = 251.0, 120.0, 30.0
    assert [verdict(one, figures) for one in TARGETS] == [
        "met", "MISSED", "not measured", "met", "met",
    ]  # fmt: skip
