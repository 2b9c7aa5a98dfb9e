"""What fits know of requests: their features, with each word, mark and pair as a number.

Guarantees bounded memory: past MOST grams, new ones are not noted. Refuses what could not travel in
JSON or is no word: lone surrogates, and more than 32 characters in one piece.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pointsman.analysis import Analysis
from pointsman.analysis.predictor import features
from pointsman.analysis.text import Text

MOST: Final = 500_000
_LONGEST: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A request, read once. Labels of one request share it: it is told apart by identity."""

    cells: tuple[str, ...]
    counts: tuple[float, ...] | None
    """None: the text was not kept."""
    words: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    """Marks and pairs."""
    distinct: int = 0
    """Different words, those that were not noted included."""


class Vocabulary:
    """Numbers for grams, in the order in which they were seen first."""

    def __init__(self, most: int = MOST) -> None:
        """Empty; at most so many grams."""
        self._most = most
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        """How many grams were noted."""
        return len(self._numbers)

    def grams(self) -> list[str]:
        """All grams in the order of their numbers; pairs with a space between."""
        return list(self._numbers)

    def see(self, text: Text | None, analysis: Analysis) -> Seen:
        """Return what a fit needs of a request; without its text only its cells."""
        cells = features.cells(analysis)
        if text is None:
            return Seen(cells, None)
        words, marks = features.words(text), features.marks(text)
        pairs = (f"{one} {two}" for one, two in features.pairs(text))
        return Seen(
            cells=cells,
            counts=features.counts(text, analysis, len(words), len(marks)),
            words=self._note(words),
            others=(*self._note(marks), *self._note(pairs)),
            distinct=len(words),
        )

    def _note(self, grams: Iterable[str]) -> tuple[int, ...]:
        numbers = self._numbers
        found = []
        for gram in grams:
            number = numbers.get(gram)
            if number is None:
                if len(numbers) >= self._most or not _fits(gram):
                    continue
                number = numbers[gram] = len(numbers)
            found.append(number)
        return tuple(found)


def _fits(gram: str) -> bool:
    if gram.isascii():
        return len(gram) <= _LONGEST
    return len(gram) <= _LONGEST and not any("\ud800" <= one <= "\udfff" for one in gram)
