"""When a backend answers no request, by counts that are looked at now and then."""

from collections.abc import Iterator

import pytest

from pointsman.router.policy.failing import FORGOTTEN_S, LEAST, SINCE_S, Run, is_fault, looked

EVERY_S = 5.0


def words(*looks: tuple[int, dict[str, int]], every_s: float = EVERY_S) -> Iterator[str]:
    """What is said after each look; counts are totals."""
    run: Run | None = None
    for number, (answers, failures) in enumerate(looks):
        run = looked(run, answers, failures, number * every_s)
        yield run.word


def test_it_fails_when_nothing_was_answered_for_two_minutes() -> None:
    """Each look finds one more failure."""
    said = list(words(*((0, {"Http500": n}) for n in range(1, 40))))
    first = int(SINCE_S / EVERY_S)

    assert said == [""] * first + ["Http500"] * (len(said) - first)


def test_a_few_failures_say_nothing() -> None:
    """However long they last."""
    few = {"Reset": LEAST - 1}
    assert set(words((3, {}), *[(3, few)] * 50)) == {""}
    assert set(words((3, {"Reset": 100}), *[(3, {"Reset": 100})] * 50)) == {""}, "from before"


def test_an_answer_ends_it_at_once() -> None:
    """Whatever failed beside it."""
    failing = [(7, {"Reset": 10 * n}) for n in range(30)]
    said = list(words(*failing, (8, {"Reset": 300}), (8, {"Reset": 310})))

    assert said[-3:] == ["Reset", "", ""]


def test_one_word_stays_for_as_long_as_it_lasts() -> None:
    """Of most failures since the last answer; a status is not written for each turn of them."""
    before = {"Http429": 1000}
    began = [(5, before | {"Reset": 3 * n, "Http500": 2 * n}) for n in range(30)]
    then = [(5, before | {"Reset": 87, "Http500": 1000 * n}) for n in range(1, 9)]
    said = list(words(*began, *then))

    assert set(said[25:]) == {"Reset"}


def test_what_nobody_asks_any_more_is_not_known_to_fail() -> None:
    """It may have been mended; one attempt in ten minutes keeps it."""
    failing = [(0, {"Reset": n}) for n in range(1, 30)]
    silent = [(0, {"Reset": 29})] * int(FORGOTTEN_S / EVERY_S + 2)
    said = list(words(*failing, *silent))
    assert said[28] == "Reset"
    assert said[-1] == ""

    seldom = list(words(*failing, every_s=FORGOTTEN_S - 1))
    assert seldom[-1] == "Reset"


def test_counts_that_begin_anew_say_nothing_of_before() -> None:
    """Of a backend that left the table and came back."""
    failing = [(0, {"Reset": n}) for n in range(1, 30)]
    assert list(words(*failing, (0, {"Reset": 1})))[-1] == ""


@pytest.mark.parametrize(
    ("outcome", "is_one"),
    [
        *(("Http401", True), ("NameUnknown", True), ("FirstTokenTimeout", True)),
        *(("Ok", False), ("ClientGone", False), ("Cut", False), ("ContextWindow", False)),
        *(("NoEndpoint", False), ("Cold", False), ("Saturated", False), ("HoldTimeout", False)),
    ],
)
def test_not_what_is_somebody_elses(outcome: str, is_one: bool) -> None:
    """The caller's, the router's, or what the backend's pods tell already."""
    assert is_fault(outcome) is is_one
