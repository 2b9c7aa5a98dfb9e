"""How good each backend's answer to a request will be, learned from its own traffic.

Guarantees a pure, bounded, deterministic prediction that says how far it can be trusted: `known` is
False for a request unlike anything it was fitted on. Evidence never quotes a prompt.
Refuses fitting (pointsman.evaluation), choosing between backends and any numbers library.
"""

from pointsman.analysis.predictor import difficulty, features
from pointsman.analysis.predictor.predicting import Prediction, Predictor
from pointsman.analysis.predictor.priors import Published, published, weights_of
from pointsman.analysis.predictor.weights import VERSION, InvalidWeights, Weights, decode, encode

__all__ = [
    "VERSION",
    "InvalidWeights",
    "Prediction",
    "Predictor",
    "Published",
    "Weights",
    "decode",
    "difficulty",
    "encode",
    "features",
    "published",
    "weights_of",
]
