"""What every detector may look at, and what it may say.

Guarantees that a message is read once, however many detectors look at it.
Refuses decisions: detectors/ decide, analysis.py orders them.
"""

import msgspec

from pointsman.analysis.language import Language
from pointsman.analysis.prompt import AnalysisSettings, Prompt
from pointsman.analysis.text import Text
from pointsman.api.tasks import Task


class Facts(msgspec.Struct, frozen=True, gc=False):
    """One request, read."""

    prompt: Prompt
    settings: AnalysisSettings
    text: Text
    """The last user message."""
    language: Language
    """Of the last user message."""
    numbers: int
    """Written in digits, outside fences."""
    script: str
    """That carries most of its prose; see scripts.py."""
    text_tokens: int
    """Estimate of the last user message."""
    token_mix: tuple[tuple[str, float], ...]
    """Characters of all messages by kind; see tokens.py."""
    context_tokens: int
    """Estimate over all messages."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a detector is sure of."""

    task: Task
    confidence: float
    """0..1, ordinal, set by hand."""
    evidence: tuple[str, ...]
