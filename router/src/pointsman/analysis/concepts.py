"""What a message in another language than English is about, by the beginnings of its words.

Guarantees that evidence names a concept in English and ASCII, whatever script told it.
Refuses to look for one sign of Chinese or two letters of an alphabet: they stand in any text.
"""

from operator import itemgetter

import msgspec

from pointsman.analysis.concept_words import ASKED, CONCEPTS, LANGUAGES_OF_CODE
from pointsman.analysis.text import Text
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


# Of a word so many letters are looked up; the rest of a beginning is compared where they are found.
_KEY = 4
_HANGUL_KEY = 2
# Between whose words are no spaces.
_UNSPACED = frozenset(("Han", "Kana", "Thai"))
_RANGES = (
    ("Latin", 0x00, 0x24F),
    ("Latin", 0x1E00, 0x1EFF),
    ("Cyrillic", 0x400, 0x52F),
    ("Arabic", 0x600, 0x6FF),
    ("Hangul", 0xAC00, 0xD7A3),
    ("Han", 0x3040, 0x9FFF),
    ("Thai", 0xE00, 0xE7F),
)
_OTHERS = "others"
Pairs = tuple[tuple[str, Concept], ...]


def _script(beginning: str) -> str:
    """Which texts a beginning is looked for in."""
    code = ord(beginning[0])
    return next((name for name, low, high in _RANGES if low <= code <= high), _OTHERS)


def _key(beginning: str, script: str) -> str:
    """What finds it: one ideograph, or the first letters of its first word."""
    if script in _UNSPACED:
        return beginning[0]
    return beginning.split(maxsplit=1)[0][: _HANGUL_KEY if script == "Hangul" else _KEY]


def _by_script() -> dict[str, Pairs]:
    found: dict[str, list[tuple[str, Concept]]] = {}
    for name, domain, points, demand, beginnings in CONCEPTS:
        concept = Concept(name, domain, points, demand)
        for written in beginnings.split():
            beginning = written.replace("_", " ")
            pairs = found.setdefault(_script(beginning), [])
            pairs.append((beginning, concept))
            if _script(beginning) == "Arabic":  # the article is written as part of the word
                pairs.append((f"ال{beginning}", concept))
    # Names of programming languages are written in Latin letters everywhere.
    everywhere = [pair for pair in found["Latin"] if pair[1].name == LANGUAGES_OF_CODE]
    for script, pairs in found.items():
        if script != "Latin":
            pairs.extend(everywhere)
    return {script: tuple(pairs) for script, pairs in found.items()}


BEGINNINGS = _by_script()
"""Script -> what is looked for in a text of it; scripts that are not listed share one."""


def _index(script: str, pairs: Pairs) -> dict[str, Pairs]:
    found: dict[str, list[tuple[str, Concept]]] = {}
    for pair in pairs:
        found.setdefault(_key(pair[0], script), []).append(pair)
    return {key: tuple(listed) for key, listed in found.items()}


_INDEX = {script: _index(script, pairs) for script, pairs in BEGINNINGS.items()}
_ORDER = {name: place for place, (name, *_) in enumerate(CONCEPTS)}
_FIRST_FOUR = itemgetter(slice(0, _KEY))
_FIRST_TWO = itemgetter(slice(0, _HANGUL_KEY))
# Instructions stand at the edges.
_HEAD = 500
_TAIL = 250
_WORD_PROBLEM = Concept("a quantity asked of numbers", Domain.MATHEMATICS, 7, 1)


def told(text: Text, script: str, numbers: int) -> list[Concept]:
    """The concepts that a text with so many numbers mentions, each once; bounded."""
    lower = text.prose
    if script in _UNSPACED:
        index = _INDEX["Thai" if script == "Thai" else "Han"]
        if len(lower) > _HEAD + _TAIL:
            lower = f"{lower[:_HEAD]}\n{lower[-_TAIL:]}"
        keys = index.keys() & set(lower)
    else:
        index = _INDEX.get(script) or _INDEX[_OTHERS]
        first = _FIRST_TWO if script == "Hangul" else _FIRST_FOUR
        keys = index.keys() & set(map(first, text.edge))
    found: dict[str, Concept] = {}
    for key in keys:
        for beginning, concept in index[key]:
            if beginning in lower:
                found[concept.name] = concept
    if numbers > 1 and ASKED in found:
        found[ASKED] = _WORD_PROBLEM
    return sorted(found.values(), key=_place)


def _place(concept: Concept) -> int:
    return _ORDER.get(concept.name, -1)
