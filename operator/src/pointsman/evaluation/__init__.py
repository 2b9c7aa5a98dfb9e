"""PURE: statistics about backends. No I/O, no clock, no dice: the caller brings what was seen.

`fit` makes the predictor's weights of labels of how good answers were; `drift` tells when a backend
is not what it was. Only fits need numpy, and only who asks for them loads it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.evaluation.fitting import K0, Label, fit
    from pointsman.evaluation.vocabulary import Seen, Vocabulary

__all__ = ["K0", "Label", "Seen", "Vocabulary", "fit"]


def __getattr__(name: str) -> object:
    """Import what fits need when it is asked for: the operator holds `drift` without numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pointsman.evaluation import fitting, vocabulary  # noqa: PLC0415

    found: object = getattr(fitting if hasattr(fitting, name) else vocabulary, name)
    return found
