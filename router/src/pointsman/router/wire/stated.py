"""PURE: what an answer says of itself besides its tokens: id, model, fingerprint, finish reason.

Guarantees short texts, whatever a backend sends: what is not a plain, short string is left out.
"""

import re
from typing import Final, NamedTuple

import msgspec

from pointsman.router.wire.lengths import MOST_NAME_CHARS
from pointsman.router.wire.shapes import ABSENT, NO_ANSWER, Answer
from pointsman.router.wire.unreadable import UNREADABLE

_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"([A-Za-z_-]{1,40})"')
_FINISH_NAME: Final = b'"finish_reason"'
_STOPPED: Final = b'"finish_reason":"stop"'
_KEPT: Final[dict[bytes, str]] = {}
"""Names of models and fingerprints as they stand in answers -> what they say."""
_MOST_KEPT: Final = 512
_string = msgspec.json.Decoder(str).decode
_answer = msgspec.json.Decoder(Answer).decode


class Stated(NamedTuple):
    """Empty where the answer does not say it."""

    id: str
    model: str
    fingerprint: str
    finish: str


def read_stated(said: Answer, opening: bytes, end: bytes) -> Stated:
    """Of a whole answer, or a stream's bytes up to its first content; `end` is its last bytes."""
    if said is NO_ANSWER and opening:
        said = _first_event(opening)
    return Stated(
        _text(said.id),
        "" if said.model is ABSENT else _kept(bytes(said.model)),
        "" if said.system_fingerprint is ABSENT else _kept(bytes(said.system_fingerprint)),
        finish_of(end),
    )


def _kept(raw: bytes) -> str:
    """Of what is the same in many answers."""
    found = _KEPT.get(raw)
    if found is None:
        found = _text(raw)
        if len(_KEPT) < _MOST_KEPT and len(raw) <= MOST_NAME_CHARS:
            _KEPT[raw] = found
    return found


def _text(raw: bytes | msgspec.Raw) -> str:
    try:
        text = "" if raw is ABSENT else _string(raw)
    except UNREADABLE:
        return ""
    return text if len(text) <= MOST_NAME_CHARS else ""


def finish_of(end: bytes) -> str:
    """Of the last choice that says one; quotes inside of a text are escaped, so it is none."""
    at = end.rfind(_FINISH_NAME)
    if end.startswith(_STOPPED, at):
        return "stop"
    while at > 0:
        found = _FINISH.match(end, at)
        if found is not None:
            return found[1].decode()
        at = end.rfind(_FINISH_NAME, 0, at)
    return ""


def _first_event(opening: bytes) -> Answer:
    at = opening.find(b"data:")
    if at < 0:
        return NO_ANSWER
    try:
        return _answer(opening[at + 5 :].lstrip().partition(b"\n")[0])
    except UNREADABLE:
        return NO_ANSWER
