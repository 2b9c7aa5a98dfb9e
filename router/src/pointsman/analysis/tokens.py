"""How many tokens a text will cost, without a tokenizer: rates by kind of character and vocabulary.

Guarantees an estimate that grows with the text, at a few counts over its bytes; on texts of one
kind within 15 % of the real tokenizers as a rule (docs/analysis.md has the table).
Refuses exactness; the vocabularies of GLM and Kimi could not be had and are taken for the mean.
"""

from collections.abc import Iterable

from pointsman.analysis.scripts import Scripts
from pointsman.analysis.token_rates import GENERAL, RATES

# OpenAI's published chat format: 3 tokens around each message and 3 before the answer.
MESSAGE_TOKENS = 4
# OpenAI's published cost of one 1024 x 1024 image in high detail.
IMAGE_TOKENS = 765
MOST_OVER = max(rate / GENERAL[kind] for rates in RATES.values() for kind, rate in rates.items())
"""No vocabulary takes more than this many times the general estimate."""

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = b"0123456789"
_NO_DIGITS = bytes(sorted(set(range(256)) - set(_DIGITS)))
_SYMBOLS = frozenset(range(0x21, 0x7F)) - frozenset(_LETTERS + _DIGITS)
_NO_SYMBOLS = bytes(sorted(set(range(256)) - _SYMBOLS))
_NOT_ASCII = bytes(range(0x80, 0x100))
# Latin letters by how vocabularies cut their words: English least, those with few texts most.
_KIND = {
    "en": "English",
    "und": "English",
    "vi": "English",
    **dict.fromkeys(["de", "nl", "sv", "da", "no"], "Germanic"),
    **dict.fromkeys(
        ["pl", "cs", "sk", "hu", "tr", "ro", "fi", "et", "lv", "lt", "hr", "sl", "sw", "tl"],
        "rare Latin",
    ),
}
_WORD_LETTERS = 8
# In German and French one letter in 25 has an accent, in Polish and Turkish one in 12.
_LETTERS_AN_ACCENT = 18
Mix = dict[str, float]


def mix(sample: str, scripts: Scripts, language: str) -> Mix:
    """
    Return how many characters of each kind of `token_rates` the sample has.

    "plain" there is for what is not looked at (tools, given tokens): four characters a token.
    """
    raw = sample.encode("utf-8", "replace")
    digits = len(raw.translate(None, _NO_DIGITS))
    symbols = len(raw.translate(None, _NO_SYMBOLS))
    # Spaces before words belong to them and cost little; those of an indent are one token a line.
    single = raw.count(b" ")
    pairs = raw.count(b"  ")
    lines = raw.count(b"\n") + raw.count(b"\t")
    spaces = single - 2 * pairs + (1 if raw else 0)  # the first word has none
    found: Mix = {"digits": digits, "symbols": symbols, "spaces": spaces}
    if scripts.characters:
        others = sum(scripts.characters.values())
        found["other spaces"] = spaces * others / (others + scripts.latin)
        found["spaces"] = spaces - found["other spaces"]
    if lines:
        found["lines"] = lines
    ascii_chars = len(raw) if len(raw) == len(sample) else len(raw.translate(None, _NOT_ASCII))
    letters = ascii_chars - digits - symbols - single - lines
    _add_letters(found, letters, spaces + digits + symbols + lines, scripts, language)
    if ascii_chars < len(sample):
        _add_others(found, len(sample) - ascii_chars, scripts, language)
    return found


def _add_letters(found: Mix, letters: float, words: int, scripts: Scripts, language: str) -> None:
    kind = "English"
    if not scripts.characters or scripts.dominant[0] == "Latin":
        kind = _KIND.get(language, "Latin")
    if kind == "English":
        # Runs of letters that no word has: keys, paths, one letter held down.
        if letters > _WORD_LETTERS * words:
            found["plain"] = letters - _WORD_LETTERS * words
            letters = _WORD_LETTERS * words
        if scripts.accented and not _is_vietnamese(scripts):  # a quotation, or a mixed text
            foreign = min(letters, _LETTERS_AN_ACCENT * scripts.accented)
            found["Latin"] = foreign
            letters -= foreign
    found[kind] = letters


def _is_vietnamese(scripts: Scripts) -> bool:
    return scripts.vietnamese * 20 > scripts.latin


def _add_others(found: Mix, chars: int, scripts: Scripts, language: str) -> None:
    if scripts.accented:
        found["Vietnamese" if _is_vietnamese(scripts) else "accented"] = scripts.accented
    chars -= scripts.accented
    for name, count in scripts.characters.items():
        kind = name if name in GENERAL else "other script"
        if name == "Han" and "Kana" in scripts.characters:
            kind = "Kanji"
        elif language in {"fa", "ur"} and name == "Arabic":
            kind = "Persian"
        found[kind] = found.get(kind, 0) + count
        chars -= count
    if chars > 0:
        found["marks"] = chars


def general(parts: Iterable[tuple[str, float]]) -> float:
    """Return the estimate that fits no vocabulary best and none badly."""
    total = 0.0
    for kind, chars in parts:
        total += GENERAL[kind] * chars
    return total


def of_family(family: str, model: str, tokens: int, parts: Iterable[tuple[str, float]]) -> int:
    """Return the tokens of a request for a model, given its general estimate and its mix."""
    rates = RATES.get(_vocabulary(family, model))
    if rates is None:
        return tokens
    return tokens + round(sum((rates[kind] - GENERAL[kind]) * chars for kind, chars in parts))


def _vocabulary(family: str, model: str) -> str:
    # Qwen3.5 brought a larger vocabulary, which needs half the tokens for Indic scripts.
    if family == "Qwen":
        name = model.lower()
        if "qwen3.5" in name or "qwen3.6" in name:
            return "Qwen3.5"
    return family
