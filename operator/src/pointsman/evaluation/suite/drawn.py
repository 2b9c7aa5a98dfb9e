"""Golden prompts that are drawn from the ledger: what is remembered of a draw, and when it is anew.

A draw is remembered by its pins, which hold no text. Results of two draws are not compared, so one
is kept as long as enough of it is left; what is asked is what the ledger still has of it.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from pointsman.api.quantity import parse_duration
from pointsman.api.tasks import Task
from pointsman.api.v1alpha1 import Check, JudgeCheck, LedgerDraw
from pointsman.evaluation.suite.content import Drawing, Golden
from pointsman.events.draws import Asked, Drawn, Pin, Told

MAX_BYTES: Final = 720 * 1024
_TASKS: Final = frozenset(str(one) for one in Task)


class BadDraw(ValueError):
    """What is remembered cannot be read; the text says why."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A draw, for good."""

    of: str
    """Hash of what of the spec decides which requests are drawn."""
    ordered: str = ""
    """The order to draw anew that was obeyed last."""
    drawn_ms: int
    pins: tuple[Pin, ...]


def asked(spec: LedgerDraw, pins: Sequence[Pin] = ()) -> Asked:
    """The question to the ledger."""
    return Asked(
        policy=spec.policy_ref.name,
        since=f"{max(1, round(parse_duration(spec.since)))}s",
        tasks=tuple(sorted(str(one) for one in spec.tasks)),
        labels=tuple(sorted(one.value for one in spec.labels)),
        sample=spec.sample,
        pins=tuple(pins),
    )


def of(spec: LedgerDraw) -> str:
    """Hash of what decides which requests are drawn."""
    return hashlib.sha256(msgspec.json.encode(asked(spec))).hexdigest()[:16]


def why_anew(
    known: Remembered | None, spec: LedgerDraw, ordered: str, *, left: int, now_ms: int
) -> str:
    """Why there is to be another draw; empty while this one is kept."""
    if known is None:
        return "nothing was drawn yet"
    if known.of != of(spec):
        return "spec.ledger was edited"
    if ordered and ordered != known.ordered:
        return "it was ordered"
    if left < spec.minimum:
        return "too few are left"
    interval = spec.redraw_interval
    if interval is not None and now_ms - known.drawn_ms >= parse_duration(interval) * 1000:
        return "redrawInterval is over"
    return ""


def stays(known: Remembered | None, spec: LedgerDraw, *, left: int) -> bool:
    """Whether a draw goes on where there is not enough for another."""
    return known is not None and known.of == of(spec) and left >= spec.minimum


def remembered(told: Told, spec: LedgerDraw, ordered: str, now_ms: int) -> Remembered:
    """Of a fresh draw."""
    pins = tuple(one.pin for one in told.prompts)
    return Remembered(of=of(spec), ordered=ordered, drawn_ms=now_ms, pins=pins)


def left_of(found: Sequence[Drawn], now_ms: int) -> tuple[Drawn, ...]:
    """Those whose texts may still be used."""
    return tuple(one for one in found if one.expires_ms > now_ms)


def dump(known: Remembered) -> str:
    """To be stored."""
    return msgspec.json.encode(known).decode()


def load(text: str) -> Remembered:
    """Raises BadDraw."""
    if len(text) > MAX_BYTES:
        raise BadDraw(f"it has more than {MAX_BYTES:,} characters")
    try:
        return msgspec.json.decode(text.encode(), type=Remembered)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadDraw(str(error)) from None


def drawing(known: Remembered, found: Sequence[Drawn], spec: LedgerDraw) -> Drawing:
    """As it is run. The content is of the pins and of how they are judged, not of what is left."""
    pins = sorted(known.pins, key=lambda pin: pin.decision)
    text = msgspec.json.encode([pins, spec.rubric, spec.max_tokens])
    return Drawing(prompts=tuple(_golden(one, spec) for one in found), pins=text)


def _golden(one: Drawn, spec: LedgerDraw) -> Golden:
    said = [{"role": "system", "content": one.system}] if one.system.strip() else []
    check = Check(judge=JudgeCheck(rubric=spec.rubric, reference=one.reference))
    return Golden(
        name=name_of(one.pin.decision),
        task=Task(one.pin.task) if one.pin.task in _TASKS else Task.CHAT,
        weight=1,
        messages=(*said, {"role": "user", "content": one.user}),
        max_tokens=spec.max_tokens,
        metadata={},
        checks=(check,),
        beats=one.pin.label == "Bad",
    )


def name_of(decision: str) -> str:
    """Of a prompt: `drawn-` and a hash, since an id may hold what no name does."""
    text = decision.encode("utf-8", "replace")
    return f"drawn-{hashlib.sha256(text).hexdigest()[:16]}"
