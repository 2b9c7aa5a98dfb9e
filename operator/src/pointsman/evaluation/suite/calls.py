"""
Calls to models: which are to be made, and what was made of them.

A suite's run is a set of `Call`s, and everything else follows from them: what is still to be
asked (`next_steps`) and what each answer is worth (`outcome_of`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pointsman.api.v1alpha1 import Check, Judge, JudgeCheck
from pointsman.evaluation.suite.checks import check_answer
from pointsman.evaluation.suite.content import Golden, Suite
from pointsman.evaluation.suite.judging import (
    MAX_ANSWER,
    Place,
    blind_order,
    pair_messages,
    read_pair,
    read_score,
    score_messages,
)
from pointsman.evaluation.suite.outcome import Answer, Missing, Outcome, not_scored
from pointsman.evaluation.suite.refusals import declines

_WIDE: Final = "\U0001f600"
"""Four bytes, as wide as a character can be."""
_MOST_WIDE_A_TOKEN: Final = 4
"""Of an answer, on the whole: 16 bytes are longer than any usual word of one token."""
ANSWER: Final = "answer"
"""The step in which the prompt itself is asked; those after it are a judge's."""


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call that is over. Money is in billionths, times in milliseconds."""

    target: str
    """Who is evaluated."""
    run: int
    prompt: str
    step: str = ANSWER
    at_ms: int
    missing: Missing | None = None
    """Why there is no answer."""
    why: str = ""
    again: bool = False
    """Nothing was answered and nothing is paid: a later start asks again."""
    text: str = ""
    declined: bool = False
    finish: str = ""
    latency_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    currency: str = ""
    estimated: bool = False
    """The tokens were not stated, or the backend has no known price: the most that it can be."""
    backend: str = ""
    """Who answered, where a router says so."""
    model: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A call that is to be made; `judge`: to the judge, not to who is evaluated."""

    name: str
    messages: Sequence[Mapping[str, str]]
    max_tokens: int
    metadata: Mapping[str, str]
    judge: str = ""

    def body(self, model: str) -> dict[str, Any]:
        """Of a chat completion."""
        metadata = {"metadata": dict(self.metadata)} if self.metadata else {}
        return {
            "model": self.judge or model,
            "messages": list(self.messages),
            "max_tokens": self.max_tokens,
            **metadata,
        }


@dataclass(frozen=True, slots=True)
class Unit:
    """One prompt, asked once of one target."""

    target: str
    run: int
    prompt: str


def units(suite: Suite, targets: Sequence[str], runs: int) -> Iterator[Unit]:
    """
    All units, run by run and prompt by prompt, each prompt of all targets together.

    So what is there when a cap stops it can be compared.
    """
    for run in range(runs):
        for name in suite.prompts:
            for target in targets:
                yield Unit(target, run, name)


def next_steps(
    golden: Golden, unit: Unit, judge: Judge | None, done: Mapping[str, Call]
) -> tuple[Step, ...]:
    """
    What is to be asked now, by what was; nothing at the end.

    A judge is not asked in vain, nor once more after a call of it failed.
    """
    first = done.get(ANSWER)
    if first is None:
        return (
            Step(
                name=ANSWER,
                messages=golden.messages,
                max_tokens=golden.max_tokens,
                metadata=golden.metadata,
            ),
        )
    if judge is None or _failed(done) or not first.text or _decided(golden, first):
        return ()
    return tuple(
        Step(
            name=name, messages=messages, max_tokens=judge.max_tokens, metadata={},
            judge=judge.model,
        )
        for index, check in _judged(golden)
        for name, messages in _questions(golden, unit, index, check, first.text)
        if name not in done
    )  # fmt: skip


def questions_at_most(golden: Golden, judge: Judge | None) -> Iterator[Step]:
    """Every call that a prompt may need, each as large as it can become, to know what they cost."""
    yield Step(
        name=ANSWER, messages=golden.messages, max_tokens=golden.max_tokens,
        metadata=golden.metadata,
    )  # fmt: skip
    if judge is None:
        return
    longest = _WIDE * min(golden.max_tokens * _MOST_WIDE_A_TOKEN, MAX_ANSWER)
    for index, check in _judged(golden):
        for name, messages in _questions(golden, Unit("", 0, golden.name), index, check, longest):
            yield Step(
                name=name, messages=messages, max_tokens=judge.max_tokens, metadata={},
                judge=judge.model,
            )  # fmt: skip


def _judged(golden: Golden) -> Iterator[tuple[int, JudgeCheck]]:
    for index, check in enumerate(golden.checks):
        if check.judge is not None:
            yield index, check.judge


def _places(golden: Golden, unit: Unit, check: JudgeCheck) -> tuple[Place, ...]:
    return blind_order(golden.name, unit.run) if check.reference is not None else ()


def _questions(
    golden: Golden, unit: Unit, index: int, check: JudgeCheck, text: str
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    places = _places(golden, unit, check)
    for place in places:
        yield f"judge/{index}/{place}", pair_messages(golden.messages, text, check, place)
    if not places:
        yield f"judge/{index}", score_messages(golden.messages, text, check)


def _free(golden: Golden, call: Call) -> list[Outcome]:
    """Of the checks that need nobody."""
    answer = Answer(text=call.text, latency_s=call.latency_ms / 1000, declined=call.declined)
    return [check_answer(check, answer) for check in golden.checks if check.judge is None]


def _decided(golden: Golden, call: Call) -> bool:
    """Whether a check says already that it is wrong, or that it has no score."""
    return any(not outcome.score for outcome in _free(golden, call))


def _failed(done: Mapping[str, Call]) -> bool:
    """Whether a call has no answer: its unit ends there."""
    return any(call.missing is not None for call in done.values())


def outcome_of(golden: Golden, unit: Unit, done: Mapping[str, Call]) -> Outcome | None:
    """
    What the answer is worth: its worst check's score. None while something is to be asked.

    An answer that is wrong and declines has no score, unless a check asks about that.
    """
    first = done.get(ANSWER)
    if first is None:
        return None
    if first.missing is not None:
        return not_scored(first.missing, first.why)
    found = _free(golden, first)
    worst = _worst(found)
    if worst is not None and not worst.score:
        return _excused(golden, first) or worst
    if not first.text and asks_judge(golden.checks):
        return not_scored(Missing.REFUSED, "the model declined, and there is nothing to judge")
    for index, check in _judged(golden):
        verdict = _verdict(golden, unit, index, check, done)
        if verdict is None:
            return _worst(found) if _failed(done) else None
        found.append(verdict)
    return _worst(found)


def _worst(found: Sequence[Outcome]) -> Outcome | None:
    """The lowest score; with a score above 0, one that is missing decides: it may be lower."""
    scored = [one for one in found if one.score is not None]
    lowest = min(scored, key=lambda one: one.score or 0.0, default=None)
    absent = next((one for one in found if one.score is None), None)
    if absent is not None and (lowest is None or lowest.score != 0):
        return absent
    return lowest


def _excused(golden: Golden, call: Call) -> Outcome | None:
    if any(check.refusal is not None for check in golden.checks):
        return None
    if call.declined or declines(call.text):
        return not_scored(Missing.REFUSED, "the model declined")
    return None


def _verdict(
    golden: Golden, unit: Unit, index: int, check: JudgeCheck, done: Mapping[str, Call]
) -> Outcome | None:
    """The mean over both places; the judge's own failures leave the answer without a score."""
    places = _places(golden, unit, check)
    names = [f"judge/{index}/{place}" for place in places] or [f"judge/{index}"]
    calls = [done.get(name) for name in names]
    found: list[Outcome] = []
    for number, call in enumerate(calls):
        if call is None:
            return None
        if call.missing is not None:
            return not_scored(call.missing, f"the judge: {call.why}")
        read = read_pair(call.text, places[number]) if places else read_score(call.text)
        if read.score is None:
            return read
        found.append(read)
    mean = sum(one.score or 0.0 for one in found) / len(found)
    if golden.beats:
        mean = max(0.0, 2 * mean - 1)
    return Outcome(mean, "; ".join(one.reason for one in found))


def asks_judge(checks: Sequence[Check]) -> bool:
    """Whether one of the checks needs a judge."""
    return any(check.judge is not None for check in checks)
