"""Which language a message is written in.

Guarantees: script first, then frequent words where several languages share a script; code in fences
does not count; a foreign quotation in an English sentence leaves it English.
Refuses to guess from a single shared word: then the answer is "und".
"""

import msgspec

from pointsman.analysis.language_words import (
    CYRILLIC_CODES,
    CYRILLIC_WORDS,
    DEVANAGARI_CODES,
    DEVANAGARI_WORDS,
    HEBREW_CODES,
    HEBREW_WORDS,
    LATIN_CODES,
    LATIN_LETTERS,
    LATIN_WORDS,
)
from pointsman.analysis.scripts import Scripts, count

UNKNOWN = "und"
# Words looked at: enough for a vote, few enough for 10 microseconds.
MAX_WORDS = 150
# Of the letters that few languages write, those at the start are enough.
_LETTERS_READ = 1_000
# One word of a single language scores 6 (language_words.py): two such words, or one in a message of
# at most three words, make a vote.
_ENOUGH = 10
_ENOUGH_IF_SHORT = 6
_ENOUGH_IF_FOREIGN = 2
_SHORT_WORDS = 3
_FEW_WORDS = 10
# Ukrainian text of this length has one of its own letters.
_FEW_LETTERS = 20
# An instruction before or after a text; so many letters of its script are no quoted word.
_EDGE_LETTERS = 24
_FEW_SIGNS = 4
# A language's frequent words make up 30 to 50 % of its running text; under a tenth is a quotation.
_MIN_SHARE = 0.1

_SCRIPT_LANGUAGE = {
    "Greek": "el",
    "Armenian": "hy",
    "Bengali": "bn",
    "Gurmukhi": "pa",
    "Gujarati": "gu",
    "Oriya": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Tibetan": "bo",
    "Myanmar": "my",
    "Georgian": "ka",
    "Ethiopic": "am",
    "Khmer": "km",
    "Kana": "ja",
    "Hangul": "ko",
}
# Letters only one language of a script uses (Unicode block charts).
_RUSSIAN = frozenset("ыэё")
_UKRAINIAN = frozenset("іїєґ")
_SERBIAN = frozenset("јљњћђџ")
_BELARUSIAN = frozenset("ў")
_MACEDONIAN = frozenset("ѓќѕ")
_KAZAKH = frozenset("әңғұқһ")
_MONGOLIAN = frozenset("өү")
_ASSAMESE = frozenset("ৰৱ")
_PASHTO = frozenset("ښږځټډړ")
_URDU = frozenset("ٹڈڑںےھہ")
# Persian writes k and y with their own signs, and four letters that Arabic lacks.
_PERSIAN = frozenset("پچژگکی")


_CYRILLIC_LETTERS = (
    ("be", _BELARUSIAN),
    ("mk", _MACEDONIAN),
    ("kk", _KAZAKH),
    ("mn", _MONGOLIAN),
)


class Language(msgspec.Struct, frozen=True, gc=False):
    """The language of a message and how it was told."""

    code: str
    """ISO 639-1, "und" if it cannot be told."""
    confidence: float
    """0..1, ordinal."""
    evidence: str
    """One short fact, e.g. "language: de by words (5 of 9)"; empty for "und"."""


_NONE = Language(UNKNOWN, 0.0, "")
_ENGLISH_BY_WORDS = Language("en", 0.9, "")
_PROBABLY_ENGLISH = Language("en", 0.3, "")
# Of English alone +1, of other languages alone -1; a word that they share says nothing here.
_ENGLISH = {
    word: 1 if [language for language, _ in owned] == ["en"] else -1
    for word, owned in LATIN_WORDS.items()
    if [language for language, _ in owned] == ["en"] or "en" not in dict(owned)
}


_WORDS_OF = {"Devanagari": (DEVANAGARI_WORDS, "hi"), "Hebrew": (HEBREW_WORDS, "he")}
# Of two that are equally likely, the one with more speakers: the order of the lists.
_RANK = {code: -place for place, code in enumerate(LATIN_CODES)}


def codes() -> frozenset[str]:
    """Return every code that `identify` can give."""
    letters = {code for owned in LATIN_LETTERS.values() for code in owned}
    listed = (*LATIN_CODES, *CYRILLIC_CODES, *DEVANAGARI_CODES, *HEBREW_CODES)
    by_script = {*_SCRIPT_LANGUAGE.values(), *(code for code, _ in _CYRILLIC_LETTERS)}
    usual = {usual for _, usual in _WORDS_OF.values()}
    others = {"vi", "zh", "as", "ps", "ur", "fa", "ar", UNKNOWN}
    return frozenset(letters.union(listed, by_script, usual, others))


def identify(
    words: tuple[str, ...], lower: str, scripts: Scripts, *, listed: bool = False
) -> Language:
    """
    Return the language of lower-case prose, given its words and script counts.

    `listed`: a detector knows one of its words. Those lists are English.
    """
    script, share = scripts.dominant
    if script == "None":
        return _NONE
    words = words[:MAX_WORDS]
    if script == "Latin":
        # Most requests are English: where its own words are more than those of all others, no other
        # language can have more votes but by words that it shares with English.
        if not scripts.accented and sum(filter(None, map(_ENGLISH.get, words))) > 0:
            return _ENGLISH_BY_WORDS
        found = _latin(words, lower, scripts)
        return _PROBABLY_ENGLISH if found is _NONE and listed and not scripts.accented else found
    if script == "Cyrillic":
        return _cyrillic(words, lower)
    if script in _WORDS_OF:
        return _by_words(words, *_WORDS_OF[script])
    code = _by_letters(script, lower, scripts)
    return Language(code, share, f"language: {code} by script ({share:.0%} of letters)")


def of_edges(lower: str) -> Language | None:
    """
    Return the language that the first or last words ask in, where it has a script of its own.

    For a Latin text that a question in another script stands before or after: who translates or
    summarizes an English article for a Chinese reader is asked in Chinese.
    """
    for part in (lower[:_EDGE_LETTERS], lower[-_EDGE_LETTERS:]):
        counted = count(part)
        script, _ = counted.dominant
        if counted.characters.get(script, 0) >= _FEW_SIGNS:
            found = identify(tuple(part.split()), part, counted)
            return Language(found.code, 0.7, f"language: {found.code} of what is asked")
    return None


def _by_letters(script: str, lower: str, scripts: Scripts) -> str:
    if script in {"Han", "Kana"}:
        # In Japanese, kana stand between the kanji, which may be more; Chinese quotes few kana.
        kana, han = scripts.characters.get("Kana", 0), scripts.characters.get("Han", 0)
        return "ja" if kana * 10 > han else "zh"
    if script == "Arabic":
        return _arabic(lower)
    if script == "Bengali" and any(map(lower.__contains__, _ASSAMESE)):
        return "as"
    return _SCRIPT_LANGUAGE[script]


def _votes(
    words: tuple[str, ...], table: dict[str, tuple[tuple[str, int], ...]]
) -> tuple[dict[str, int], dict[str, int]]:
    points: dict[str, int] = {}
    hits: dict[str, int] = {}
    for owned in filter(None, map(table.get, words)):
        for language, weight in owned:
            points[language] = points.get(language, 0) + weight
            hits[language] = hits.get(language, 0) + 1
    return points, hits


def _latin(words: tuple[str, ...], lower: str, scripts: Scripts) -> Language:
    points, hits = _votes(words, LATIN_WORDS)
    if scripts.vietnamese * 20 > scripts.latin:
        # Every second Vietnamese word has a letter of the Vietnamese block; no other language does.
        return Language("vi", 0.9, f"language: vi by letters ({scripts.vietnamese})")
    if scripts.accented and (points or len(words) > _SHORT_WORDS):
        for letter in LATIN_LETTERS.keys() & set(lower[:_LETTERS_READ]):
            for language in LATIN_LETTERS[letter]:
                points[language] = points.get(language, 0) + 6 // len(LATIN_LETTERS[letter])
                hits[language] = hits.get(language, 0) + 1
    if not points:
        return _NONE
    code = max(points, key=lambda key: (points[key], hits[key], _RANK[key]))
    # One word of its own is enough in a short message that has no English one.
    short = len(words) <= (_SHORT_WORDS if "en" in points else _FEW_WORDS)
    needed = _ENOUGH_IF_SHORT if short else _ENOUGH
    if scripts.accented and len(words) >= _SHORT_WORDS and "en" not in points:
        needed = _ENOUGH_IF_FOREIGN  # not English, whatever it is
    if code == "en":
        # English is what an unclear message most likely is: one of its words is enough.
        return Language("en", min(1.0, hits["en"] / len(words) + 0.3), "")
    if points[code] < needed or hits[code] < _MIN_SHARE * len(words):
        return _NONE
    english = hits.get("en", 0)
    if english >= hits[code]:
        return Language("en", 0.5, "")
    confidence = min(0.99, 0.5 + hits[code] / len(words))
    return Language(code, confidence, f"language: {code} by words ({hits[code]} of {len(words)})")


def _cyrillic(words: tuple[str, ...], lower: str) -> Language:
    for code, own in _CYRILLIC_LETTERS:
        if any(map(lower.__contains__, own)):
            return Language(code, 0.8, f"language: {code} by letters")
    points, hits = _votes(words, CYRILLIC_WORDS)
    # Letters only one language has outweigh any shared word.
    for code, own in (("uk", _UKRAINIAN), ("sr", _SERBIAN)):
        if any(map(lower.__contains__, own)):
            points[code] = points.get(code, 0) + 30
    if len(lower) > _FEW_LETTERS:
        if not any(map(lower.__contains__, _UKRAINIAN)):
            points.pop("uk", None)
        if "ъ" in lower and not any(map(lower.__contains__, _RUSSIAN)):
            points["bg"] = points.get("bg", 0) + 30
    if not points:
        return Language("ru", 0.5, "language: ru by script alone")
    code = max(points, key=lambda key: (points[key], key))
    found = hits.get(code, 0)
    return Language(code, 0.9, f"language: {code} by words ({found} of {len(words)})")


def _by_words(
    words: tuple[str, ...], table: dict[str, tuple[tuple[str, int], ...]], usual: str
) -> Language:
    """One of the languages that share a script; the usual one where no word tells."""
    points, hits = _votes(words, table)
    if not points:
        return Language(usual, 0.6, f"language: {usual} by script alone")
    code = max(points, key=lambda key: (points[key], key == usual))
    return Language(code, 0.9, f"language: {code} by words ({hits[code]} of {len(words)})")


def _arabic(lower: str) -> str:
    for code, own in (("ps", _PASHTO), ("ur", _URDU), ("fa", _PERSIAN)):
        if any(map(lower.__contains__, own)):
            return code
    return "ar"
