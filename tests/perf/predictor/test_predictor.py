"""The minimums of docs/prediction.md, on few seeds; `make bench-predictor` has all of it."""

import numpy as np
import pytest

from tests.perf.predictor import baselines, fleet, outside
from tests.perf.predictor.data import ARTEFACTS, Rows, missing, mix, routellm
from tests.perf.predictor.difficulty import refitted
from tests.perf.predictor.metrics import Routed, routed
from tests.perf.predictor.protocol import Setting, run

ABSENT = missing()
needs_rows = pytest.mark.skipif(
    bool(ABSENT), reason=f"not run: {', '.join(ABSENT)} not in the shared data folder"
)
SEEDS = 2


def mean(rows: Rows, setting: Setting) -> Routed:
    """Over the seeds."""
    found = [run(rows, setting, seed) for seed in range(SEEDS)]
    return Routed(
        *(float(np.mean([getattr(one, key) for one in found])) for key in Routed.__slots__)
    )


def test_the_measure_knows_chance_and_the_oracle() -> None:
    """A random order has half the area; the best one reaches the gap with the wins alone."""
    dice = np.random.default_rng(0)
    gap = np.array([1.0] * 300 + [0.0] * 600 + [-1.0] * 100)

    best, worst = routed(gap, gap, dice), routed(-gap, gap, dice)
    chance = np.mean([routed(np.zeros(1000), gap, dice).apgr for _ in range(200)])

    assert chance == pytest.approx(0.5, abs=0.02)
    assert (best.cpt50, best.cpt80) == (10.0, 16.0)
    assert worst.apgr < 0
    assert best.apgr > 1


@pytest.mark.local
@needs_rows
def test_the_rows_are_those_that_were_published() -> None:
    """Number, chance and oracle as RouteLLM's own files have them."""
    mmlu = routellm("mmlu")

    assert (len(mmlu), len(routellm("gsm8k")), len(mix())) == (14_037, 1_307, 5_608)
    assert mmlu.quality["strong"].mean() == pytest.approx(0.8059, abs=1e-4)
    assert baselines.oracle(mmlu, 0).apgr == pytest.approx(1.285, abs=0.001)


@pytest.mark.local
@needs_rows
@pytest.mark.parametrize(("bench", "least"), [("mmlu", 0.57), ("gsm8k", 0.58)])
def test_the_prior_alone_is_better_than_chance(bench: str, least: float) -> None:
    """APGR with no label at all."""
    assert run(routellm(bench), Setting(0), 0).apgr >= least


@pytest.mark.local
@needs_rows
def test_own_labels_reach_the_minimums() -> None:
    """APGR after 500 and 1,531 labeled requests, with the artefacts and without; the share too."""
    mmlu = routellm("mmlu")
    clean = mmlu.where(lambda subject: subject not in ARTEFACTS)

    assert mean(mmlu, Setting(500, calibrate=False)).apgr >= 0.61
    assert mean(mmlu, Setting(1531, calibrate=False)).apgr >= 0.63
    assert mean(clean, Setting(1531, calibrate=False)).apgr >= 0.57
    gsm8k = mean(routellm("gsm8k"), Setting(500))
    assert gsm8k.apgr >= 0.63
    assert gsm8k.share == pytest.approx(30, abs=4)


@pytest.mark.local
@needs_rows
def test_mixed_traffic_reaches_the_minimums() -> None:
    """14 tasks, after 500 labeled requests; nine models at the quality of the best one."""
    mixed = mean(mix(), Setting(500, difficulty=False))

    assert mixed.apgr >= 0.79
    assert mixed.cpt50 <= 19
    assert np.mean([fleet.judge(500, seed).saved for seed in range(3)]) >= 35


@pytest.mark.local
@needs_rows
def test_it_abstains_from_what_it_does_not_know() -> None:
    """Noise and other fields at 60 % or more, its own field at 5 % or less."""
    found = outside.judge_all(most=150)

    assert np.mean([one.inside for one in found]) <= 0.05
    assert min(one.noise for one in found) >= 0.6
    assert np.mean([one.held_out for one in found]) >= 0.6


@pytest.mark.local
@needs_rows
def test_the_shipped_difficulty_is_the_fitted_one() -> None:
    """`python -m tests.perf.predictor.difficulty` prints what stands in the source."""
    from pointsman.analysis.predictor.difficulty import FITTED

    assert tuple(refitted()) == FITTED
