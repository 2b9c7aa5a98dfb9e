"""A target is met, missed or not measured; an error is no value."""

from tests.perf.figures import REST, Row
from tests.perf.targets import TARGETS, Verdict, verdicts


def judged(*table: Row, proxies: tuple[str, ...] = ("plain",)) -> dict[str, Verdict]:
    """By what is judged."""
    return {each.target.what: each for each in verdicts(table, proxies)}


def test_a_value_stands_beside_its_target() -> None:
    """Met at the border, missed beyond it; microseconds are shown as milliseconds."""
    found = judged(
        {"load": "c32", "proxy": "plain", "errors": 0, "x_nginx": 2.0, "x_ai": 0.76},
        {"load": "s256", "proxy": "plain", "errors": 0, "added_p50_us": 600.0},
        {"load": REST, "proxy": "plain", "errors": 0, "start_s": 0.31},
    )

    assert found["CPU at c32, times nginx"].said == "met"
    assert found["CPU at c32, times the best AI peer"].said == "MISSED"
    assert found["added ms to first token at s256, p50"].value == 0.6
    assert found["start to first answer, s"].said == "met"


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    """No row, no figure in it, or a row with errors."""
    found = judged({"load": "c32", "proxy": "plain", "errors": 3, "x_nginx": 1.0})

    assert {each.said for each in found.values()} == {"not measured"}


def test_only_what_was_asked_for_is_judged() -> None:
    """No rows of proxies that are not in the run."""
    assert judged(proxies=("nginx", "litellm")) == {}
    every = {each.what for each in TARGETS}
    assert judged(proxies=("plain", "tasks")).keys() == every
