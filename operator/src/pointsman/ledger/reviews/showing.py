"""PURE: texts of callers and models, for a person who decides about them.

Guarantees that what a model may read out of a text can be seen: of a name that stands twice in an
object readers take one or the other, and whole messages fit into characters that nobody sees.
"""

import json
import re
import unicodedata
from typing import Any, Final

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, as far as no category in _HIDING has it."""
_HIDING: Final = frozenset(("Cc", "Cf", "Cs", "Co"))
_UNUSUAL: Final = re.compile(r"[^ -~\n\t]")
_JOINER: Final = "\u200d"
_STYLES: Final = "\ufe0e\ufe0f"
"""Black and white, or in colors: what stands behind many an emoji."""
_STYLED: Final = "\u203c\u2049\u2139\u3030\u303d"
"""Emoji that are no symbols by their category."""
_KEYCAP: Final = "\u20e3"


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a JSON object's members; ValueError if a name stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def pretty(text: str) -> str:
    """JSON with line breaks; anything else as it is, also where a name stands twice."""
    try:
        return json.dumps(json.loads(text, object_pairs_hook=once), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def visible(text: str) -> str:
    """
    Text as it is, with what would hide, be hidden or turn it round made visible.

    A prompt may hold characters that reorder a line or delete it from sight, and others that a
    model reads and a screen does not show: who decides about it has to see them.
    """
    return _UNUSUAL.sub(_seen, text.replace("\r\n", "\n"))


def _seen(found: re.Match[str]) -> str:
    one = found[0]
    hides = unicodedata.category(one) in _HIDING or _UNSEEN.match(one) is not None
    return f"⟨U+{ord(one):04X}⟩" if hides and not _is_usual(found.string, found.start()) else one


def _is_usual(text: str, at: int) -> bool:
    """What emoji and some scripts are made of, in its place."""
    one, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if one == _JOINER:
        return all(each > "\x7f" and each != _JOINER for each in (before, after))
    if one in _STYLES:
        symbol = before > "\x7f" and unicodedata.category(before)[0] == "S"
        return symbol or before in tuple(_STYLED) or after == _KEYCAP
    return False
