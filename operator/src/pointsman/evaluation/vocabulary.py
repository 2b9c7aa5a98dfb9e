"""What fits know of requests: their features, with each word, mark and pair as a number.

Guarantees bounded memory: past MOST grams, new ones are not noted. Refuses what could not travel in
JSON or is no word: lone surrogates, long numbers, more than 32 characters in one piece.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.analysis import Analysis
from pointsman.analysis.predictor import features
from pointsman.analysis.text import Text

MOST: Final = 500_000
_LONGEST: Final = 32
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A request, read once. Labels of one request share it: it is told apart by identity."""

    cells: tuple[str, ...]
    counts: tuple[float, ...] | None
    """None: the text was not kept."""
    numbers: bytes = b""
    """int64 of each gram: words and pairs, then marks and pairs with a word between."""
    grams: int = 0
    """How many of the numbers are of words and pairs: they alone make a request familiar."""
    size: int = 0
    """Different words and pairs, those that were not noted included."""


class Vocabulary:
    """Numbers for grams, in the order in which they were seen first."""

    def __init__(self, most: int = MOST) -> None:
        """Empty; at most so many grams."""
        self._most = most
        self._numbers: dict[str, int] = {}
        self._grams: list[str] = []

    def __len__(self) -> int:
        """How many grams were noted."""
        return len(self._grams)

    def grams(self) -> Sequence[str]:
        """All grams in the order of their numbers, written as Weights.grams."""
        return self._grams

    def see(self, text: Text | None, analysis: Analysis) -> Seen:
        """Return what a fit needs of a request; without its text only its cells."""
        cells = features.cells(analysis)
        if text is None:
            return Seen(cells, None)
        grams = features.grams(text)
        pairs = (f"{one} {two}" for one, two in grams.pairs)
        skips = (f"{one}  {two}" for one, two in grams.skips)
        noted = (*self._note(grams.words), *self._note(pairs))
        return Seen(
            cells=cells,
            counts=features.counts(text, analysis, grams),
            numbers=array("q", (*noted, *self._note(grams.marks), *self._note(skips))).tobytes(),
            grams=len(noted),
            size=len(grams.words) + len(grams.pairs),
        )

    def _note(self, grams: Iterable[str]) -> list[int]:
        numbers = self._numbers
        found = []
        for gram in grams:
            number = numbers.get(gram)
            if number is None:
                if len(numbers) >= self._most or not _fits(gram):
                    continue
                number = numbers[gram] = len(numbers)
                self._grams.append(gram)
            found.append(number)
        return found


def _fits(gram: str) -> bool:
    if gram.isdigit():
        return len(gram) <= _DIGITS
    if gram.isascii():
        return len(gram) <= _LONGEST
    return len(gram) <= _LONGEST and not any("\ud800" <= one <= "\udfff" for one in gram)
