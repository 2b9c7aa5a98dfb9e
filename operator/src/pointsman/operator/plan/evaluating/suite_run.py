"""One run of a suite against one backend, as whoever learns from it gets it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pointsman.events.schema import Evaluation


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of one golden prompt; no text is in it."""

    task: str
    score: float | None
    """0 to 1; None if there is none."""
    weight: int = 1
    cost_nano: int = 0
    """Of the answer alone, without a judge's."""


class SuiteRun(msgspec.Struct, frozen=True, kw_only=True):
    """
    A run that is over.

    `content` is the hash of prompts and checks: only runs of one content can be compared.
    `ended` says how: only a Complete run has every prompt, with a score or a reason for none.
    """

    backend: str
    uid: str
    """The backend's: another one of that name begins anew."""
    suite: str
    content: str
    run: int
    """Counts the runs of this backend, uid and content; each number is run once."""
    began_ms: int
    ended_ms: int
    ended: Literal["Complete", "SpendCap", "Unreachable"]
    message: str = ""
    """For people, where it is not complete."""
    evaluations: tuple[Evaluation, ...]
    """In the order of the suite, one a prompt."""
    model: str = ""
    """That was asked for."""
    answers: Mapping[str, Answer] = {}
    """By prompt, of those in `evaluations`."""
