"""PURE: which requests are drawn as golden prompts, and what is usable of a text.

A request is drawn if its text is whole, of one question (with instructions before it, or without),
without tools and images, and somebody said how good its answer was. Which of them are drawn is
decided by the hash of the decision's id: nobody's choice, the same each time, and requests that
come later change only a few of them.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from pointsman.events.draws import LABELS, MAX_CHARS, Asked, Drawn, Label, Pin
from pointsman.ledger.rows import Row

MOST_READ: Final = 20_000
"""Pieces of feedback that are looked at of one day, the newest."""
MOST_TEXTS: Final = 5_000
"""Texts that are read for one draw."""
EACH: Final = 50
"""Texts that are read at once: each may have 64 KiB, and its answer too."""
GOOD_MICRO: Final = 750_000
BAD_MICRO: Final = 250_000
_VERDICTS: Final[dict[str, Label]] = {
    "good_fit": "Good", "overprovisioned": "Good", "underpowered": "Bad", "failed": "Bad",
}  # fmt: skip
_ROLE: Final = re.compile(
    r"(?:\A|\n)(system|developer|user|assistant|tool|function): ",
)
_SAID: Final = (
    "f.decision, f.id, f.at_ms, f.score_micro, f.good, f.verdict,"
    " CASE WHEN f.demonstration = '' THEN 0 ELSE 1 END AS shown, f.source"
)
Sql = tuple[str, tuple[object, ...]]


class Place(NamedTuple):
    """A table of requests, and [from, to) in ms."""

    table: str
    from_ms: int
    to_ms: int


class Rated(NamedTuple):
    """A request that may be drawn."""

    pin: Pin
    place: bytes
    """Its place in the draw."""


def said(place: Place, policy: str, now_ms: int) -> Sql:
    """Feedback about requests of a policy whose texts are there, with what they were."""
    sql = (
        "SELECT s.decision, s.id, s.at_ms, s.score_micro, s.good, s.verdict, s.shown, s.source,"  # noqa: S608
        f" r.task, r.outcome, r.finish FROM (SELECT {_SAID}, f.request_at_ms FROM feedback f"
        " WHERE f.request_at_ms >= ? AND f.request_at_ms < ? AND (f.score_micro IS NOT NULL"
        " OR f.good IS NOT NULL OR f.verdict <> '' OR f.demonstration <> '')"
        " ORDER BY f.request_at_ms DESC, f.decision, f.id LIMIT ?) AS s"
        f" JOIN {place.table} r ON r.decision = s.decision AND r.at_ms = s.request_at_ms"
        " WHERE r.policy = ? AND r.operation = 'chat/completions' AND NOT r.tools AND NOT r.images"
        " AND EXISTS (SELECT 1 FROM texts t WHERE t.decision = s.decision AND t.how = 'Full'"
        " AND NOT t.cut AND t.expires_ms > ?)"
    )
    return sql, (place.from_ms, place.to_ms, MOST_READ, policy, now_ms)


def texts(decisions: Sequence[str], now_ms: int) -> Sql:
    """(decision, at_ms, expires_ms, prompt, answer) of whole texts."""
    sql = (
        "SELECT decision, at_ms, expires_ms, prompt, answer FROM texts"  # noqa: S608
        f" WHERE decision IN ({_marks(decisions)}) AND how = 'Full' AND NOT cut AND expires_ms > ?"
    )
    return sql, (*decisions, now_ms)


def demonstrations(decisions: Sequence[str]) -> Sql:
    """(decision, id of the feedback, demonstration)."""
    sql = (
        "SELECT decision, id, demonstration FROM feedback"  # noqa: S608
        f" WHERE decision IN ({_marks(decisions)}) AND demonstration <> ''"
    )
    return sql, tuple(decisions)


def of_policy(place: Place, policy: str, decisions: Sequence[str]) -> Sql:
    """Those of them which are this policy's: a pin opens no text of another one."""
    sql = (
        f"SELECT decision FROM {place.table} WHERE decision IN ({_marks(decisions)})"  # noqa: S608
        " AND policy = ? AND at_ms >= ? AND at_ms < ?"
    )
    return sql, (*decisions, policy, place.from_ms, place.to_ms)


def _marks(decisions: Sequence[str]) -> str:
    return ", ".join("?" * len(decisions))


def rated(rows: Iterable[Row], asked: Asked) -> list[Rated]:
    """Each request that may be drawn, once, in the order of the draw."""
    wanted = asked.labels or LABELS
    by_decision: dict[str, list[Row]] = {}
    for row in rows:
        by_decision.setdefault(str(row[0]), []).append(row)
    found = [
        Rated(pin, hashlib.sha256(decision.encode("utf-8", "replace")).digest())
        for decision, said_of in by_decision.items()
        if (pin := _pin(decision, said_of)) is not None
        and pin.label in wanted
        and (not asked.tasks or pin.task in asked.tasks)
    ]
    return sorted(found, key=lambda one: one.place)


def _pin(decision: str, rows: Sequence[Row]) -> Pin | None:
    """
    A demonstration counts before a rating, a rating before a verdict, the last before others.

    What a reviewer said is the last.
    """
    shown, rating, verdict = "", None, None
    for row in sorted(rows, key=lambda one: (str(one[7]), int(str(one[2])), str(one[1]))):
        _, name, _, score, good, word, is_shown = row[:7]
        if is_shown:
            shown = str(name)
        if score is not None:
            rating = int(str(score))
        elif good is not None:
            rating = 1_000_000 if good else 0
        verdict = _VERDICTS.get(str(word), verdict)
    task, outcome, finish = map(str, rows[0][8:11])
    if shown:
        return Pin(decision, "Demonstration", task, shown)
    label = verdict if rating is None else _of_rating(rating)
    # What never came, or broke off, is no answer to compare with.
    if label is None or outcome != "Ok" or finish == "length":
        return None
    return Pin(decision, label, task)


def _of_rating(micro: int) -> Label | None:
    if micro >= GOOD_MICRO:
        return "Good"
    return "Bad" if micro <= BAD_MICRO else None


def question(prompt: str) -> tuple[str, str] | None:
    """
    (instructions, question) of a kept text; None for a longer conversation.

    Who said what in one cannot be told for sure from a text that is kept: a user may write "user:".
    """
    found = list(_ROLE.finditer(prompt))
    if not found or found[0].start() != 0 or found[-1][1] != "user" or len(found) > 2:
        return None
    if len(found) == 1:
        system = ""
    elif found[0][1] in ("system", "developer"):
        system = prompt[found[0].end() : found[1].start()]
    else:
        return None
    user = prompt[found[-1].end() :]
    return (system, user) if user.strip() and len(system) + len(user) <= MAX_CHARS else None


def drawn(pins: Sequence[Pin], kept: Iterable[Row], shown: Iterable[Row]) -> list[Drawn]:
    """Those of the pins which are of use, of the rows that `texts` and `demonstrations` ask for."""
    text_of = {str(row[0]): row for row in kept}
    better = {(str(row[0]), str(row[1])): str(row[2]) for row in shown}
    found = []
    for pin in pins:
        row = text_of.get(pin.decision)
        parts = question(str(row[3])) if row is not None else None
        if row is None or parts is None:
            continue
        reference = str(row[4])
        if pin.label == "Demonstration":
            reference = better.get((pin.decision, pin.said), "")
        if reference.strip() and len(reference) <= MAX_CHARS:
            expires_ms = int(str(row[2]))
            found.append(
                Drawn(
                    pin=pin, expires_ms=expires_ms, system=parts[0], user=parts[1],
                    reference=reference,
                )
            )  # fmt: skip
    return found
