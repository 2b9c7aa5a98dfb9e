"""How hard a request looks before anything was learned: in units of about one standard deviation.

Guarantees a sum over features.COUNTS, so that it folds into weights. Refuses to be more than a
prior: it orders requests of one task slightly better than chance (docs/prediction.md).
"""

from pointsman.analysis.predictor.features import COUNTS

# Length alone orders MMLU and GSM8K as well as what was fitted on other data (APGR 0.59 and 0.60,
# docs/prediction.md). Mean and deviation: of the prompts of LLMRouter's 14 tasks.
_MEAN_LOG_WORDS = 3.6
_DEVIATION_LOG_WORDS = 0.9
COEFFICIENTS: tuple[float, ...] = tuple(
    1 / _DEVIATION_LOG_WORDS if name == "log_words" else 0.0 for name in COUNTS
)
CONSTANT = -_MEAN_LOG_WORDS / _DEVIATION_LOG_WORDS


def difficulty(counts: tuple[float, ...]) -> float:
    """Return how hard a request with these COUNTS looks; 0 is usual, positive is harder."""
    return CONSTANT + sum(map(float.__mul__, COEFFICIENTS, counts))
