"""Fits the predictor's weights to labels: how good answers of each backend were.

Guarantees the same weights for the same labels, shrunk to the prior where labels are few or old.
Refuses I/O and clocks; needs numpy, which the router never loads.
"""

from pointsman.evaluation.fitting import K0, Label, fit
from pointsman.evaluation.vocabulary import Seen, Vocabulary

__all__ = ["K0", "Label", "Seen", "Vocabulary", "fit"]
