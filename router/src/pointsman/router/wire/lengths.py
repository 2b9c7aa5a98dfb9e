"""PURE: how long and how many answers a request may ask for, and how many parts an answer may have.

Guarantees that no number is so large that what is reckoned from it has no bound. Other numbers are
refused: a server might read something else out of them than was reserved.
"""

from typing import Annotated, Final

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
"""A thousand times the largest context windows."""
MOST_CHOICES: Final = 1024
Choices = Annotated[int, msgspec.Meta(ge=1, le=MOST_CHOICES)]
"""Answers to one request; OpenAI takes 128 at most. What is no such number is refused here: servers
that read "128" or 128.0 as one would give more answers than were reserved."""
Predicted = Annotated[int, msgspec.Meta(ge=-2, le=10**9)]
"""llama.cpp's own word for the longest answer, which it takes first; below 0 there is no bound."""
MOST_ITEMS: Final = 1024
"""Calls of tools, texts and reasonings in turns, of one answer. OpenAI takes 128 tools."""
MOST_NAME_CHARS: Final = 200
"""Of an id, a model's name and the like: what is repeated in each event must be short."""


def with_predicted(longest: int, predicted: int) -> int:
    """The longest answer where llama.cpp's word for it is there as well; 0: nobody bounds it."""
    return 0 if predicted < 0 else max(longest, predicted)
