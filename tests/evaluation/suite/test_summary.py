"""Figures of a run: quality with its interval, what has no score, times, cost; and bars."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.v1alpha1 import Cost, EvaluationSuiteSpec
from pointsman.api.validation import parse
from pointsman.evaluation.suite.bars import BadBar, read_bar
from pointsman.evaluation.suite.calls import Call
from pointsman.evaluation.suite.content import Suite, compile_suite
from pointsman.evaluation.suite.outcome import Missing
from pointsman.evaluation.suite.spending import Purse, Usage, most, prices_at
from pointsman.evaluation.suite.summary import (
    Line,
    Report,
    by_unit,
    percentile,
    quality,
    report,
)


def suite_of(*tasks: str, weights: tuple[int, ...] = ()) -> Suite:
    prompts = [
        {"name": f"p{i}", "prompt": "x", "task": task, "checks": [{"exact": "yes"}],
         "weight": weights[i] if weights else 1}
        for i, task in enumerate(tasks)
    ]  # fmt: skip
    found = compile_suite(parse(EvaluationSuiteSpec, {"prompts": prompts}))
    assert isinstance(found, Suite)
    return found


def call(prompt: str, run: int = 0, target: str = "t", **more: Any) -> Call:
    given = {"text": "yes", "latency_ms": 10.0, "cost_nano": 5, "currency": "USD", **more}
    return Call(target=target, run=run, prompt=prompt, at_ms=0, **given)


def told(suite: Suite, *calls: Call, runs: int = 1, targets: tuple[str, ...] = ("t",)) -> Report:
    return report("s", suite, list(targets), runs, by_unit(calls))


def line_of(found: Report, task: str) -> Line:
    return next(one for one in found.lines if one.task == task)


def test_what_has_no_score_is_in_no_quality() -> None:
    """One right, one wrong, one of each kind that is missing, one never asked."""
    suite = suite_of(*["Coding"] * 7)
    found = told(
        suite,
        call("p0"),
        call("p1", text="no"),
        call("p2", missing=Missing.REFUSED, cost_nano=0),
        call("p3", missing=Missing.TIMED_OUT, estimated=True),
        call("p4", missing=Missing.UNREADABLE),
        call("p5", missing=Missing.ERROR, cost_nano=0),
    )
    line = line_of(found, "Coding")

    assert line.quality is not None
    assert line.quality.value == 0.5
    assert (line.scored, line.missing, line.prompts) == (2, 1, 2)
    assert line.not_scored == {"Refused": 1, "TimedOut": 1, "Unreadable": 1, "Error": 1}
    assert (line.cost_nano, line.estimated, line.calls) == (20, 1, 6)
    assert found.prompts[3].reasons == ["TimedOut: "]
    assert found.prompts[6].reasons == ["not asked"]


def test_runs_of_one_prompt_are_one_prompt() -> None:
    """Ten runs of two prompts are no twenty prompts: the interval stays as wide."""
    suite = suite_of("Chat", "Chat")
    once = told(suite, call("p0"), call("p1", text="no"))
    often = told(
        suite,
        *(call("p0", run=i) for i in range(10)),
        *(call("p1", run=i, text="no") for i in range(10)),
        runs=10,
    )

    assert line_of(often, "Chat").quality == line_of(once, "Chat").quality
    assert line_of(often, "Chat").scored == 20
    assert often.prompts[0].scores == [1.0] * 10


def test_tasks_targets_and_weights_are_apart() -> None:
    """A total only where there are several tasks; other targets' calls do not count."""
    suite = suite_of("Coding", "Coding", "Chat", weights=(3, 1, 1))
    found = told(
        suite,
        call("p0"), call("p1", text="no"), call("p2"), call("p2", target="u", text="no"),
        targets=("t",),
    )  # fmt: skip

    assert [one.task for one in found.lines] == ["Chat", "Coding", "all"]
    coding = line_of(found, "Coding").quality
    assert coding is not None
    assert coding.value == 0.75
    assert line_of(found, "all").missing == 0


def test_wilson_is_wilson() -> None:
    """8 of 10: 0.490 to 0.943, as in the books; equal weights change nothing."""
    scores = [1.0] * 8 + [0.0] * 2
    plain = quality([(one, 1) for one in scores])
    heavy = quality([(one, 7) for one in scores])

    assert plain is not None
    assert (plain.value, round(plain.low, 3), round(plain.high, 3)) == (0.8, 0.490, 0.943)
    assert heavy is not None
    assert round(heavy.low, 9) == round(plain.low, 9)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 1000)), min_size=1))
def test_a_quality_lies_in_its_interval(means: list[tuple[float, int]]) -> None:
    """And both in 0 to 1."""
    found = quality(means)

    assert found is not None
    assert -1e-12 <= found.low <= found.value <= found.high <= 1 + 1e-12


def test_nearest_ranks() -> None:
    """Of one, of many, of none."""
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.95) == 7
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2


def test_bars_are_about_all_or_a_task() -> None:
    """What fails is said with its figure; what nobody knows fails, too."""
    suite = suite_of("Coding", "Chat")
    lines = told(suite, call("p0"), call("p1", text="no")).lines

    assert read_bar("quality < 0.5").failed(lines) == []
    assert read_bar("quality<=0.5").failed(lines) == ["t: quality<=0.5: it is 0.5"]
    assert read_bar("Chat.quality<0.5").failed(lines) == ["t: Chat.quality<0.5: it is 0"]
    assert read_bar("p95>0.009").failed(lines) == ["t: p95>0.009: it is 0.01"]
    assert read_bar("cost>1").failed(lines) == []
    assert read_bar("unscored>0.1").failed(lines) == []
    assert read_bar("Document.quality<0.1").failed(lines) == [
        "t: Document.quality<0.1: nothing is known"
    ]
    unknown = told(suite, call("p0", missing=Missing.ERROR)).lines
    assert read_bar("quality<0.1").failed(unknown) == ["t: quality<0.1: nothing is known"]


def test_what_was_not_asked_to_its_end_has_no_score() -> None:
    """A run that stops early is no run in which everything was scored."""
    lines = told(suite_of(*["Chat"] * 4), call("p0"), call("p1"), call("p2")).lines

    assert read_bar("unscored>0.25").failed(lines) == []
    assert read_bar("unscored>0.1").failed(lines) == ["t: unscored>0.1: it is 0.25"]
    assert read_bar("unscored<1").failed(told(suite_of("Chat")).lines) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("quality", "is no bar"),
        ("quality=1", "is no bar"),
        ("quality<x", "is no bar"),
        ("qualty<1", "quality"),
        ("Codin.quality<1", "Coding"),
        ("", "is no bar"),
    ],
)
def test_what_is_no_bar_is_said(text: str, why: str) -> None:
    """With what was meant."""
    with pytest.raises(BadBar, match=why):
        read_bar(text)


def test_prices_hold_from_their_moment_on() -> None:
    """Cached and reasoning tokens have theirs; what is paid by the hour costs nothing here."""
    cost = parse(
        Cost,
        {
            "inputPerMillion": "0.15", "outputPerMillion": "0.60", "cachedInputPerMillion": "0.015",
            "changes": [{"validFrom": "2026-12-01T00:00:00Z", "inputPerMillion": "1",
                         "outputPerMillion": "2"}],
        },
    )  # fmt: skip
    now, later = prices_at(cost, "2026-11-30T23:59:59Z"), prices_at(cost, "2026-12-01T00:00:00Z")
    usage = Usage(input=1000, output=100, cached=500, reasoning=50)

    assert now.cost_nano(usage) == 500 * 150 + 500 * 15 + 100 * 600
    assert later.cost_nano(usage) == 1000 * 1000 + 100 * 2000
    hourly = prices_at(parse(Cost, {"replicaHour": "2.5"}), "2026-12-01T00:00:00Z")
    assert hourly.cost_nano(usage) == 0


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 1)), max_size=30), st.integers(0, 500))
def test_a_purse_is_never_overdrawn(calls: list[tuple[int, float]], cap: int) -> None:
    """Whatever is set aside at once, and however little of it is spent."""
    purse, open_calls = Purse(cap_nano=cap), list[tuple[int, int]]()
    for aside, share in calls:
        if purse.take(aside):
            open_calls.append((aside, int(aside * share)))
        if len(open_calls) > 3:
            purse.settle(*open_calls.pop(0))
        assert purse.spent_nano + purse.aside_nano <= cap


def test_the_most_is_more_than_any_tokenizer_counts() -> None:
    """No token is shorter than a byte."""
    assert most([{"role": "user", "content": "é" * 10}], 7) == Usage(input=36, output=7)
