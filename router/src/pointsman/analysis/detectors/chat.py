"""Chat: questions, statements, requests for help and small pieces of writing.

Guarantees that only short or plainly personal messages are called chat.
Refuses long messages without a cue: those stay undecided.
"""

from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.language import UNKNOWN
from pointsman.analysis.text import word_set
from pointsman.api.tasks import Task

_GREETINGS = word_set("hi hello hey thanks thank bye goodbye please sorry yes no ok okay")
_WRITING = word_set(
    """poem haiku song story joke limerick slogan speech toast lyrics letter email tweet caption
    recipe itinerary"""
)
_PERSONAL = word_set("i my me you your we our mine am")
CUES = _GREETINGS | _WRITING | _PERSONAL
_SHORT_WORDS = 45
_PERSONAL_WORDS = 120


def detect(facts: Facts) -> Verdict | None:
    """Chat when the message is short, or personal and of moderate length."""
    text = facts.text
    words = len(text.words)
    if words == 0:
        return None
    if facts.language.code == UNKNOWN and words > 4 and not text.lower.isascii():
        return None
    if words <= _SHORT_WORDS:
        kind = "question" if text.is_question else "message"
        if not text.cues.isdisjoint(_GREETINGS):
            kind = "greeting or request"
        return Verdict(Task.CHAT, 0.7, (f"chat: short {kind} ({words} words)",))
    if words <= _PERSONAL_WORDS:
        if not text.cues.isdisjoint(_PERSONAL):
            return Verdict(Task.CHAT, 0.55, (f"chat: personal message ({words} words)",))
        if not text.cues.isdisjoint(_WRITING):
            return Verdict(Task.CHAT, 0.55, ("chat: a piece of writing",))
    return None
