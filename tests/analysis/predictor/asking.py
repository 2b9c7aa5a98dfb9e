"""Requests for the tests of the predictor."""

from pointsman.analysis import AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.predictor import Prediction, Predictor


def ask(predictor: Predictor, text: str) -> Prediction:
    """Predict for a request that is one user message."""
    facts = observe(Prompt(user=text, total_chars=len(text)), AnalysisSettings())
    return predictor.predict(facts.text, judge(facts))
