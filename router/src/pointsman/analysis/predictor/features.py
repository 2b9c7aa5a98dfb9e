"""What the predictor sees of a request: a dozen counts, named cells, words, pairs and marks.

Guarantees the same features for fitting and for prediction, made from the text that the analysis
has read already. Refuses to look at the text again word by word: every count is one pass of C code.
"""

import math
from itertools import pairwise
from typing import NamedTuple

from pointsman.analysis.prompt import Analysis
from pointsman.analysis.text import Text

_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SYMBOLS = b"=+-*/^\\$<>%|_{}[]()"
# Signs that words leave out; never a letter, so never a word.
_SIGNS = b"%$/=+*^\\"
_NO_SIGNS = bytes(sorted(set(range(256)) - set(_SIGNS)))
_NUMBERS = bytes(b if b in _DIGITS else 0x20 for b in range(256))

_SPREADS = {
    "log_words": 1.1,
    "log_chars": 1.1,
    "word_length": 1.0,
    "distinct_words": 0.2,
    "digits": 0.03,
    "capitals": 0.025,
    "symbols": 0.05,
    "log_lines": 0.8,
    "log_questions": 0.4,
    "log_commas": 1.0,
    "log_sentences": 0.9,
    "log_marks": 0.9,
    "complexity": 0.25,
}
COUNTS: tuple[str, ...] = tuple(_SPREADS)
"""Names of what `counts` returns, in its order; part of the version of the weights."""
SPREADS: tuple[float, ...] = tuple(_SPREADS.values())
"""Standard deviation of each over LLMRouter's prompts of 14 tasks; of the last one, set by hand."""


class Grams(NamedTuple):
    """Different ones, in order of appearance."""

    words: dict[str, None]
    pairs: dict[tuple[str, str], None]
    """Words and their neighbors."""
    skips: dict[tuple[str, str], None]
    """Words and the next but one."""
    marks: dict[str, None]
    """Numbers and signs."""


def counts(text: Text, analysis: Analysis, grams: Grams) -> tuple[float, ...]:
    """Return the COUNTS of a request, given its grams."""
    raw = text.sample.encode("ascii", "ignore")
    size = len(raw) or 1
    words = len(text.words) or 1
    return (
        math.log(words + 1),
        math.log(text.chars + 1),
        min(size / words, 20.0),
        len(grams.words) / words,
        1 - len(raw.translate(None, _DIGITS)) / size,
        1 - len(raw.translate(None, _CAPITALS)) / size,
        1 - len(raw.translate(None, _SYMBOLS)) / size,
        math.log(raw.count(b"\n") + 1),
        math.log(raw.count(b"?") + 1),
        math.log(raw.count(b",") + 1),
        math.log(raw.count(b". ") + 1),
        math.log(len(grams.marks) + 1),
        analysis.complexity_score,
    )


def cells(analysis: Analysis) -> tuple[str, str, str, str, str]:
    """Return the named cells of a request: the task comes first; lengths are powers of two."""
    return (
        "task:" + analysis.task,
        "complexity:" + analysis.complexity,
        "domain:" + analysis.domain,
        "language:" + analysis.language,
        f"tokens:{1 << analysis.context_tokens.bit_length()}",
    )


def grams(text: Text) -> Grams:
    """Return what is looked up in the weights."""
    words = text.words
    raw = text.sample.encode("ascii", "ignore")
    marks = raw.translate(_NUMBERS).decode("ascii").split()
    marks.extend(raw.translate(None, _NO_SIGNS).decode("ascii"))
    return Grams(
        dict.fromkeys(words),
        dict.fromkeys(pairwise(words)),
        dict.fromkeys(zip(words, words[2:], strict=False)),
        dict.fromkeys(marks),
    )
