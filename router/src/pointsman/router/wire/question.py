"""PURE: whether a question is the one before again, or one that was only put differently.

Guarantees bounded work and memory: of a question its first 4,096 characters count, and a sketch of
48 numbers is kept, from which no text can be read. Numbers mean something in this process only.
"""

from array import array
from itertools import pairwise
from typing import Final

import msgspec

from pointsman.analysis import Prompt
from pointsman.router.wire.unreadable import UNREADABLE

_MOST_CHARS: Final = 4096
_SKETCH: Final = 48
"""The smallest hashes of two sets estimate what they share to about 0.07 (Broder's MinHash)."""
_ALIKE: Final = 0.6
"""One word of ten replaced leaves 0.73 of words and pairs of words in common, two words 0.52."""
_MEANINGFUL_WORDS: Final = 3
"""Shorter ones ("yes", "go on") are the same question only where all before them is the same."""
_LONGEST_WORD: Final = 24
"""On average; above it this is a script without spaces, and characters are compared."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of one."""

    words: int
    before: int
    """Hash of everything but the last user message."""
    sketch: "array[int]"


class _Names(msgspec.Struct):
    user: str | None = None
    safety_identifier: str | None = None


_names = msgspec.json.Decoder(_Names).decode


def who_asks(body: bytes) -> str:
    """The end user, as OpenAI's fields name them; empty where the caller does not say."""
    try:
        names = _names(body)
    except UNREADABLE:
        return ""
    return (names.safety_identifier or names.user or "")[:256]


def question_of(prompt: Prompt) -> Question | None:
    """None where nothing was asked in words."""
    text = prompt.user[:_MOST_CHARS].lower()
    words = text.split()
    if not words:
        return None
    if len(text) > _LONGEST_WORD * len(words):
        words = [letter for letter in text if not letter.isspace()]
    hashes = {hash(word) for word in words}
    hashes.update(hash(pair) for pair in pairwise(words))
    before = hash((prompt.system, prompt.history))
    return Question(len(words), before, array("q", sorted(hashes)[:_SKETCH]))


def is_again(new: Question, old: Question) -> bool:
    """Whether the same is asked again."""
    if new.before != old.before and min(new.words, old.words) < _MEANINGFUL_WORDS:
        return False
    mine, theirs = set(new.sketch), set(old.sketch)
    smallest = sorted(mine | theirs)[:_SKETCH]
    shared = sum(one in mine and one in theirs for one in smallest)
    return shared >= _ALIKE * len(smallest)
