"""What golden prompts say of a candidate that nobody asks anything."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.api import table
from pointsman.api.matches import Match
from pointsman.api.predicting import Chooser
from pointsman.operator.plan.evaluating.suite_run import Answer
from pointsman.operator.plan.rollout.guarding import Verdict
from pointsman.operator.plan.rollout.probing import (
    PREDICTED,
    SAME,
    Probe,
    Probed,
    ProbeLimits,
    Question,
    change,
    probed,
    question_of,
)
from tests.operator.rollout.replays import CODE, blob, rule

LIMITS = ProbeLimits(quality_points=5.0)
SEEDS = 400
Scores = Mapping[str, Iterable[float | None]]
"""By task, a score of each prompt."""


def probe(scores: Scores, *, content: str = "c1", cost_nano: int = 0, **more: Any) -> Probe:
    """A run; prompts of a task have numbers."""
    answers = {
        f"{task}-{number}": Answer(task, score, cost_nano=cost_nano, **more)
        for task, several in scores.items()
        for number, score in enumerate(several)
    }
    return Probe(content=content, answers=answers, currency="USD" if cost_nano else "")


def right(share: float, count: int = 100, task: str = "Coding") -> Scores:
    """So many of the prompts, the first ones."""
    known = round(share * count)
    return {task: [1.0] * known + [0.0] * (count - known)}


def question(*after: table.Route, before: tuple[table.Route, ...] = ()) -> Question:
    """From `a` to these routes."""
    old = before or (rule("default", "a"),)
    pair = (table.decode_blob(blob("desk-1", *old)), table.decode_blob(blob("desk-2", *after)))
    return question_of(*pair)


TO_B = question(rule("default", "b"))


def asked(
    of: Question = TO_B,
    limits: ProbeLimits = LIMITS,
    *,
    blocked: Mapping[str, str] | None = None,
    **probes: Probe,
) -> Probed:
    return probed(of, probes, blocked or {}, limits)


def test_one_that_is_as_good_passes_and_one_that_is_worse_fails() -> None:
    """By its figures, which the message has."""
    found = asked(a=probe(right(0.9)), b=probe(right(0.9)))
    assert (found.verdict, [one.guardrail for one in found.findings]) == ("Pass", ["Golden/Coding"])
    found = asked(a=probe(right(0.9)), b=probe(right(0.7)))
    assert found.verdict == "Fail"
    assert "Golden/Coding default: +20.0 points" in found.message
    assert "5 are allowed" in found.message


def test_what_few_prompts_leave_open_is_unknown() -> None:
    """Neither good nor bad; 20 prompts are too few for anything, however they came out."""
    assert asked(a=probe(right(0.9, 40)), b=probe(right(0.85, 40))).verdict == "Unknown"
    found = asked(a=probe(right(1.0, 20)), b=probe(right(0.0, 20)))
    assert found.verdict == "Unknown"
    assert "20 prompts are too few, 30 are the least" in found.message


def test_a_task_that_got_worse_is_found_among_others() -> None:
    """All together they would pass."""
    tasks = {**right(0.9, 300, "Chat"), **right(0.9, 100, "Coding")}
    worse = {**right(0.9, 300, "Chat"), **right(0.78, 100, "Coding")}
    found = asked(a=probe(tasks), b=probe(worse))
    assert found.verdict == "Fail"
    assert found.findings[0].guardrail == "Golden/Coding"
    assert {one.guardrail: one.verdict for one in found.findings}["Golden/all"] == Verdict.PASS


def test_who_does_not_answer_is_not_called_good() -> None:
    """What has no score is no wrong answer; with many of them nobody knows."""
    holes: Scores = {"Coding": [None] * 20 + [1.0] * 80}
    found = asked(a=probe(right(1.0)), b=probe(holes))
    assert found.verdict == "Unknown"
    assert "80 of 100 prompts have a score of all" in found.message
    few: Scores = {"Coding": [None] * 5 + [1.0] * 95}
    assert asked(a=probe(right(1.0)), b=probe(few)).verdict == "Pass"


def test_answers_to_other_prompts_are_not_compared() -> None:
    """Each has a suite of its own."""
    found = asked(a=probe(right(1.0)), b=probe(right(0.0), content="c2"))
    assert (found.verdict, found.findings) == ("Unknown", ())
    assert "a, b are not the same" in found.message


def test_without_a_suite_nobody_is_waited_for() -> None:
    """The reason names who has none; who has one is waited for."""
    found = asked(a=probe(right(1.0)), blocked={"b": "it has no EvaluationSuite"})
    assert (found.verdict, found.message) == (
        "Unknown", "golden prompts cannot tell: b: it has no EvaluationSuite",
    )  # fmt: skip
    waits = probed(TO_B, {"a": probe(right(1.0))}, {}, LIMITS, late={"b": "SpendCapReached"})
    assert waits.verdict == "Waits"
    assert waits.message == "golden prompts of b (SpendCapReached) are awaited"
    of_both = asked()
    assert of_both.message == "golden prompts of a, b are awaited"


def test_what_no_suite_can_see_is_unknown() -> None:
    """Another rule with the same backends, a predictor, quality that nobody looks at."""
    assert question(rule("default", "a")).unseen == SAME
    assert asked(question(rule("default", "a"))).verdict == "Unknown"
    chooser = Chooser(mode="Apply", candidates=("a", "b"), routes=("default",))
    old = table.decode_blob(blob("desk-1", rule("default", "a")))
    new = structs.replace(old, revision="desk-2", predictor=chooser)
    assert question_of(old, new).unseen == PREDICTED
    nothing = asked(limits=ProbeLimits(quality_points=None), a=probe(right(1.0)))
    assert (nothing.verdict, "maxQualityPoints" in nothing.message) == ("Unknown", True)


def test_a_part_that_moves_is_looked_at_undiluted() -> None:
    """One of ten requests goes to one that is 30 points worse: that request is what it is about."""
    tenth = question(rule("default", {"a": 9, "b": 1}))
    found = asked(tenth, a=probe(right(0.9)), b=probe(right(0.6)))
    assert found.verdict == "Fail"
    assert found.findings[0].value == pytest.approx(30)


def test_several_who_gain_and_lose_count_by_their_parts() -> None:
    """From a and b to d, a quarter of each; c keeps its quarter and does not count."""
    before, after = {"a": 2, "b": 1, "c": 1}, {"a": 1, "c": 1, "d": 2}
    of = question(rule("default", after), before=(rule("default", before),))
    assert change(of.swaps[0].after, of.swaps[0].before[0]) == {"a": -0.5, "d": 1.0, "b": -0.5}
    found = asked(of, a=probe(right(0.8)), b=probe(right(0.6)), d=probe(right(0.7)))
    assert found.verdict == "Pass"
    assert found.findings[0].value == pytest.approx(0)
    assert (
        asked(of, a=probe(right(0.8)), b=probe(right(0.6)), d=probe(right(0.4))).verdict == "Fail"
    )


def test_a_rule_is_about_its_own_tasks() -> None:
    """What it does not take may be worse; of what no prompt is about, all of them stand for it."""
    before = (rule("code", "a", CODE), rule("default", "a"))
    of = question(rule("code", "b", CODE), rule("default", "a"), before=before)
    tasks = {**right(0.9, 100, "Chat"), **right(0.9, 100, "Coding")}
    chats_worse = {**right(0.3, 100, "Chat"), **right(0.9, 100, "Coding")}
    found = asked(of, a=probe(tasks), b=probe(chats_worse))
    assert (found.verdict, [one.guardrail for one in found.findings]) == ("Pass", ["Golden/Coding"])
    sums = Match(tasks=("Reasoning",))
    before = (rule("sums", "a", sums), rule("default", "a"))
    of = question(rule("sums", "b", sums), rule("default", "a"), before=before)
    found = asked(of, a=probe(tasks), b=probe(chats_worse))
    assert (found.verdict, found.findings[0].guardrail) == ("Fail", "Golden/all")


def test_tasks_that_rules_before_take_are_not_the_default_s() -> None:
    """A rule with a further condition leaves some of them to it."""
    legal = structs.replace(CODE, domains=("Law",))
    tasks = {**right(0.9, 100, "Chat"), **right(0.9, 100, "Coding")}
    bad_at_code = {**right(0.9, 100, "Chat"), **right(0.3, 100, "Coding")}
    for match, verdict in ((CODE, "Pass"), (legal, "Fail")):
        before = (rule("code", "a", match), rule("default", "a"))
        of = question(rule("code", "a", match), rule("default", "b"), before=before)
        assert asked(of, a=probe(tasks), b=probe(bad_at_code)).verdict == verdict
    twice = (rule("code", "a", CODE), rule("again", "b", CODE), rule("default", "a"))
    moved = (rule("code", "a", CODE), rule("again", "c", CODE), rule("default", "a"))
    assert question(*moved, before=twice).unseen == SAME, "nobody comes by the second one"


def test_requests_that_may_have_come_by_any_rule_have_to_be_as_good_as_by_each() -> None:
    """A new rule in front: better than the one and worse than the other is Unknown."""
    before = (rule("code", "a", CODE), rule("default", "b"))
    legal = rule("legal", "c", Match(domains=("Law",)))
    of = question(legal, *before, before=before)
    assert {swap.rule: swap.backends for swap in of.swaps}["legal"] == {"a", "b", "c"}
    equal = probe(right(0.9))
    assert asked(of, a=equal, b=equal, c=equal).verdict == "Pass"
    assert asked(of, a=equal, b=equal, c=probe(right(0.6))).verdict == "Fail"
    assert asked(of, a=equal, b=probe(right(0.3)), c=probe(right(0.6))).verdict == "Unknown"


def test_a_rule_with_several_matches_is_another_one_when_one_of_them_is() -> None:
    """What it took before went to the default as well."""
    legal = Match(domains=("Law",))
    old = structs.replace(rule("code", "a"), matches=(CODE, legal))
    new = structs.replace(rule("code", "a"), matches=(CODE, Match(languages=("de",))))
    before = (old, rule("default", "b"))
    of = question(new, rule("default", "b"), before=before)
    assert {swap.rule: swap.backends for swap in of.swaps}["code"] == {"a", "b"}


def test_the_same_prompts_that_cost_twice_as_much_fail() -> None:
    """By the tokens they really took; who knows no prices is not looked at."""
    limits = ProbeLimits(quality_points=5.0, cost_percent=25.0)
    cheap, dear = probe(right(0.9), cost_nano=1000), probe(right(0.9), cost_nano=2000)
    found = asked(limits=limits, a=cheap, b=dear)
    assert found.verdict == "Fail"
    assert "GoldenCost default: +100.0 %" in found.message
    assert asked(limits=limits, a=cheap, b=cheap).verdict == "Pass"
    assert asked(limits=limits, a=dear, b=cheap).verdict == "Pass"
    unknown = asked(limits=limits, a=probe(right(0.9)), b=cheap)
    assert unknown.verdict == "Unknown"
    other = structs.replace(cheap, currency="EUR")
    assert "several currencies" in asked(limits=limits, a=cheap, b=other).message


def test_weights_of_prompts_count() -> None:
    """A suite of a few heavy prompts is a small one."""
    heavy = {f"h{n}": Answer("Coding", 1.0, weight=100) for n in range(10)}
    light = {f"l{n}": Answer("Coding", 1.0) for n in range(90)}
    one = Probe(content="c1", answers={**heavy, **light})
    assert "too few" in asked(a=one, b=one).message


SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=0, max_size=60)


@given(SCORES, st.randoms(use_true_random=False))
def test_laws(pairs: list[tuple[float, float]], dice: random.Random) -> None:
    """Nobody fails who is never worse, nobody both ways; the order of prompts says nothing."""
    low: Scores = {"Coding": [min(pair) for pair in pairs]}
    high: Scores = {"Coding": [max(pair) for pair in pairs]}
    assert asked(a=probe(low), b=probe(high)).verdict in {"Pass", "Unknown"}
    sides = tuple(probe({"Coding": list(side)}) for side in zip(*pairs, strict=True))
    if not sides:
        return
    one, other = sides
    there, back = asked(a=one, b=other), asked(a=other, b=one)
    assert "Fail" not in {there.verdict} & {back.verdict}
    names = list(one.answers)
    dice.shuffle(names)
    mixed = structs.replace(one, answers={name: one.answers[name] for name in names})
    again = asked(a=mixed, b=other)
    assert again.verdict == there.verdict
    assert again.findings[0].value == pytest.approx(there.findings[0].value, abs=1e-6)


def played(points: float, seed: int) -> str:
    """Two tasks of 100 prompts; 8 % of answers differ by chance, one task is worse by so much."""
    dice = random.Random(seed)
    old, new = dict[str, list[float]](), dict[str, list[float]]()
    for task, lost in (("Chat", 0.0), ("Coding", points / 100)):
        for _ in range(100):
            known = dice.random() < 0.8
            old.setdefault(task, []).append(float(known != (dice.random() < 0.04)))
            knows = known != (dice.random() < 0.04) and dice.random() >= lost / 0.8
            new.setdefault(task, []).append(float(knows))
    return asked(a=probe(old), b=probe(new)).verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("points", "passed", "failed"),
    [(0, (0.3, 1.0), (0.0, 0.01)), (5, (0.0, 0.05), (0.0, 1.0)), (25, (0.0, 0.0), (0.9, 1.0))],
)
def test_errors_are_as_rare_as_they_are_said_to_be(
    points: float, passed: tuple[float, float], failed: tuple[float, float]
) -> None:
    """As good: hardly ever stopped. Worse by the limit: seldom passed. Much worse: stopped."""
    found = [played(points, seed) for seed in range(SEEDS)]
    shares = [found.count(one) / SEEDS for one in ("Pass", "Fail")]
    for share, (least, most) in zip(shares, (passed, failed), strict=True):
        assert least <= share <= most, shares
