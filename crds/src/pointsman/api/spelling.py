"""What a misspelled word was meant to be; imports nothing that would make the command line slow."""

import difflib
from collections.abc import Sequence


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """` (did you mean x?)`, or nothing when nothing known is near."""
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.7)
    return f" (did you mean {lowered[near[0]]}?)" if near else ""
