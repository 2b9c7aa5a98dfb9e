"""The kinds of work a request can be.

Guarantees one spelling for rules, metrics and the ledger; the values are stable API.
Refuses imports beyond `enum`, so that every layer may use it.
"""

from enum import StrEnum


class Task(StrEnum):
    """What a request asks for; `CHAT` is also the default where nothing was decided."""

    CHAT = "Chat"
    CODING = "Coding"
    REASONING = "Reasoning"
    MULTILINGUAL = "Multilingual"
    DOCUMENT = "Document"
    LONG_CONTEXT = "LongContext"
