"""Runs in, verdicts out: what is taken, what is not, and what begins anew."""

from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.evaluation.drift.observation import Missing, Probe
from pointsman.evaluation.drift.stream import begin, update
from pointsman.evaluation.drift.verdict import Phase, verdict
from pointsman.operator.plan.drifting.folding import rebaselined, shuffled, take
from pointsman.operator.plan.drifting.gathering import ALL, alphas_of
from pointsman.operator.plan.drifting.record import Golden, Record, dump, load
from pointsman.operator.plan.drifting.telling import is_suspected, samples, told
from pointsman.operator.plan.drifting.wish import Wish
from pointsman.operator.plan.evaluating.suite_run import SuiteRun
from tests.operator.drifting.runs import (
    BEGIN_MS,
    HOUR_MS,
    TASKS,
    UID,
    WISH,
    answer,
    folded,
    model_run,
    run_of,
)

HEALTHY = [model_run(number) for number in range(5)]
WORSE = [model_run(number, lost={"Coding": 0.4}) for number in range(5, 8)]


def golden(record: Record) -> Golden:
    assert record.golden
    return record.golden


def so(record: Record, wish: Wish = WISH) -> tuple[bool | None, str]:
    condition = told(record, wish).condition
    return condition.status, str(condition.reason)


def test_five_runs_make_a_baseline() -> None:
    """Before, it is not known, and the message counts; after, it is steady."""
    record, _ = folded(HEALTHY[:4])
    assert so(record) == (None, "NoBaseline")
    assert told(record, WISH).condition.message == "4 of 5 runs of the suite that make a baseline"
    record, news = folded(HEALTHY[4:], record)

    assert so(record) == (False, "Steady")
    assert told(record, WISH).condition.message == "no change against 5 runs of 120 prompts"
    assert set(golden(record).streams) == {*TASKS, ALL}
    assert news == []


def test_it_says_what_the_detector_says() -> None:
    """The fold of runs is the detector of probes: same scores, same numbers, to the last digit."""
    record, _ = folded([*HEALTHY, *WORSE])
    scores = {name: one.scores for name, one in golden(record).prompts.items()}
    coding = [name for name in scores if name.startswith("Coding")]
    runs = {name: tuple(score / 1e6 for score in scores[name]) for name in coding}
    state = begin([runs[name] for name in coding], alpha=alphas_of(TASKS, 0.01)["Coding"])
    for run in WORSE:
        for one in shuffled(run):
            if one.prompt in runs and one.score is not None:
                state = update(state, Probe(one.score, runs[one.prompt]))

    assert golden(record).streams["Coding"].state == state
    assert verdict(state).phase is Phase.DRIFTED


def test_a_task_that_became_worse_is_named() -> None:
    """With size, interval, since when, evidence; the other task is not."""
    record, news = folded([*HEALTHY, *WORSE])
    status = told(record, WISH)
    coding = next(one for one in status.fields["drift"] if one["task"] == "Coding")

    assert so(record) == (True, "Worse")
    assert coding["direction"] == "Worse"
    assert float(coding["low"]) < float(coding["points"]) < -15
    assert coding["sinceTime"] == "2026-09-21T19:13:20Z"  # when run 5 began
    assert coding["probes"] == 180
    assert "suspected" not in coding
    assert all(one["task"] != "Chat" for one in status.fields["drift"])
    assert samples(record, WISH) >= {("Coding", "Worse")}
    assert [one.reason for one in news].count("Drifted") == len(samples(record, WISH))
    note = next(one.note for one in news if one.note.startswith("Coding"))
    assert "since about 2026-09-21T19:13:20Z" in note
    assert note.endswith("of backends that do not change 1 % at most say so")


def test_an_improvement_is_found_too() -> None:
    """And it is no reason to worry: reason Better, a Normal Event."""
    better = [model_run(n, gained={"Chat": 1.0, "Coding": 1.0}) for n in range(5, 12)]
    record, news = folded([*HEALTHY, *better])

    assert so(record) == (True, "Better")
    assert {(one.reason, one.kind) for one in news} == {("DriftImproved", "Normal")}


@pytest.mark.slow
def test_a_healthy_backend_stays_steady() -> None:
    """For fifty runs, in each of three worlds."""
    for seed in range(3):
        runs = [model_run(n, prompts=10, seed=seed) for n in range(55)]
        record, news = folded(runs)
        assert so(record)[0] is False
        assert news == []


@pytest.mark.parametrize("ended", ["SpendCap", "Unreachable"])
def test_a_run_without_an_end_is_not_taken(ended: str) -> None:
    """Its answers are those of the first prompts alone."""
    record, _ = folded(HEALTHY)
    broken = msgspec.structs.replace(WORSE[0], ended=ended)

    assert take(record, broken, WISH) == (record, ())


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_again_late_and_restarted_makes_no_difference(data: st.DataObject) -> None:
    """Whatever comes once more, broken or out of its turn, and through storage in between."""
    runs = [model_run(n, prompts=8) for n in range(6)]
    runs += [model_run(n, prompts=8, lost={"Coding": 0.8}) for n in range(6, 10)]
    wanted, news = folded(runs)
    noisy: list[SuiteRun] = []
    for index, run in enumerate(runs):
        noisy.append(run)
        again = data.draw(st.lists(st.integers(0, index), max_size=3))
        noisy += [runs[earlier] for earlier in again]
        if data.draw(st.booleans()):
            noisy.append(msgspec.structs.replace(run, ended="SpendCap", run=run.run + 1))
        if data.draw(st.booleans()):
            noisy.append(msgspec.structs.replace(run, uid="another"))
        if data.draw(st.booleans()) and index:
            early = BEGIN_MS - HOUR_MS
            noisy.append(msgspec.structs.replace(run, content="old", began_ms=early))
    found, heard = folded(noisy, restarts=True)

    assert found == wanted
    assert dump(found) == dump(wanted)
    assert heard == news
    assert told(found, WISH) == told(wanted, WISH)


def test_another_content_begins_anew_and_says_so() -> None:
    """Scores of other prompts say nothing about these."""
    record, _ = folded([*HEALTHY, model_run(5)])
    edited = msgspec.structs.replace(model_run(20), content="c2", run=0)
    record, news = take(record, edited, WISH)

    assert so(record) == (None, "NoBaseline")
    assert [one.reason for one in news] == ["DriftBegun"]
    assert told(record, WISH).condition.message == (
        "1 of 5 runs of the suite that make a baseline; it began anew: prompts or checks of the "
        "suite 'golden' were edited"
    )
    back, _ = take(record, WORSE[-1], WISH)
    assert back is record, "a late run of the old content changes nothing"


def drawn(numbers: range, *, lost: float = 0.4, content: str = "c2") -> list[SuiteRun]:
    """Runs of a suite that was drawn anew."""
    runs = [model_run(number, lost={"Coding": lost}, seed=7) for number in numbers]
    return [msgspec.structs.replace(one, content=content) for one in runs]


@pytest.mark.slow
def test_an_alarm_outlives_the_prompts_that_raised_it() -> None:
    """A suite that is drawn anew by itself makes no degraded model the baseline unseen."""
    record, _ = folded([*HEALTHY, *WORSE], restarts=True)
    before = told(record, WISH).fields["drift"]
    record, news = folded(drawn(range(8, 9)), record, restarts=True)
    assert so(record) == (True, "Worse")
    assert "what was found stays until somebody accepts it" in news[0].note
    record, _ = folded(drawn(range(9, 30)), record, restarts=True)
    record, _ = folded(drawn(range(30, 45), content="c3"), record, restarts=True)

    assert so(record) == (True, "Worse")
    status = told(record, WISH)
    assert status.fields["drift"] == before
    assert samples(record, WISH) >= {("Coding", "Worse")}
    assert "the suite changed since, so no run ends it of itself: Coding" in (
        status.condition.message
    )
    assert "pointsman.dev/drift-rebaseline" in status.condition.message


def test_who_accepts_it_accepts_the_baseline_of_the_new_prompts() -> None:
    """It is of what it does now; one that is not whole yet is waited for."""
    record, _ = folded([*HEALTHY, *WORSE, *drawn(range(8, 11))])
    early, _ = rebaselined(record, "1", WISH, now_ms=BEGIN_MS)
    assert so(early) == (None, "NoBaseline")
    record, _ = folded(drawn(range(11, 15)), record)
    done, news = rebaselined(record, "1", WISH, now_ms=BEGIN_MS)

    assert so(done) == (False, "Steady")
    assert golden(done) == golden(record)
    assert news[0].note == "somebody accepted what it does now as its baseline"
    early, _ = folded(drawn(range(11, 30)), early)
    assert so(early) == (False, "Steady")


def test_another_model_ends_an_alarm_of_other_prompts() -> None:
    """The owner's own act."""
    record, _ = folded([*HEALTHY, *WORSE, *drawn(range(8, 14))])
    wish = Wish(model="model-b", golden=True)
    record, _ = take(record, model_run(20), wish)

    assert so(record, wish) == (None, "NoBaseline")


def test_of_what_is_held_and_found_the_worse_is_told() -> None:
    """A gain of before hides no loss of now."""
    better = [model_run(n, gained={"Chat": 1.0, "Coding": 1.0}) for n in range(5, 12)]
    record, _ = folded([*HEALTHY, *better, *drawn(range(12, 17), lost=0.0)])
    assert so(record) == (True, "Better")
    record, _ = folded(drawn(range(17, 22), lost=0.8), record)
    assert so(record) == (True, "Worse")
    assert ("Coding", "Worse") in samples(record, WISH)
    record, _ = folded(drawn(range(22, 24), lost=0.8, content="c3"), record)

    assert so(record) == (True, "Worse")


def test_another_model_is_no_drift() -> None:
    """The owner asked for it."""
    record, _ = folded([*HEALTHY, *WORSE])
    wish = Wish(model="model-b", golden=True)
    record, news = take(record, model_run(9), wish)

    assert so(record, wish) == (None, "NoBaseline")
    assert "spec.model is 'model-b', and was 'model-a'" in news[0].note


def test_another_uid_is_not_taken() -> None:
    """A run of a predecessor of that name."""
    record = Record(uid="new")

    assert take(record, HEALTHY[0], WISH) == (record, ())


def test_missing_answers_are_no_evidence() -> None:
    """Refused is not wrong; a baseline waits for prompts that were not answered."""
    gone = run_of(
        [
            msgspec.structs.replace(one, score=None, missing="Refused")
            if one.task == "Coding"
            else one
            for one in HEALTHY[0].evaluations
        ],
        0,
    )
    record, _ = folded([gone, *HEALTHY[1:]])
    assert so(record) == (None, "NoBaseline")
    assert "5 runs, and 60 of 120 prompts lack answers" in told(record, WISH).condition.message
    record, _ = folded([model_run(5)], record)
    assert so(record) == (False, "Steady")
    nothing = [
        msgspec.structs.replace(one, score=None, missing="TimedOut") for one in gone.evaluations
    ]
    record, news = folded([run_of(nothing, n) for n in range(6, 30)], record)
    assert so(record) == (False, "Steady")
    assert news == []
    assert golden(record).streams[ALL].state.absent.timed_out == 24 * 120
    assert golden(record).streams[ALL].state.count == 0


def test_a_prompt_that_is_never_answered_is_left_out() -> None:
    """After twice as many runs; the others are compared."""
    runs = [
        run_of(
            [
                msgspec.structs.replace(one, score=None, missing="Error")
                if one.prompt == "Chat-3"
                else one
                for one in model_run(n).evaluations
            ],
            n,
        )
        for n in range(10)
    ]
    record, _ = folded(runs[:9])
    assert so(record) == (None, "NoBaseline")
    record, _ = folded(runs[9:], record)

    assert told(record, WISH).condition.message == (
        "no change against 5 runs of 119 prompts (1 more have too few answers to compare with)"
    )


def test_a_suite_that_is_never_answered_has_no_baseline() -> None:
    """However long; and what is kept does not grow."""
    runs = [run_of([answer("p", "Chat", None, missing="Refused")], n) for n in range(40)]
    record, _ = folded(runs)

    assert so(record) == (None, "NoBaseline")
    assert len(dump(record)) < 1000


def test_what_cannot_be_a_score_is_none() -> None:
    """A mistake in whoever runs suites: neither a baseline nor a verdict is made of it."""
    wrong = [
        msgspec.structs.replace(one, score=7.0 if index % 2 else float("nan"))
        for index, one in enumerate(model_run(0).evaluations)
    ]
    record, _ = folded([run_of(wrong, 0)])
    assert all(one.scores == () for one in golden(record).prompts.values())
    record, _ = folded([*HEALTHY])
    record, news = folded([run_of(wrong, n) for n in range(5, 9)], record)
    assert (so(record), news) == ((False, "Steady"), [])


def test_one_task_has_the_whole_alpha() -> None:
    """And several share it, with half of it for all of them together."""
    assert alphas_of(["Chat"], 0.01) == {"Chat": 0.01}
    shared = alphas_of(["Chat", "Coding"], 0.01)
    assert shared == {"Chat": 0.0025, "Coding": 0.0025, "all": 0.005}
    assert sum(shared.values()) == pytest.approx(0.01)
    record, _ = folded([model_run(n, tasks=["Chat"]) for n in range(5)])
    assert set(golden(record).streams) == {"Chat"}


def test_what_recovers_by_itself_is_no_longer_drifted() -> None:
    """Against the same baseline; and it can drift again."""
    healthy_again = [model_run(n) for n in range(8, 14)]
    record, news = folded([*HEALTHY, *WORSE, *healthy_again])

    assert so(record) == (False, "Steady")
    assert "DriftRecovered" in [one.reason for one in news]
    assert any(one.note == "Coding: no longer worse than its baseline" for one in news)
    record, news = folded([model_run(n, lost={"Coding": 0.4}) for n in range(14, 17)], record)
    assert so(record) == (True, "Worse")
    assert "Drifted" in [one.reason for one in news]


def test_what_stays_worse_stays_drifted() -> None:
    """For forty runs, whatever evidence piles up."""
    lost = {"Coding": 0.5}
    record, news = folded([model_run(n, prompts=20) for n in range(5)])
    worse = [model_run(n, prompts=20, lost=lost) for n in range(5, 48)]
    record, news = folded(worse[:3], record)
    more, again = folded(worse[3:], record)

    assert so(more) == (True, "Worse")
    assert all(one.reason != "DriftRecovered" for one in [*news, *again])


def test_a_person_accepts_what_it_does_now() -> None:
    """Runs after the alarm are the baseline; each value of the annotation once."""
    record, _ = folded([*HEALTHY, *WORSE])
    after = [model_run(n, lost={"Coding": 0.4}) for n in range(8, 13)]
    record, _ = folded(after, record)
    accepted, news = rebaselined(record, "1", WISH, now_ms=BEGIN_MS)

    assert so(accepted) == (False, "Steady")
    assert [one.note for one in news] == ["somebody accepted what it does now as its baseline"]
    assert rebaselined(accepted, "1", WISH, now_ms=BEGIN_MS) == (accepted, ())
    steady, news_ = folded([model_run(n, lost={"Coding": 0.4}) for n in range(13, 30)], accepted)
    assert so(steady) == (False, "Steady")
    assert news_ == []
    better, _ = folded([model_run(n) for n in range(30, 33)], steady)
    assert so(better) == (True, "Better"), "what it once could do is an improvement now"


def test_a_person_who_accepts_early_waits_for_runs() -> None:
    """Too few runs after the alarm: NoBaseline until there are enough."""
    record, _ = folded([*HEALTHY, *WORSE])
    record, news = rebaselined(record, "now", WISH, now_ms=BEGIN_MS)
    assert so(record) == (None, "NoBaseline")
    assert "more runs make it" in news[0].note
    later = [model_run(n, lost={"Coding": 0.4}) for n in range(8, 13)]
    record, _ = folded(later, record, restarts=True)

    assert so(record) == (False, "Steady")


def test_who_accepts_a_steady_backend_begins_with_the_next_run() -> None:
    """For a change that is known to come; settings of now hold from then on."""
    record, _ = folded(HEALTHY)
    wish = Wish(model="model-a", golden=True, runs=2, alpha=0.05)
    record, _ = rebaselined(record, "x", wish, now_ms=BEGIN_MS)
    assert so(record, wish) == (None, "NoBaseline")
    record, _ = folded(WORSE[:2], record, wish=wish)

    assert so(record, wish) == (False, "Steady")
    assert (golden(record).wanted, golden(record).alpha) == (2, 0.05)


def test_settings_of_a_baseline_are_those_that_it_began_with() -> None:
    """A chance of false alarms is of a stream, not of its later half."""
    record, _ = folded(HEALTHY)
    wish = Wish(model="model-a", golden=True, runs=9, alpha=0.1)
    record, _ = folded(WORSE, record, wish=wish)

    assert golden(record).alpha == 0.01
    assert so(record, wish) == (True, "Worse")


def test_fewer_runs_are_enough_as_soon_as_they_are_asked_for() -> None:
    """While the baseline is still gathered."""
    record, _ = folded(HEALTHY[:4])
    wish = Wish(model="model-a", golden=True, runs=3)
    record, _ = folded(HEALTHY[4:], record, wish=wish)

    assert so(record, wish) == (False, "Steady")
    assert all(len(one.scores) == 3 for one in golden(record).prompts.values())


def test_a_suspicion_is_told_and_asks_for_runs() -> None:
    """Some prompts are lost: not proven after one run, and a reason to ask again."""
    record, _ = folded([*HEALTHY, model_run(5, lost={"Coding": 0.2})])

    assert so(record) == (False, "Suspected")
    assert is_suspected(record, WISH)
    assert told(record, WISH).condition.message.startswith("perhaps ")
    assert all(one["suspected"] is True for one in told(record, WISH).fields["drift"])
    assert not is_suspected(folded(HEALTHY)[0], WISH)


def test_absent_reasons_are_all_known() -> None:
    """Each of the events' reasons counts as one of the detector's."""
    record, _ = folded(HEALTHY)
    reasons: list[Literal["Refused", "TimedOut", "Unreadable", "Error"]]
    reasons = ["Refused", "TimedOut", "Unreadable", "Error"]
    answers = [answer(f"Chat-{n}", "Chat", None, missing=why) for n, why in enumerate(reasons)]
    record, _ = take(record, run_of(answers, 9), WISH)
    absent = golden(record).streams["Chat"].state.absent

    assert (absent.refused, absent.timed_out, absent.unreadable) == (1, 1, 2)
    assert len(Missing) == 3


def test_a_record_of_each_moment_can_be_stored() -> None:
    """And read back as it was."""
    record = Record(uid=UID)
    for run in [*HEALTHY, *WORSE, *[model_run(n) for n in range(8, 14)]]:
        record, _ = take(record, run, WISH)
        assert load(dump(record)) == record
