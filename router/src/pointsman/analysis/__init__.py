"""What a request is about: task, language and size, in tens of microseconds.

Guarantees the same answer for the same prompt, bounded time for any text, and evidence that never
quotes the prompt: its words are from our own lists, so that it may be logged.
Refuses I/O, clocks, dice and learned weights: these are rules a reader can check.
"""

from pointsman.analysis.analysis import ORDER, analyze
from pointsman.analysis.prompt import Analysis, AnalysisSettings, Prompt
from pointsman.api.tasks import Complexity, Domain, Task

__all__ = [
    "ORDER",
    "Analysis",
    "AnalysisSettings",
    "Complexity",
    "Domain",
    "Prompt",
    "Task",
    "analyze",
]
