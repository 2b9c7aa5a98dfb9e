"""Long context: by the estimated tokens of all messages, nothing else.

Guarantees the operator's threshold is the only criterion. Refuses to look at words.
"""

from pointsman.analysis.facts import Facts, Verdict
from pointsman.api.tasks import Task


def detect(facts: Facts) -> Verdict | None:
    """LongContext when the estimate reaches `settings.long_context_tokens`."""
    threshold = facts.settings.long_context_tokens
    if facts.context_tokens < threshold:
        return None
    # The estimate may be 20 % off (tokens.py): a narrow win is a weak one.
    confidence = 0.95 if facts.context_tokens >= 1.2 * threshold else 0.7
    evidence = f"length: {facts.context_tokens:,} tokens >= {threshold:,}"
    return Verdict(Task.LONG_CONTEXT, confidence, (evidence,))
