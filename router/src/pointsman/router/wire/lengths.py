"""PURE: how long and how many answers a request may ask for.

Guarantees that no number is so large that what is reckoned from it has no bound. Other numbers are
refused: a server might read something else out of them than was reserved.
"""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
"""A thousand times the largest context windows."""
Choices = Annotated[int, msgspec.Meta(ge=1, le=1024)]
"""Answers to one request; OpenAI takes 128 at most. What is no such number is refused here: servers
that read "128" or 128.0 as one would give more answers than were reserved."""
Predicted = Annotated[int, msgspec.Meta(ge=-2, le=10**9)]
"""llama.cpp's own word for the longest answer, which it takes first; below 0 there is no bound."""


def with_predicted(longest: int, predicted: int) -> int:
    """The longest answer where llama.cpp's word for it is there as well; 0: nobody bounds it."""
    return 0 if predicted < 0 else max(longest, predicted)
