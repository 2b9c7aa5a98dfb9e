"""The kinds of work a request can be, how hard it is, and what it is about.

Guarantees one spelling for rules, metrics and the ledger; the values are stable API.
Refuses imports beyond the standard library, so that every layer may use it.
"""

from enum import StrEnum
from typing import Final


class Task(StrEnum):
    """What a request asks for; `CHAT` is also the default where nothing was decided."""

    CHAT = "Chat"
    CODING = "Coding"
    REASONING = "Reasoning"
    MULTILINGUAL = "Multilingual"
    DOCUMENT = "Document"
    LONG_CONTEXT = "LongContext"


class Complexity(StrEnum):
    """How much a request asks of a model."""

    SIMPLE = "Simple"
    MODERATE = "Moderate"
    COMPLEX = "Complex"


class Domain(StrEnum):
    """What field a request is about; `GENERAL` where none stands out."""

    GENERAL = "General"
    SOFTWARE = "Software"
    MATHEMATICS = "Mathematics"
    SCIENCE = "Science"
    MEDICINE = "Medicine"
    LAW = "Law"
    FINANCE = "Finance"


LONG_CONTEXT_TOKENS: Final = 8_000
"""A prompt of so many has the task LongContext, and no shorter one has (analysis/prompt.py)."""
