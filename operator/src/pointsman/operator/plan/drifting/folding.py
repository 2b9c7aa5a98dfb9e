"""Takes one run, or a person's word: the next record, and what is new.

Only Complete runs are taken, each number once and none after a later one; what is taken again, or
comes too late, changes nothing. Another content of the suite, or another model that is asked for,
begins a baseline anew. An alarm outlives its content: whoever owns the backend ends it then, by
accepting what it does now, or by asking for another model.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.evaluation.drift import recovery, stream
from pointsman.evaluation.drift.betting import difference
from pointsman.evaluation.drift.observation import Missing, Probe
from pointsman.evaluation.drift.stream import Direction
from pointsman.evaluation.drift.verdict import verdict
from pointsman.events.schema import Evaluation
from pointsman.operator.plan.drifting import wording
from pointsman.operator.plan.drifting.gathering import ALL, based, gathered, is_enough, score_of
from pointsman.operator.plan.drifting.identifying import (
    Renamed,
    accepted,
    looked_at,
    said_in,
)
from pointsman.operator.plan.drifting.news import News
from pointsman.operator.plan.drifting.record import (
    MICRO,
    MOST_HELD,
    Found,
    Golden,
    Held,
    Names,
    Record,
    Scored,
    Stream,
)
from pointsman.operator.plan.drifting.traffic import looked_into
from pointsman.operator.plan.drifting.wish import Wish
from pointsman.operator.plan.evaluating.suite_run import SuiteRun

MARKS: Final = 64
"""Runs whose times are kept: a change that began before them is told as of the first."""
_MISSING: Final = {
    "Refused": Missing.REFUSED,
    "TimedOut": Missing.TIMED_OUT,
    "Unreadable": Missing.UNREADABLE,
    "Error": Missing.UNREADABLE,
}

Folded = tuple[Record, tuple[News, ...]]


def take(record: Record, run: SuiteRun, wish: Wish) -> Folded:
    """One run more."""
    if run.ended != "Complete" or run.uid != record.uid or not run.evaluations:
        return record, ()
    golden, names, news = record.golden, record.names, list[News]()
    if golden is None or _is_another(golden, run, wish):
        if golden is not None and run.began_ms < golden.began_ms:
            return record, ()  # of what was asked before
        if golden is not None:
            why = _why_anew(golden, run, wish)
            same_model = golden.model == wish.model
            held = _held(record.held, golden) if same_model else ()
            record = msgspec.structs.replace(record, fresh=why, held=held)
            names = names if same_model else Names()
            note = f"the baseline begins anew: {why}"
            note += "; what was found stays until somebody accepts it" if held else ""
            news.append(News("DriftBegun", note, run.ended_ms))
        golden = _anew(run, wish)
    elif run.run <= golden.run:
        return record, ()
    said = said_in((one.reported_model, one.fingerprint) for one in run.evaluations)
    names, renames = looked_at(
        names, said, wish.fields, learning=not golden.streams, at_ms=run.ended_ms
    )
    news.extend(_names_news(one, run) for one in renames)
    golden = msgspec.structs.replace(
        golden, run=run.run, began_ms=run.began_ms, ended_ms=run.ended_ms
    )
    was_drifted = is_drifted(golden) or bool(record.names.changed)
    fresh_alarm = any(not one.back for one in renames)
    if not golden.streams:
        golden = _gathering(golden, run, wish, anew=fresh_alarm)
    else:
        golden, told = _compared(golden, run)
        news.extend(told)
        fresh_alarm |= any(one.reason in {"Drifted", "DriftImproved"} for one in told)
        golden = _kept(golden, run, anew=fresh_alarm, drifted=was_drifted)
    done = msgspec.structs.replace(
        record,
        golden=golden,
        names=names,
        traffic=looked_into(record.traffic, run.began_ms) if golden.streams else record.traffic,
        fresh="" if golden.streams else record.fresh,
    )
    return done, tuple(news)


def rebaselined(record: Record, value: str, wish: Wish, *, now_ms: int) -> Folded:
    """Somebody says that what it does now is right; each value is heard once."""
    if value == record.accepted:
        return record, ()
    golden = record.golden
    drifted = golden is not None and (is_drifted(golden) or bool(record.names.changed))
    # All runs of this content are of what is accepted, if the alarm is of one before.
    made_since = golden is not None and bool(golden.streams) and bool(record.held) and not drifted
    record = msgspec.structs.replace(record, accepted=value, names=accepted(record.names), held=())
    if golden is None:
        return record, ()
    if golden.streams and not made_since:
        scores = golden.later if drifted else {}
        runs = golden.later_runs if drifted else 0
        golden = _asked_now(golden, wish)
        trimmed = {
            name: Scored(one.task, one.scores[-golden.wanted :]) for name, one in scores.items()
        }
        golden = msgspec.structs.replace(
            golden, prompts=trimmed, runs=runs, streams={}, later={}, later_runs=0
        )
        golden = _when_enough(golden)
    missing = 0 if golden.streams else max(1, golden.wanted - golden.runs)
    note = "somebody accepted what it does now as its baseline"
    if missing:
        note += f"; {missing} more runs make it"
    fresh = "somebody asked for it" if missing else ""
    done = msgspec.structs.replace(record, golden=golden, fresh=fresh)
    return done, (News("DriftRebaselined", note, now_ms),)


def is_drifted(golden: Golden) -> bool:
    """Whether any stream has raised its alarm."""
    return any(one.state.alarm for one in golden.streams.values())


def _held(before: tuple[Held, ...], golden: Golden) -> tuple[Held, ...]:
    """With the alarms of a content that is left; of one task the worse, else the earlier."""
    found = {one.task: one for one in before}
    for task, known in golden.streams.items():
        drift, held = verdict(known.state), found.get(task)
        if known.found is None or drift.direction is None:
            continue
        if held is None or (held.direction, drift.direction) == (Direction.BETTER, Direction.WORSE):
            found[task] = Held(
                task=task,
                direction=drift.direction,
                change=drift.change,
                low=drift.low,
                high=drift.high,
                evidence=drift.evidence,
                needed=drift.needed,
                alpha=golden.alpha,
                count=drift.count,
                since_ms=known.found.since_ms,
            )
    ordered = sorted(found.values(), key=lambda one: one.direction is not Direction.WORSE)
    return tuple(ordered[:MOST_HELD])


def _is_another(golden: Golden, run: SuiteRun, wish: Wish) -> bool:
    asked = (golden.suite, golden.content, golden.model)
    return asked != (run.suite, run.content, wish.model)


def _why_anew(golden: Golden, run: SuiteRun, wish: Wish) -> str:
    if golden.model != wish.model:
        return f"spec.model is {wish.model!r}, and was {golden.model!r}"
    if golden.suite != run.suite:
        return f"the suite is {run.suite!r}, and was {golden.suite!r}"
    return f"prompts or checks of the suite {run.suite!r} were edited"


def _anew(run: SuiteRun, wish: Wish) -> Golden:
    return Golden(
        suite=run.suite,
        content=run.content,
        model=wish.model,
        alpha=wish.alpha,
        wanted=wish.runs,
    )


def _asked_now(golden: Golden, wish: Wish) -> Golden:
    return msgspec.structs.replace(golden, alpha=wish.alpha, wanted=wish.runs)


def _gathering(golden: Golden, run: SuiteRun, wish: Wish, *, anew: bool) -> Golden:
    """One run more of the baseline, or the first of it."""
    golden = _asked_now(golden, wish)
    known = {} if anew else golden.prompts
    return _when_enough(
        msgspec.structs.replace(
            golden,
            runs=1 if anew else golden.runs + 1,
            prompts=gathered(known, run.evaluations, golden.wanted),
        )
    )


def _when_enough(golden: Golden) -> Golden:
    if is_enough(golden.prompts, golden.runs, golden.wanted):
        return based(golden, golden.prompts)
    return golden


def _kept(golden: Golden, run: SuiteRun, *, anew: bool, drifted: bool) -> Golden:
    """Scores after the last alarm, for whoever accepts what they are of."""
    if anew or not drifted:
        return msgspec.structs.replace(golden, later={}, later_runs=0)
    return msgspec.structs.replace(
        golden,
        later=gathered(golden.later, run.evaluations, golden.wanted),
        later_runs=golden.later_runs + 1,
    )


def _compared(golden: Golden, run: SuiteRun) -> tuple[Golden, list[News]]:
    news: list[News] = []
    streams, evaluations = dict(golden.streams), shuffled(run)
    for task, known in golden.streams.items():
        answers = [one for one in evaluations if task in (ALL, one.task)]
        found = _fed(known, answers, golden, run)
        if found.state.alarm and not known.state.alarm:
            news.append(_alarm_news(task, found, run, golden))
        if found.recovery is not None and recovery.is_over(found.recovery):
            news.append(_recovery_news(task, found, run))
            found = _begun_again(task, found, golden)
        streams[task] = found
    return msgspec.structs.replace(golden, streams=streams, runs=golden.runs + 1), news


def shuffled(run: SuiteRun) -> list[Evaluation]:
    """
    The answers in an order that follows from the run's number alone.

    Suites are often sorted by topic: what is lost would stand together, and the rest after it look
    like a recovery. Times are only known of whole runs, so the order within one tells nothing.
    """

    def place(one: Evaluation) -> bytes:
        text = f"{run.content}/{run.run}/{one.prompt}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    return sorted(run.evaluations, key=place)


def _fed(known: Stream, answers: Sequence[Evaluation], golden: Golden, run: SuiteRun) -> Stream:
    state, again = known.state, known.recovery
    marks = (*known.marks, (state.count, run.began_ms))[-MARKS:]
    lost, count = 0.0, 0
    for answer in answers:
        stored = golden.prompts.get(answer.prompt)
        if stored is None or len(stored.scores) != golden.wanted:
            continue
        score = score_of(answer)
        if score is None:
            state = stream.update(state, _MISSING.get(answer.missing, Missing.UNREADABLE))
            continue
        probe = Probe(score, tuple(score / MICRO for score in stored.scores))
        state = stream.update(state, probe)
        lost, count = lost + difference(probe), count + 1
        if again is not None:
            again = recovery.seen_again(again, probe)
    found = known.found
    if state.alarm and found is None:
        found = Found(at_ms=run.ended_ms, since_ms=time_of(marks, state.alarm.since))
        again = recovery.begin(state.alarm.direction, lost / count)
    return Stream(state=state, marks=marks, found=found, recovery=again)


def _begun_again(task: str, known: Stream, golden: Golden) -> Stream:
    """Against the same baseline."""
    runs = [
        tuple(score / MICRO for score in one.scores)
        for one in golden.prompts.values()
        if len(one.scores) == golden.wanted and task in (ALL, one.task)
    ]
    return Stream(state=stream.rebaselined(known.state, runs))


def time_of(marks: Sequence[tuple[int, int]], probe: int) -> int:
    """When the run began that this probe was in."""
    found = marks[0][1]
    for before, began_ms in marks:
        if before <= probe:
            found = began_ms
    return found


def _alarm_news(task: str, found: Stream, run: SuiteRun, golden: Golden) -> News:
    drift = verdict(found.state)
    assert found.found is not None, "there is an alarm"
    note = wording.changed(task, drift, found.found.since_ms)
    note += f"; of backends that do not change {wording.percent(golden.alpha)} at most say so"
    worse = drift.direction is Direction.WORSE
    return News("Drifted" if worse else "DriftImproved", note, run.ended_ms)


def _recovery_news(task: str, found: Stream, run: SuiteRun) -> News:
    assert found.state.alarm is not None, "it had drifted"
    word = found.state.alarm.direction.lower()
    note = f"{task}: no longer {word} than its baseline"
    return News("DriftRecovered", note, run.ended_ms)


def _names_news(one: Renamed, run: SuiteRun) -> News:
    if one.back:
        return News("DriftRecovered", wording.back(one), run.ended_ms)
    return News("Drifted", wording.renamed(one.field, one.before, one.after), run.ended_ms)
