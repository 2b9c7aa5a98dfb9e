"""When a candidate has answered unseen for long enough, and what it does meanwhile."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.rollout.comparing import LEAST, Moments
from pointsman.operator.plan.rollout.deciding import (
    advance,
    load_percent,
    next_percent,
    weight_percent,
)
from pointsman.operator.plan.rollout.guarding import Limits, Stretch, Verdict, judged
from pointsman.operator.plan.rollout.record import (
    Record,
    dump_rollouts,
    essence,
    load_rollouts,
)
from pointsman.operator.plan.rollout.shadowing import (
    Judge,
    Shadow,
    Shadowed,
    rule,
    table_shadow,
)
from pointsman.operator.plan.rollout.state import Phase, Plan, Rollout, Scene, Step, begin, queued
from pointsman.operator.plan.rollout.telling import Rolling, news_of

SHADOW = Shadow(percent=20, min_pairs=100, deadline_s=600.0, max_spend_nano=10**9, currency="USD")
PLAN = Plan(
    steps=(Step(weight_percent=5),),
    limits=Limits(quality_points=3.0),
    shadow=SHADOW,
    quality_passes=False,
)
LOOSE = Limits(errors_points=None, latency_percent=None, cost_percent=None, quality_points=3.0)
BEGUN = begin("a", "b", now_s=0.0, shadow=True)


def scene(n: int, mean: float = 0.0, *, verified: bool = True, **seen: object) -> Scene:
    """So many pairs, of which the candidate's were better by so much."""
    pairs = {"Chat": Moments(n, n * mean, n * abs(mean))} if n else {}
    return Scene(
        wanted="b",
        verified=verified,
        counted=Stretch(pairs=pairs),
        shadowed=msgspec.structs.replace(Shadowed(pairs=n, currency="USD"), **seen),
        bounds_s=(0.1, 1.0),
    )


def look(rollout: Rollout, now: Scene, now_s: float = 0.0) -> Rollout:
    return advance(rollout, PLAN, now, now_s=now_s)


def test_the_rulings() -> None:
    """Enough pairs, the money, the time; 30 pairs are the least that says anything."""

    def ruled(pairs: int, since_s: float = 0.0, *, spent_up: bool = False) -> str:
        return rule(SHADOW, Shadowed(pairs=pairs, spent_up=spent_up), since_s=since_s)[0]

    assert ruled(99) == ruled(0) == "GoesOn"
    assert ruled(100) == ruled(100, 10**6) == ruled(100, spent_up=True) == "Passed"
    assert ruled(99, 600.0) == "Late"
    assert ruled(LEAST, spent_up=True) == "Passed"
    assert ruled(LEAST - 1, spent_up=True) == "Late"


@pytest.mark.parametrize(("shadow", "step", "wanted"), [(20, 5, 20), (5, 20, 20)])
def test_replicas_are_awaited_for_the_load_that_comes_first(
    shadow: int, step: int, wanted: int
) -> None:
    """A shadow's part comes before the first step's, and may be more."""
    plan = msgspec.structs.replace(
        PLAN,
        steps=(Step(weight_percent=step), Step(weight_percent=50)),
        shadow=msgspec.structs.replace(SHADOW, percent=shadow),
    )
    held = queued("a", "b", now_s=0.0, shadow=True)
    assert next_percent(held, plan) == wanted
    begun = msgspec.structs.replace(held, held=False)
    assert load_percent(begun, plan) == wanted
    assert next_percent(queued("a", "b", now_s=0.0), plan) == step


def test_no_caller_meets_it_before_its_steps() -> None:
    """Weight 0 until there are enough pairs; then the first step begins with its clock unset."""
    assert weight_percent(BEGUN, PLAN) == 0
    waits = look(BEGUN, scene(40))
    assert (waits.phase, weight_percent(waits, PLAN)) == (Phase.PROGRESSING, 0)
    assert "40 of 100 pairs" in waits.message
    passed = look(waits, scene(100, equal=60, spent_nano=5 * 10**8), 30.0)
    assert passed.reason == "ShadowPassed"
    assert weight_percent(passed, PLAN) == 5
    assert passed.step_began_s is None
    assert passed.step == 0
    assert passed.shadowed is not None
    assert passed.shadowed.verdict == "Passed"
    assert passed.earlier[0].pairs["Chat"].n == 100


def test_a_worse_one_is_stopped_unseen() -> None:
    """By the guardrail, whether or not there are enough pairs; also while it is paused."""
    failed = look(BEGUN, scene(60, -1.0))
    assert (failed.phase, failed.reason) == (Phase.ABORTED, "GuardrailFailed")
    assert "Quality/Chat" in failed.message
    assert weight_percent(failed, PLAN) == 0
    status = Rolling(candidate="b", rollout=failed, plan=PLAN).fields()
    assert status["shadow"]["verdict"] == "Failed"
    assert status["findings"][-1]["guardrail"] == "Quality/Chat"


def test_without_pairs_it_asks_a_person_and_goes_on_when_there_are_some() -> None:
    """No traffic is inconclusive."""
    first = look(BEGUN, scene(0))
    late = look(first, scene(0), 601.0)
    assert (late.phase, late.reason) == (Phase.PAUSED, "Inconclusive")
    assert weight_percent(late, PLAN) == 0
    status = Rolling(candidate="b", rollout=late, plan=PLAN).fields()
    assert status["shadow"]["verdict"] == "Inconclusive"
    assert look(late, scene(100), 700.0).reason == "ShadowPassed"


def test_its_time_counts_from_when_routers_have_it() -> None:
    """A router that does not know shadows never says so."""
    waits = look(BEGUN, scene(0, verified=False))
    waits = look(waits, scene(0, verified=False), 10_000.0)
    assert waits.phase is Phase.PROGRESSING
    assert waits.step_began_s is None


def test_quality_that_is_not_sure_stops_no_promotion() -> None:
    """It has passed if it is not proven worse: to prove it as good takes thousands of pairs."""
    passed = look(look(BEGUN, scene(0)), scene(100))
    assert {one.verdict for one in passed.findings if "Quality" in one.guardrail} == {
        "Inconclusive"
    }
    unlooked = Limits(errors_points=None, latency_percent=None, cost_percent=None)
    strict = msgspec.structs.replace(
        PLAN,
        quality_passes=True,
        limits=msgspec.structs.replace(unlooked, quality_points=3.0),
    )
    loose = msgspec.structs.replace(strict, quality_passes=False)
    now = Scene(wanted="b", verified=True, bounds_s=(0.1, 1.0))
    steps = (Step(weight_percent=5, min_requests=0, min_s=0.0),)
    held = advance(passed, msgspec.structs.replace(strict, steps=steps), now, now_s=40.0)
    assert "Quality/Chat" in held.message
    other = advance(passed, msgspec.structs.replace(loose, steps=steps), now, now_s=40.0)
    assert "Quality" not in other.message


def test_what_is_stored_of_it() -> None:
    """Not its counts, which change with each look; its end stays."""
    waits = look(BEGUN, scene(40, spent_nano=7))
    assert essence(waits).shadowed == Shadowed()
    passed = look(waits, scene(100))
    for rollout in (waits, passed, look(BEGUN, scene(60, -1.0))):
        record = Record(uid="u", rollout=essence(rollout))
        assert load_rollouts(dump_rollouts({"p": record})) == {"p": record}
    assert essence(passed).shadowed == passed.shadowed


def test_what_was_stored_before_there_were_shadows_can_be_read() -> None:
    """An operator that is upgraded in the middle goes on."""
    record = Record(uid="u", rollout=begin("a", "b", now_s=1.0))
    data = dump_rollouts({"p": record})
    assert b"shadowed" not in data or b'"shadowed":null' in data
    old = data.replace(b',"shadowed":null', b"")
    assert load_rollouts(old) == {"p": record}


def test_a_shadow_that_comes_or_goes_with_an_edit_moves_nobody_back() -> None:
    """One that began without goes on without; one whose shadow is taken away begins its steps."""
    without = begin("a", "b", now_s=0.0)
    assert weight_percent(without, PLAN) == 5
    bare = msgspec.structs.replace(PLAN, shadow=None)
    assert weight_percent(BEGUN, bare) == 5


def test_its_end_is_news() -> None:
    """An Event tells what it took."""
    passed = look(BEGUN, scene(100, spent_nano=10**9))
    news = news_of(BEGUN, passed)
    assert news is not None
    assert news.reason == "RolloutShadowPassed"
    assert "100 pairs, 1.00 USD" in news.note


@given(spend=st.integers(0, 10**15))
def test_answers_and_judge_together_have_the_whole_of_the_money(spend: int) -> None:
    """And never more."""
    judged = msgspec.structs.replace(SHADOW, max_spend_nano=spend, judge=Judge(backend="j"))
    for shadow in (judged, msgspec.structs.replace(judged, judge=None)):
        routers = table_shadow(shadow, began_s=12.5)
        assert routers.max_spend_nano + shadow.judge_nano == spend
        assert routers.began_ms == 12_500


@given(
    looks=st.lists(
        st.tuples(
            st.integers(0, 130), st.floats(-1, 1), st.booleans(), st.floats(0, 500), st.booleans()
        ),
        max_size=12,
    )
)
def test_whatever_is_seen_no_caller_is_exposed_before_it_has_passed(
    looks: list[tuple[int, float, bool, float, bool]],
) -> None:
    """And one that has ended stays so."""
    rollout, now_s = BEGUN, 0.0
    for pairs, mean, verified, step_s, spent_up in looks:
        now_s += step_s
        now = scene(pairs, mean, verified=verified, spent_up=spent_up)
        before, rollout = rollout, look(rollout, now, now_s)
        if rollout.in_shadow or rollout.ended:
            assert weight_percent(rollout, PLAN) == 0
        if before.ended:
            assert rollout == before
        if before.in_shadow and not rollout.in_shadow and not rollout.ended:
            assert verified
            assert pairs >= LEAST
            break


def test_what_fails_half_of_the_time_is_found_with_fifty_pairs() -> None:
    """Spread over tasks of which none has enough alone."""
    tasks = ("Chat", "Coding", "Reasoning", "Document")
    for n in (13, 38):
        pairs = {task: Moments(n, -n / 2, n / 2) for task in (tasks if n < 30 else tasks[:2])}
        found = judged([Stretch(pairs=pairs)], Limits(quality_points=3.0), bounds_s=(0.1, 1.0))
        failed = [one.guardrail for one in found if one.verdict is Verdict.FAIL]
        assert "Quality" in failed, (n, found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_what_is_as_good_is_stopped_by_chance_in_one_of_a_hundred(seed: int) -> None:
    """However often it is looked at: 80 shadows of 300 pairs each, after each fourth pair."""
    dice = random.Random(seed)
    stopped = 0
    for _ in range(80):
        pairs = {"Chat": Moments(), "Coding": Moments()}
        for number in range(300):
            task = "Chat" if number % 3 else "Coding"
            value = dice.choice((-1.0, -0.5, 0.0, 0.0, 0.5, 1.0))
            pairs[task] += Moments(1, value, value * value)
            if number < 58 or number % 4:
                continue
            found = judged([Stretch(pairs=dict(pairs))], LOOSE, bounds_s=(0.1, 1.0))
            if any(one.verdict is Verdict.FAIL for one in found):
                stopped += 1
                break
    assert stopped <= 3, stopped
