"""Histograms, intervals and spans: what is answered is near what is so, and adds up."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.ledger.asking import BadQuestion, when
from pointsman.ledger.histogram import BINS, BORDERS_US, bin_of, quantile_us
from pointsman.ledger.rows import BEGIN_MS, Said
from pointsman.ledger.summary import cut, interval
from pointsman.ledger.tally import COLUMNS, SPANS_MS, Tally, is_error, quality
from tests.ledger.events import DAY_MS, HOUR_MS, NOW_MS, request

FIVE_MS = SPANS_MS[0]


def test_borders_are_in_order() -> None:
    """From 1 ms to 9 minutes."""
    assert list(BORDERS_US) == sorted(BORDERS_US)
    assert (BORDERS_US[0], bin_of(0), bin_of(10**12)) == (1000, 0, BINS - 1)
    assert 500_000_000 < BORDERS_US[-1] < 600_000_000
    assert [bin_of(border) for border in BORDERS_US] == list(range(1, BINS))


@given(st.lists(st.integers(1000, 500_000_000), min_size=1), st.floats(0, 1))
def test_a_quantile_is_within_its_bin(durations: list[int], share: float) -> None:
    """At most 42 % above and 30 % below the true one."""
    bins = [0] * BINS
    for duration in durations:
        bins[bin_of(duration)] += 1
    found = quantile_us(bins, share)
    rank = max(1, -(-int(share * len(durations) * 1_000_000) // 1_000_000))
    true = sorted(durations)[min(rank, len(durations)) - 1]
    assert found is not None
    assert BORDERS_US[max(0, bin_of(true) - 1)] - 1 <= found * 1.4143
    assert found <= 1.4143 * true + 1 or share * len(durations) > rank


def test_typical_latencies_are_told_within_5_percent() -> None:
    """Lognormal, as latencies are."""
    dice = random.Random(5)
    durations = [int(dice.lognormvariate(13, 0.6)) for _ in range(20_000)]
    bins = [0] * BINS
    for duration in durations:
        bins[bin_of(duration)] += 1
    durations.sort()
    for share in (0.5, 0.95):
        assert quantile_us(bins, share) == pytest.approx(
            durations[int(share * len(durations))], rel=0.05
        )


def test_no_durations_have_no_quantile() -> None:
    """Not 0."""
    assert quantile_us([0] * BINS, 0.5) is None


def test_the_interval_holds_the_truth_19_times_of_20() -> None:
    """Of scores, too, which are no coin; for 1 rating as for 100."""
    dice = random.Random(7)
    for n in (1, 5, 30, 100):
        held = 0
        for _ in range(2000):
            mean = sum(dice.choice((0.0, 0.5, 1.0, 1.0)) for _ in range(n)) / n
            low, high = interval(mean, n)
            held += low <= 0.625 <= high
        assert held / 2000 >= 0.94


@given(st.integers(0, 90 * 288), st.integers(1, 90 * 288), st.integers(0, 90 * 288))
def test_spans_are_the_whole_time_and_nothing_twice(begin: int, length: int, finest: int) -> None:
    """Without a gap, in whole spans, and few of them."""
    from_ms = BEGIN_MS + begin * FIVE_MS + 17
    to_ms = from_ms + length * FIVE_MS
    finest_ms = BEGIN_MS + finest * FIVE_MS
    spans = cut(from_ms, to_ms, finest_ms)

    assert spans[0][1] <= from_ms
    assert spans[-1][2] >= to_ms
    for (_, _, end), (_, next_begin, _) in pairwise(spans):
        assert end == next_begin
    for span, low, high in spans:
        assert low < high
        assert low % span == high % span == 0
        assert span != FIVE_MS or high > finest_ms - HOUR_MS
    assert len(spans) <= 5
    assert spans[0][1] > from_ms - HOUR_MS
    assert sum((high - low) // span for span, low, high in spans if span < DAY_MS) <= 2 * (12 + 24)


def test_a_question_may_be_written_in_two_ways() -> None:
    """Ago, and as a time; of year 1 it is from the beginning."""
    assert when("24h", NOW_MS) == NOW_MS - DAY_MS
    assert when("2w", NOW_MS) == NOW_MS - 14 * DAY_MS
    assert when("2026-11-18T11:06:40Z", NOW_MS) == NOW_MS
    assert when("2026-11-18T12:06:40+01:00", NOW_MS) == NOW_MS
    assert when("2026-11-18", NOW_MS) == NOW_MS - NOW_MS % DAY_MS
    assert when("0001-01-01", NOW_MS) == BEGIN_MS
    assert when("999999999w", NOW_MS) == BEGIN_MS
    for text in ("", "yesterday", "24", "-3h", "1.5h", "٣h"):
        with pytest.raises(BadQuestion):
            when(text, NOW_MS)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=30))
def test_each_span_has_all_of_it(events: list[tuple[int, int]]) -> None:
    """Sums of 5 minutes, hours and days are the same in total."""
    tally = Tally()
    for hours, backend in events:
        tally.request(request(backend=f"b{backend}"), NOW_MS - hours * HOUR_MS * 7, False)
    totals: dict[int, list[int]] = {span: [0] * len(COLUMNS) for span in SPANS_MS}
    keyed = tally.keyed()
    assert [key for key, _ in keyed] == sorted({key for key, _ in keyed})
    for key, sums in keyed:
        totals[key.span_ms] = [a + b for a, b in zip(totals[key.span_ms], sums, strict=True)]
    assert totals[SPANS_MS[0]] == totals[SPANS_MS[1]] == totals[SPANS_MS[2]]
    assert totals[SPANS_MS[0]][0] == len(events)


@pytest.mark.parametrize(
    ("status", "outcome", "error"),
    [
        (200, "Ok", False), (200, "ClientGone", False), (499, "ClientGone", False),
        (400, "BadRequest", False), (404, "NoModel", False), (429, "RateLimited", True),
        (502, "Broken", True), (200, "Broken", True), (503, "Held", True),
    ],
)  # fmt: skip
def test_an_error_is_not_the_callers(status: int, outcome: str, error: bool) -> None:
    """A stream that broke is one, though its status is 200."""
    assert is_error(request(status=status, outcome=outcome)) is error


def _said(name: str, at_ms: int = 0, **fields: object) -> Said:
    values: dict[str, object] = {
        "spool": "", "number": 0, "came_ms": 0, "decision": "d", "response_id": "", "id": name,
        "at_ms": at_ms, "caller": "", "score_micro": None, "good": None, "verdict": "",
        "comment": "", "demonstration": "", "signal": "",
    }  # fmt: skip
    return Said(**(values | fields))  # type: ignore[arg-type]


def test_quality_is_of_the_last_word() -> None:
    """In whatever order it comes; a comment changes no rating, and what was seen is not said."""
    said = [
        _said("a", 1, score_micro=900_000, verdict="good_fit"),
        _said("b", 2, good=False),
        _said("c", 3, comment="hm", verdict="failed"),
        _said("d", 4, signal="Retry"),
    ]
    assert quality(said) == quality(said[::-1]) == [3, 1, 0, 0, 0, 0, 1, 1, 0]
    assert quality([]) == [0] * 9
    assert quality([_said("a", score_micro=1, good=True)])[:3] == [1, 1, 1]
