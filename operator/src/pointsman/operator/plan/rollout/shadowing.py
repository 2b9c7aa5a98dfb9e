"""PURE: before the first step a candidate answers requests unseen; when that has been enough.

| seen, the first that holds                      | decided                                       |
|-------------------------------------------------|-----------------------------------------------|
| as many pairs as were asked for                 | passed                                        |
| the money is spent, and there are 30 pairs      | passed: what there is decides                 |
| the money is spent, or the time is up           | late: a person has to say                     |
| anything else                                   | it goes on                                    |

A guardrail that fails ends the rollout before this is asked: what passes here is not proven worse.
"""

from typing import Final, Literal

import msgspec

from pointsman.api import table
from pointsman.operator.plan.rollout.comparing import LEAST

NANO: Final = 10**9
RUBRIC: Final = "It is right, complete, and does what was asked for."
Verdict = Literal["Comparing", "Passed"]
Ruling = Literal["GoesOn", "Late", "Passed"]


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """Which backend says which of two answers is better."""

    backend: str
    rubric: str = RUBRIC
    max_tokens: int = 256


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner of a policy asks for."""

    percent: int
    min_pairs: int
    deadline_s: float
    max_spend_nano: int
    currency: str
    judge: Judge | None = None

    @property
    def judge_nano(self) -> int:
        """Half of the money is a judge's, so that answers and judge together never pass the cap."""
        return self.max_spend_nano // 2 if self.judge is not None else 0

    @property
    def answers_nano(self) -> int:
        """The rest, which all routers share."""
        return self.max_spend_nano - self.judge_nano


class Shadowed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was compared so far."""

    verdict: Verdict = "Comparing"
    pairs: int = 0
    """That count; `equal` are among them."""
    equal: int = 0
    unjudged: int = 0
    spent_nano: int = 0
    currency: str = ""
    spent_up: bool = False
    answers_up: bool = False
    """The part of the answers is spent, by all routers together."""
    problem: str = ""
    """Why a judge is not asked."""

    @property
    def spent(self) -> str:
        """In words."""
        return f"{self.spent_nano / NANO:.2f} {self.currency}"


def table_shadow(shadow: Shadow, *, began_s: float, spent: bool = False) -> table.Shadow:
    """As routers are told; `spent`: nothing that costs is sent any more."""
    return table.Shadow(
        percent=shadow.percent,
        max_spend_nano=0 if spent else shadow.answers_nano,
        currency=shadow.currency,
        began_ms=int(began_s * 1000),
    )


def rule(shadow: Shadow, seen: Shadowed, *, since_s: float) -> tuple[Ruling, str]:
    """By the table above, and why."""
    said = f"{seen.pairs} of {shadow.min_pairs} pairs, {seen.spent} spent"
    if seen.unjudged:
        said += f", {seen.unjudged} not judged"
    if seen.problem:
        said += f", {seen.problem}"
    if seen.pairs >= shadow.min_pairs:
        return "Passed", said
    if seen.spent_up:
        return ("Passed" if seen.pairs >= LEAST else "Late"), f"{said}, which is all there is"
    return ("Late" if since_s >= shadow.deadline_s else "GoesOn"), said
