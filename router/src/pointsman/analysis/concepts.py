"""What a message in another language than English is about, by the beginnings of its words.

Guarantees that evidence names a concept in English and ASCII, whatever script told it.
Refuses to look for one sign of Chinese or two letters of an alphabet: they stand in any text.
"""

import msgspec

from pointsman.analysis.concept_words import ASKED, CONCEPTS, LANGUAGES_OF_CODE
from pointsman.api.tasks import Domain


class Concept(msgspec.Struct, frozen=True, gc=False):
    """What some beginnings of words tell."""

    name: str
    """English, ASCII."""
    domain: Domain
    """GENERAL: says nothing about the domain."""
    points: int
    """For the domain."""
    demand: int
    """How much it asks of a model."""


_LATIN = "Latin"


def _script(stem: str) -> str:
    """Which list a beginning belongs to: the text it is looked for in has such letters."""
    first = next(letter for letter in stem if letter != "_")
    code = ord(first)
    if code < 0x250 or 0x1E00 <= code < 0x1F00:
        return _LATIN
    for name, low, high in (
        ("Cyrillic", 0x400, 0x52F),
        ("Arabic", 0x600, 0x6FF),
        ("Hangul", 0xAC00, 0xD7A3),
        ("Han", 0x3040, 0x9FFF),
    ):
        if low <= code <= high:
            return name
    return "Indic"


def _by_script() -> dict[str, tuple[tuple[str, Concept], ...]]:
    found: dict[str, list[tuple[str, Concept]]] = {}
    for name, domain, points, demand, stems in CONCEPTS:
        concept = Concept(name, domain, points, demand)
        for stem in stems.split():
            spaced = stem.replace("_", " ")
            found.setdefault(_script(stem), []).append((spaced, concept))
    # Names of programming languages are written in Latin letters everywhere.
    everywhere = [pair for pair in found[_LATIN] if pair[1].name == LANGUAGES_OF_CODE]
    for script, pairs in found.items():
        if script != _LATIN:
            pairs.extend(everywhere)
    return {script: tuple(pairs) for script, pairs in found.items()}


BEGINNINGS = _by_script()
"""Script -> what is looked for in a text of it; all other scripts share "Indic"."""
# Instructions stand at the edges; each beginning is searched through all that is looked at.
_HEAD = 500
_TAIL = 250


_WORD_PROBLEM = Concept("numbers given", Domain.MATHEMATICS, 2, 2)


def told(lower: str, script: str, numbers: int) -> list[Concept]:
    """The concepts that a text with so many numbers mentions, each once; bounded."""
    listed = BEGINNINGS.get("Han" if script == "Kana" else script)
    if listed is None:
        listed = BEGINNINGS["Indic"]
    if len(lower) > _HEAD + _TAIL:
        lower = f"{lower[:_HEAD]}\n{lower[-_TAIL:]}"
    found: dict[str, Concept] = {}
    for stem, concept in listed:
        if stem in lower:
            found[concept.name] = concept
    if numbers > 1 and ASKED in found:
        found[_WORD_PROBLEM.name] = _WORD_PROBLEM
    return list(found.values())
