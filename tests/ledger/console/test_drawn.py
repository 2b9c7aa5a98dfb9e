"""Pictures: well-formed, within their paper, and no name in them is markup."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.ledger.console.drawn.bars import cost_picture
from pointsman.ledger.console.drawn.dots import drift_picture
from pointsman.ledger.console.drawn.flow import flow_picture
from pointsman.ledger.console.drawn.interval import interval_picture
from pointsman.ledger.console.drawn.scale import Scale, ticks, times
from pointsman.ledger.console.drawn.stages import stages_picture
from pointsman.ledger.console.fleet.reading import policy_of, seen_of
from pointsman.ledger.console.fleet.seen import Finding, Seen
from pointsman.ledger.console.views import cost, drift, flow
from pointsman.ledger.console.views.rollouts import course
from tests.ledger.console.showing import HOSTILE, awaiting, fleet, policy
from tests.ledger.events import DAY_MS, NOW_MS

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    """Raises for what is no XML; all of it lies on the paper."""
    root = ET.fromstring(picture)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for one in root.iter():
        for place, bound in (("x", width), ("y", height)):
            for name in {place, f"{place}1", f"{place}2", f"c{place}"} & set(one.attrib):
                assert -1 <= float(one.attrib[name]) <= bound + 1, ET.tostring(one)
        assert not set(one.attrib) & {"style", "onload", "href"}
    return root


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=14), st.booleans())
def test_whatever_callers_are_called_the_flow_is_a_picture(names: list[str], narrow: bool) -> None:
    """Characters that XML has not are the only ones that may break it."""
    clean = [
        re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "", n) for n in names
    ]
    rows = [(name, "p", "b", number + 1, 0) for number, name in enumerate(clean)]
    root = parsed(flow_picture(flow.flow(rows, Seen(), 5.0), narrow=narrow))

    assert root.find(f".//{SVG}script") is None


@pytest.mark.parametrize("narrow", [False, True])
def test_all_pictures_are_drawn_of_a_hostile_desk(narrow: bool) -> None:
    """Teams, backends, policies and revisions with markup for names."""
    seen = seen_of(**fleet(NOW_MS))
    rows = [(HOSTILE, HOSTILE, HOSTILE, 40, 30)]
    begin, _ = cost.ends("24h", NOW_MS)
    told = [(begin, HOSTILE, "USD", 4, 1_000_000, 5_000_000, 1_000_000)]
    costs = cost.cost(told, [], [], [], period="24h", currency="", now_ms=NOW_MS)
    runs = [(HOSTILE, "s", n, NOW_MS - n * DAY_MS // 4, 40, 30_000_000, 40) for n in range(9)]
    watched = drift.watch(runs, seen, NOW_MS - 7 * DAY_MS, NOW_MS)
    pictures = [
        flow_picture(flow.flow(rows, seen, 5.0), narrow=narrow),
        cost_picture(costs, narrow=narrow),
        stages_picture(course(policy_of(policy(HOSTILE, awaiting(HOSTILE))), ()), narrow=narrow),
        *(
            drift_picture(one, watched.from_ms, watched.to_ms, narrow=narrow)
            for one in watched.backends
        ),
    ]

    for picture in pictures:
        root = parsed(picture)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"]
        assert "<script" not in picture


@pytest.mark.parametrize(
    ("value", "low", "high", "state"), [(-1.0, -2.0, 1.0, "ok"), (3.0, 1.0, 5.0, "warn"),
                                        (9.0, 4.0, 15.0, "bad")],
)  # fmt: skip
def test_an_interval_shows_which_side_of_the_limit_it_is(
    value: float, low: float, high: float, state: str
) -> None:
    """Not by its color alone: the place of the limit is drawn, and the words are its name."""
    found = Finding(
        guardrail="Errors", verdict="Pass", message="words <b>", value=value, low=low, high=high,
        limit=2.0,
    )  # fmt: skip
    root = parsed(interval_picture(found))
    circle = root.find(f".//{SVG}circle")
    lines = {one.attrib["class"]: one for one in root.iter(f"{SVG}line")}

    assert circle is not None
    assert circle.attrib["class"] == f"reach {state}"
    assert root.attrib["aria-label"] == "Errors: words <b>"
    at, reach = float(lines["since"].attrib["x1"]), lines[f"reach {state}"].attrib
    assert (float(reach["x2"]) <= at) is (state == "ok")
    assert (float(reach["x1"]) > at) is (state == "bad")
    assert interval_picture(replace(found, low=None)) == ""


def test_nothing_is_drawn_of_nothing() -> None:
    """An empty picture, and no error."""
    parsed(flow_picture(flow.flow([], Seen(), 5.0)))
    parsed(cost_picture(cost.cost([], [], [], [], period="30d", currency="", now_ms=NOW_MS)))
    parsed(stages_picture(course(policy_of(policy("desk", None)), ())))


def test_bars_are_as_tall_as_they_cost() -> None:
    """Twice the money, twice the bar; the baseline is a line above."""
    begin, _ = cost.ends("24h", NOW_MS)
    rows = [
        (begin, "a", "USD", 1, 10**9, 0, 0),
        (begin + 3_600_000, "a", "USD", 1, 2 * 10**9, 0, 0),
    ]
    found = cost.cost(rows, [], [], [], period="24h", currency="", now_ms=NOW_MS)
    root = parsed(cost_picture(found))
    heights = [float(one.attrib["height"]) for one in root.iter(f"{SVG}rect")]

    assert heights[1] == pytest.approx(2 * heights[0], rel=0.01)


@given(st.floats(1e-9, 1e9))
def test_ticks_are_few_and_reach_the_top(high: float) -> None:
    """From zero on, evenly."""
    found = ticks(high)

    assert found[0] == 0
    assert found[-1] >= high * 0.999
    assert 2 <= len(found) <= 7


@given(st.integers(0, 90 * DAY_MS), st.integers(3_600_000, 90 * DAY_MS), st.integers(2, 12))
def test_times_are_within_and_no_more_than_fit(begin: int, length: int, most: int) -> None:
    """Whole hours or days."""
    found = times(begin, begin + length, most)

    assert len(found) <= most + 1
    assert all(begin <= at <= begin + length for at, _ in found)


def test_a_scale_keeps_to_the_paper() -> None:
    """Also where all values are the same."""
    assert Scale(0, 10, 100, 0).at(5) == 50
    assert Scale(0, 10, 100, 0).at(50) == 0
    assert Scale(3, 3, 0, 10).at(3) == 0
