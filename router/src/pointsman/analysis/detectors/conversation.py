"""Follow-ups: a short message that only means something after what went before.

Guarantees that the earlier messages decide only where the last one refers back and decided nothing.
Refuses to carry a task over into a message that stands alone.
"""

from pointsman.analysis import text as text_module
from pointsman.analysis.detectors import coding
from pointsman.analysis.facts import Facts, Verdict
from pointsman.analysis.text import word_set
from pointsman.api.tasks import Task

_BACK = word_set(
    """it this that these those them now also still again instead same continue more other why
    one"""
)
CUES = _BACK
_FOLLOW_UP_WORDS = 40


def detect(facts: Facts) -> Verdict | None:
    """Coding when a short follow-up comes after messages that show code."""
    words = facts.text.cues
    if facts.prompt.turns < 2 or len(facts.text.words) > _FOLLOW_UP_WORDS or not words & _BACK:
        return None
    if not facts.prompt.history:
        return None
    mark = coding.shown(text_module.read(facts.prompt.history))
    if not mark:
        return None
    return Verdict(Task.CODING, 0.6, (f"follow-up: {mark} in earlier messages",))
