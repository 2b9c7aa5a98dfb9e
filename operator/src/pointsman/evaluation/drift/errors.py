"""
What this package refuses.

DriftError (ValueError)
├── BadObservation   an outcome, a count or a baseline that cannot be: the caller's mistake
└── BadState         a stored state of another version or kind, or damaged: begin a new stream
"""


class DriftError(ValueError):
    """Any of the below."""


class BadObservation(DriftError):
    """Nothing was learned from it, and the state is as it was."""


class BadState(DriftError):
    """What was stored cannot be gone on with."""
