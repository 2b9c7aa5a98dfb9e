"""What the predictor sees of a request: a dozen counts, named cells, words, pairs and marks.

Guarantees the same features for fitting and for prediction, made from the text that the analysis
has read already. Refuses to look at the text again word by word: every count is one pass of C code.
"""

import math
import re
from itertools import pairwise

from pointsman.analysis.prompt import Analysis
from pointsman.analysis.text import Text

_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SYMBOLS = b"=+-*/^\\$<>%|_{}[]()"
# Numbers of at most four digits and signs that words leave out; never a letter, so never a word.
_MARK = re.compile(r"(?<![0-9])[0-9]{1,4}(?![0-9])|[%$/=+*^\\]")

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


def counts(text: Text, analysis: Analysis, distinct: int, marks: int) -> tuple[float, ...]:
    """Return the COUNTS of a request, given how many different words and marks it has."""
    raw = text.sample.encode("ascii", "replace")
    size = len(raw) or 1
    words = len(text.words) or 1
    return (
        math.log(words + 1),
        math.log(text.chars + 1),
        min(size / words, 20.0),
        distinct / words,
        1 - len(raw.translate(None, _DIGITS)) / size,
        1 - len(raw.translate(None, _CAPITALS)) / size,
        1 - len(raw.translate(None, _SYMBOLS)) / size,
        math.log(raw.count(b"\n") + 1),
        math.log(raw.count(b"?") + 1),
        math.log(raw.count(b",") + 1),
        math.log(raw.count(b". ") + 1),
        math.log(marks + 1),
        analysis.complexity_score,
    )


def cells(analysis: Analysis) -> tuple[str, str, str, str]:
    """Return the named cells of a request: the task comes first."""
    return (
        f"task:{analysis.task}",
        f"complexity:{analysis.complexity}",
        f"domain:{analysis.domain}",
        f"language:{analysis.language}",
    )


def words(text: Text) -> dict[str, None]:
    """Return the different words in order of appearance."""
    return dict.fromkeys(text.words)


def pairs(text: Text) -> dict[tuple[str, str], None]:
    """Return the different pairs of neighboring words in order of appearance."""
    return dict.fromkeys(pairwise(text.words))


def marks(text: Text) -> dict[str, None]:
    """Return the different short numbers and signs in order of appearance."""
    return dict.fromkeys(_MARK.findall(text.sample))
