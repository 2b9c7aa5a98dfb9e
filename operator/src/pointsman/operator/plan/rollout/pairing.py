"""PURE: which of two answers to one question is the better one, as far as it can be told.

| the two                                              | the candidate's score less the control's |
|------------------------------------------------------|------------------------------------------|
| one is sound and the other one is not                | 1 or -1                                  |
| neither is sound, or both say the same               | 0                                        |
| both are sound, and there is no judge                | 0                                        |
| one calls tools and the other one does not           | nobody can tell                          |
| both are sound                                       | -1 to 1, by a judge that is asked twice  |

Sound: it was answered, says something, does not decline, is JSON where that was asked for, and was
not cut where the other one was not. A judge that answers anything else than what it was asked
makes nobody worse: the pair counts for nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pointsman.api.pairs import Pair, Side
from pointsman.api.v1alpha1 import JudgeCheck
from pointsman.evaluation.suite.judging import Place, pair_messages, read_pair
from pointsman.evaluation.suite.refusals import declines
from pointsman.evaluation.suite.strict_json import BadJson, loads

UNDECIDED: Final = "Undecided"
"""The task of a question of which the analysis could not tell one."""
PLACES: Final[tuple[Place, Place]] = ("first", "second")


class Unscored(StrEnum):
    """Why there is no score yet, or none at all."""

    ASK = "Ask"
    """A judge can tell."""
    NOBODY = "Nobody"


def scored(pair: Pair, *, judged: bool) -> float | Unscored:
    """By the table above; `judged`: there is a judge."""
    control, candidate = (_is_sound(pair, side) for side in (pair.control, pair.candidate))
    if control and candidate and _is_cut(pair.control) != _is_cut(pair.candidate):
        control, candidate = not _is_cut(pair.control), not _is_cut(pair.candidate)
    if not (control and candidate):
        return float(candidate) - float(control)
    if pair.control.calls != pair.candidate.calls:
        return Unscored.NOBODY
    same = pair.control.text.strip() == pair.candidate.text.strip()
    return 0.0 if same or pair.control.calls or not judged else Unscored.ASK


def _is_cut(side: Side) -> bool:
    return side.finish == "length"


def _is_sound(pair: Pair, side: Side) -> bool:
    if side.status != 200 or not (side.calls or side.text.strip()):
        return False
    if side.calls:
        return True
    if pair.wants_json and not (side.cut or _is_cut(side)):
        try:
            loads(side.text)
        except BadJson:
            return False
    return not declines(side.text)


def questions(pair: Pair, rubric: str) -> list[list[dict[str, str]]]:
    """What a judge is asked, in the order of PLACES; it does not hear whose an answer is."""
    check = JudgeCheck.model_construct(rubric=rubric, reference=pair.control.text)
    asked = [{"role": "user", "content": pair.question}]
    return [pair_messages(asked, pair.candidate.text, check, place) for place in PLACES]


def read(verdicts: Sequence[str | None]) -> float | None:
    """-1 to 1 by a judge's two verdicts; None where one of them is missing or says nothing."""
    scores = []
    for place, verdict in zip(PLACES, verdicts, strict=True):
        found = read_pair(verdict, place).score if verdict is not None else None
        if found is None:
            return None
        scores.append(found)
    return sum(scores) - 1.0
