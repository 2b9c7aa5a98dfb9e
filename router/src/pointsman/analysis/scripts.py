"""How much of a text is written in which script, counted on its UTF-8 bytes.

Guarantees counts at memory speed: lead bytes never occur inside a character, so counting byte
prefixes counts characters. Refuses to tell languages apart; language.py does.
"""

import msgspec

# Script -> (prefixes of its letters in UTF-8, how many Latin letters a character stands for).
# Ranges: the Unicode block chart. A Chinese character carries about as much as three Latin letters,
# a kana or hangul syllable as two; the others are alphabets (vowel signs count as letters).
_PREFIXES: dict[str, tuple[tuple[bytes, ...], int]] = {
    "Greek": ((b"\xce", b"\xcf"), 1),
    "Cyrillic": ((b"\xd0", b"\xd1", b"\xd2", b"\xd3"), 1),
    "Armenian": ((b"\xd4", b"\xd5"), 1),
    "Hebrew": ((b"\xd6", b"\xd7"), 1),
    "Arabic": ((b"\xd8", b"\xd9", b"\xda", b"\xdb"), 1),
    "Devanagari": ((b"\xe0\xa4", b"\xe0\xa5"), 1),
    "Bengali": ((b"\xe0\xa6", b"\xe0\xa7"), 1),
    "Gurmukhi": ((b"\xe0\xa8", b"\xe0\xa9"), 1),
    "Gujarati": ((b"\xe0\xaa", b"\xe0\xab"), 1),
    "Oriya": ((b"\xe0\xac", b"\xe0\xad"), 1),
    "Tamil": ((b"\xe0\xae", b"\xe0\xaf"), 1),
    "Telugu": ((b"\xe0\xb0", b"\xe0\xb1"), 1),
    "Kannada": ((b"\xe0\xb2", b"\xe0\xb3"), 1),
    "Malayalam": ((b"\xe0\xb4", b"\xe0\xb5"), 1),
    "Sinhala": ((b"\xe0\xb6", b"\xe0\xb7"), 1),
    "Thai": ((b"\xe0\xb8", b"\xe0\xb9"), 1),
    "Lao": ((b"\xe0\xba", b"\xe0\xbb"), 1),
    "Tibetan": ((b"\xe0\xbc", b"\xe0\xbd"), 1),
    "Myanmar": ((b"\xe1\x80", b"\xe1\x81"), 1),
    "Georgian": ((b"\xe1\x83",), 1),
    "Ethiopic": ((b"\xe1\x88", b"\xe1\x89", b"\xe1\x8a", b"\xe1\x8b", b"\xe1\x8c", b"\xe1\x8d"), 2),
    "Khmer": ((b"\xe1\x9e", b"\xe1\x9f"), 1),
    "Kana": ((b"\xe3\x81", b"\xe3\x82", b"\xe3\x83"), 2),
    "Han": ((b"\xe4", b"\xe5", b"\xe6", b"\xe7", b"\xe8", b"\xe9"), 3),
    "Hangul": ((b"\xea", b"\xeb", b"\xec", b"\xed"), 2),
}
_BY_LEAD: dict[int, tuple[tuple[str, tuple[bytes, ...], int], ...]] = {
    lead: tuple(
        (name, tuple(p for p in prefixes if p[0] == lead), weight)
        for name, (prefixes, weight) in _PREFIXES.items()
        if any(p[0] == lead for p in prefixes)
    )
    for lead in sorted({p[0] for prefixes, _ in _PREFIXES.values() for p in prefixes})
}
_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NOT_ASCII_LETTERS = bytes(sorted(set(range(256)) - set(_ASCII_LETTERS)))
_CONTINUATION = bytes(range(0x80, 0xC0))
_ASCII = bytes(range(0x80))
_NOT_LATIN_LEAD = bytes(sorted(set(range(256)) - set(range(0xC3, 0xCA))))


class Scripts(msgspec.Struct, frozen=True, gc=False):
    """Counts of one sample."""

    latin: int
    """Latin letters, with and without accents."""
    accented: int
    """Latin letters outside ASCII."""
    vietnamese: int
    """Latin letters with two marks, a block made for Vietnamese (U+1E80..U+1EFF)."""
    characters: dict[str, int]
    """Characters of each other script found."""

    @property
    def dominant(self) -> tuple[str, float]:
        """The script that carries most of the text, and its share 0..1 by weighted letters."""
        if not self.characters:
            return ("Latin", 1.0) if self.latin else ("None", 0.0)
        weighted = {name: n * _PREFIXES[name][1] for name, n in self.characters.items()}
        total = self.latin + sum(weighted.values())
        if total == 0:
            return "None", 0.0
        name = max(weighted, key=lambda key: weighted[key], default="Latin")
        if weighted.get(name, 0) <= self.latin:
            return "Latin", self.latin / total
        return name, weighted[name] / total


EMPTY = Scripts(0, 0, 0, {})
"""No letters."""
ASCII = Scripts(1, 0, 0, {})
"""ASCII with letters: where there is no other script, nobody asks how many they are."""


def count(sample: str) -> Scripts:
    """Count the letters of each script; a lone surrogate counts as nothing."""
    raw = sample.encode("utf-8", "replace")
    ascii_letters = len(raw.translate(None, _NOT_ASCII_LETTERS))
    if len(raw) == len(sample):  # ASCII
        return Scripts(ascii_letters, 0, 0, {})
    accented = len(raw.translate(None, _NOT_LATIN_LEAD))
    vietnamese = raw.count(b"\xe1\xba") + raw.count(b"\xe1\xbb")
    characters: dict[str, int] = {}
    for lead in set(raw.translate(None, _ASCII + _CONTINUATION)):
        for name, prefixes, _ in _BY_LEAD.get(lead, ()):
            found = sum(map(raw.count, prefixes))
            if found:
                characters[name] = characters.get(name, 0) + found
    accented += vietnamese
    return Scripts(ascii_letters + accented, accented, vietnamese, characters)
