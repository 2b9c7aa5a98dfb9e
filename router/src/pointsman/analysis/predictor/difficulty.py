"""How hard a request looks before anything was learned: in units of about one standard deviation.

Guarantees a sum over features.COUNTS, so that it folds into weights. Refuses to be more than a
prior: it orders requests of one task slightly better than chance (docs/prediction.md).
"""

from pointsman.analysis.predictor.features import COUNTS

# Fitted to how often seven models of LLMRouter (MIT) failed, within tasks and without its MMLU,
# GSM8K and MGSM rows, by `python -m tests.perf.predictor.difficulty`: longer questions with more
# commas are harder. (name, mean, standard deviation, what one deviation adds.)
_FITTED = (
    ("log_words", 3.6, 0.9, 0.9),
    ("log_commas", 0.9, 0.8, 0.4),
    ("log_sentences", 0.6, 0.7, -0.1),
)
COEFFICIENTS: tuple[float, ...] = tuple(
    sum(each / deviation for own, _, deviation, each in _FITTED if own == name) for name in COUNTS
)
CONSTANT = -sum(mean * each / deviation for _, mean, deviation, each in _FITTED)
TYPICAL: tuple[float, ...] = tuple(
    sum(mean for own, mean, _, _ in _FITTED if own == name) for name in COUNTS
)
"""COUNTS of which the difficulty is 0, for requests whose text is not known."""
