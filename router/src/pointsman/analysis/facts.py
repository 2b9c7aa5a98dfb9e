"""What every detector may look at, and what it may say.

Guarantees that a message is read once, however many detectors look at it.
Refuses decisions: detectors/ decide, analysis.py orders them.
"""

from dataclasses import dataclass

from pointsman.analysis.language import Language
from pointsman.analysis.prompt import AnalysisSettings, Prompt
from pointsman.analysis.text import Text
from pointsman.api.tasks import Task


@dataclass(slots=True)  # not frozen: see text.py
class Facts:
    """One request, read. Not changed once built."""

    prompt: Prompt
    settings: AnalysisSettings
    text: Text
    """The last user message."""
    language: Language
    """Of the last user message."""
    context_tokens: int
    """Estimate over all messages."""


@dataclass(slots=True)
class Verdict:
    """What a detector is sure of. Not changed once built."""

    task: Task
    confidence: float
    """0..1, ordinal, set by hand."""
    evidence: tuple[str, ...]
