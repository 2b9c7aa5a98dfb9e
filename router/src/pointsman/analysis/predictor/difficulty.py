"""How hard a request looks before anything was learned: in units of about one standard deviation.

Guarantees a sum over features.COUNTS, so that it folds into weights. Refuses to be more than a
prior: it orders requests of one task slightly better than chance (docs/prediction.md).
"""

from pointsman.analysis.predictor.features import COUNTS

# Fitted to how often seven models of LLMRouter (MIT) failed, within tasks and without its MMLU,
# GSM8K and MGSM rows, by `python -m tests.perf.predictor.difficulty`: longer questions with more
# commas are harder. (name, mean, standard deviation, what one deviation adds.)
FITTED = (
    ("log_words", 2.99, 0.86, 0.8),
    ("log_commas", 0.6, 0.95, 0.37),
    ("log_sentences", 0.31, 0.61, -0.12),
)
COEFFICIENTS: tuple[float, ...] = tuple(
    sum(each / deviation for own, _, deviation, each in FITTED if own == name) for name in COUNTS
)
CONSTANT = -sum(mean * each / deviation for _, mean, deviation, each in FITTED)
TYPICAL: tuple[float, ...] = tuple(
    sum(mean for own, mean, _, _ in FITTED if own == name) for name in COUNTS
)
"""COUNTS of which the difficulty is 0, for requests whose text is not known."""
