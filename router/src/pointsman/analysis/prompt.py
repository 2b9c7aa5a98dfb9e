"""The values that go into and come out of the analysis.

Guarantees that strings may have any length and content, also lone surrogates.
Refuses to hold a request's bytes: the router reads a `Prompt` out of the body.
"""

from dataclasses import dataclass

import msgspec

from pointsman.api.tasks import Complexity, Domain, Task


class Prompt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the router reads out of one request; the analysis caps it."""

    user: str
    """Text of the last user message."""
    system: str = ""
    """System and developer messages, joined."""
    history: str = ""
    """Text of the other messages; the caller may cap it (head and tail)."""
    total_chars: int
    """Characters of all messages together, before any cap."""
    turns: int = 1
    """Messages of the user, the last one included."""
    tools: bool = False
    """The request offers tools to the model."""
    images: int = 0
    """How many the messages hold."""
    json_mode: bool = False
    """The answer has to be JSON, by a schema or any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """What an operator may set."""

    long_context_tokens: int = 8_000
    """At this estimate of all messages' tokens the task is LongContext (8,192: the smallest
    window still common among served models, less room for the answer)."""


class Analysis(msgspec.Struct, frozen=True, gc=False):
    """What the analysis found."""

    task: Task
    """CHAT when nothing decided."""
    decided: bool
    """False: no detector was sure and `task` is the default."""
    language: str
    """ISO 639-1 code of the last user message, "und" if it cannot be told."""
    context_tokens: int
    """Estimate over all messages."""
    confidence: float
    """Of the task, 0..1, ordinal: higher is surer. Set by hand, not calibrated."""
    evidence: tuple[str, ...]
    """Short facts in ASCII, in the order found; no text of the prompt but words we list."""
    complexity: Complexity = Complexity.MODERATE
    """How much is asked of the model."""
    complexity_score: float = 0.5
    """0..1, ordinal: what `complexity` is cut from."""
    domain: Domain = Domain.GENERAL
    """What it is about."""
    turns: int = 1
    """Messages of the user, the last one included."""
    tools: bool = False
    """The request offers tools to the model."""
    images: bool = False
    """At least one message holds an image."""
    json_mode: bool = False
    """The answer has to be JSON."""
    language_confidence: float = 0.0
    """0..1, ordinal, like the next two."""
    domain_confidence: float = 0.0
    complexity_confidence: float = 0.0
    token_mix: tuple[tuple[str, float], ...] = ()
    """Characters of all messages by kind, for the estimate of a family (tokens.py)."""
