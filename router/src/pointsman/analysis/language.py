"""Which language a message is written in.

Guarantees: script first, then frequent words where several languages share a script; code in fences
does not count; a foreign quotation in an English sentence leaves it English.
Refuses to guess from a single shared word: then the answer is "und".
"""

import msgspec

from pointsman.analysis.language_words import CYRILLIC_WORDS, LATIN_LETTERS, LATIN_WORDS
from pointsman.analysis.scripts import Scripts

UNKNOWN = "und"
# Words looked at: enough for a vote, few enough for 10 microseconds.
MAX_WORDS = 150
# Of the letters that few languages write, those at the start are enough.
_LETTERS_READ = 1_000
# One word of a single language scores 6 (language_words.py): two such words, or one in a message of
# at most three words, make a vote.
_ENOUGH = 10
_ENOUGH_IF_SHORT = 6
_SHORT_WORDS = 3
# A language's frequent words make up 30 to 50 % of its running text; under a tenth is a quotation.
_MIN_SHARE = 0.1

_SCRIPT_LANGUAGE = {
    "Greek": "el",
    "Armenian": "hy",
    "Hebrew": "he",
    "Devanagari": "hi",
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
_UKRAINIAN = frozenset("іїєґ")
_SERBIAN = frozenset("јљњћђџ")
_BELARUSIAN = frozenset("ў")
_PERSIAN = frozenset("پچژگ")
_URDU = frozenset("ٹڈڑںے")


class Language(msgspec.Struct, frozen=True, gc=False):
    """The language of a message and how it was told."""

    code: str
    """ISO 639-1, "und" if it cannot be told."""
    confidence: float
    """0..1, ordinal."""
    evidence: str
    """One short fact, e.g. "language: de by words (5 of 9)"; empty for "und"."""


_NONE = Language(UNKNOWN, 0.0, "")
# English alone +1, any other listed word -1.
_ENGLISH = {
    word: 1 if [language for language, _ in owned] == ["en"] else -1
    for word, owned in LATIN_WORDS.items()
}


def identify(words: tuple[str, ...], lower: str, scripts: Scripts) -> Language:
    """Return the language of lower-case prose, given its words and script counts."""
    script, share = scripts.dominant
    if script == "None":
        return _NONE
    if script == "Latin":
        words = words[:MAX_WORDS]
        # Most requests are English, most of their frequent words in no other language's list: where
        # these are more than all other listed words, no count of votes can end otherwise.
        if not scripts.accented and sum(filter(None, map(_ENGLISH.get, words))) > 0:
            return Language("en", 0.9, "")
        return _latin(words, lower, scripts)
    if script == "Cyrillic":
        return _cyrillic(words[:MAX_WORDS], lower)
    # In Japanese, kana stand between the kanji, which may be more; Chinese quotes few kana.
    kana, han = scripts.characters.get("Kana", 0), scripts.characters.get("Han", 0)
    if script in {"Han", "Kana"}:
        code = "ja" if kana * 10 > han else "zh"
    elif script == "Arabic":
        code = _arabic(lower)
    else:
        code = _SCRIPT_LANGUAGE[script]
    return Language(code, share, f"language: {code} by script ({share:.0%} of letters)")


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
    code = max(points, key=lambda key: (points[key], hits[key], key))
    needed = _ENOUGH_IF_SHORT if len(words) <= _SHORT_WORDS else _ENOUGH
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
    points, hits = _votes(words, CYRILLIC_WORDS)
    if any(map(lower.__contains__, _BELARUSIAN)):
        return Language("be", 0.8, "language: be by letters")
    # Letters only one language has outweigh any shared word.
    for code, own in (("uk", _UKRAINIAN), ("sr", _SERBIAN)):
        if any(map(lower.__contains__, own)):
            points[code] = points.get(code, 0) + 30
    if not points:
        return Language("ru", 0.5, "language: ru by script alone")
    code = max(points, key=lambda key: (points[key], key))
    found = hits.get(code, 0)
    return Language(code, 0.9, f"language: {code} by words ({found} of {len(words)})")


def _arabic(lower: str) -> str:
    if any(map(lower.__contains__, _URDU)):
        return "ur"
    return "fa" if any(map(lower.__contains__, _PERSIAN)) else "ar"
