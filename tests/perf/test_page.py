"""The page shows what was seen, says what was not, and keeps what people wrote around it."""

import pytest

from tests.perf import page
from tests.perf.figures import Row
from tests.perf.targets import TARGETS, Verdict

RUN = page.Run(
    date="2026-01-02",
    command="make bench-router",
    versions={"kernel": "6.1", "nginx": "1.22.1"},
    cores=2,
    rounds=5,
    seconds=2.0,
    others=0.031,
    omitted=("haproxy: not there",),
)
PLAIN: Row = {
    "load": "c32", "proxy": "plain", "errors": 0, "per_s": 12345.6, "cpu_ms": 61.04,
    "x_nginx": 3.0412, "x_nginx_range": [2.9, 3.2], "p50_us": 2025.0, "added_p50_us": 1526.0,
    "p99_us": 4472.0,
}  # fmt: skip


def test_date_command_versions_and_other_work_stand_above_the_figures() -> None:
    """What was left out, too."""
    text = page.markdown(RUN, [PLAIN], [])

    assert text.startswith("2026-01-02, `make bench-router`: 5 interleaved rounds of 2 s, 2 cores")
    assert "other work took 3% of the measured one. kernel 6.1, nginx 1.22.1." in text
    assert "- not measured: haproxy: not there\n" in text


def test_figures_are_shown_with_their_range_and_what_is_added() -> None:
    """What was not compared is a dash."""
    (*_, row) = page.loads_table([PLAIN]).splitlines()

    assert row == "| c32 | plain | 12,346 | 61.0 | 3.04 (2.90-3.20) | - | 2,025 (1,526) | 4,472 |"


def test_a_row_with_errors_has_no_figures() -> None:
    """A wrong answer is never a fast one."""
    (*_, row) = page.loads_table([PLAIN | {"errors": 7}]).splitlines()

    assert row == "| c32 | plain | 7 errors | - | - | - | - | - |"


def test_a_missed_target_is_seen() -> None:
    """The value beside the target."""
    text = page.targets_table([Verdict(TARGETS[0], "plain", 3.04)])

    assert "| CPU at c32, times nginx | plain | 3.04 | 2 | **MISSED** |" in text


def test_only_what_is_between_the_marks_is_replaced() -> None:
    """And a page without both marks is refused, unchanged."""
    before = f"# Mine\n{page.BEGIN}old\n{page.END}\n## Also mine\n"
    after = page.placed(before, "new")

    assert after == f"# Mine\n{page.BEGIN}\nnew\n{page.END}\n## Also mine\n"
    assert page.placed(after, "new") == after
    for wrong in ("# Mine\n", f"{page.BEGIN}", f"{page.END}{page.BEGIN}"):
        with pytest.raises(ValueError, match="lacks"):
            page.placed(wrong, "new")


def test_the_real_page_has_its_marks() -> None:
    """So that DOCS=1 does not fail after a quarter of an hour."""
    assert "\nnew\n" in page.placed(page.PAGE.read_text(), "new")
