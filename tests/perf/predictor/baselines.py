"""What else there is: chance, length, a table by the true group, the oracle, one model for all."""

import numpy as np

from tests.perf.predictor.data import Floats, Rows
from tests.perf.predictor.metrics import Routed, routed

FOLDS = 5


def chance(rows: Rows, seed: int) -> Routed:
    """Route by dice."""
    dice = np.random.default_rng(seed)
    return routed(np.zeros(len(rows)), rows.gap(), dice, 30.0)


def length(rows: Rows, seed: int) -> Routed:
    """The longest requests first."""
    words = np.array([float(len(prompt)) for prompt in rows.prompts])
    return routed(words, rows.gap(), np.random.default_rng(seed))


def oracle(rows: Rows, seed: int) -> Routed:
    """Who knows both answers."""
    return routed(rows.gap(), rows.gap(), np.random.default_rng(seed))


def table(rows: Rows, seed: int) -> Routed:
    """The mean gap of the true subject or task, of all labels but those of the scored fifth."""
    dice = np.random.default_rng(seed)
    fold = dice.permutation(len(rows)) % FOLDS
    groups, gap = np.array(rows.groups), rows.gap()
    found: Floats = np.zeros(len(rows))
    for part in range(FOLDS):
        others = fold != part
        for group in set(rows.groups):
            mine = others & (groups == group)
            found[(fold == part) & (groups == group)] = gap[mine].mean() if mine.any() else 0.0
    return routed(found, gap, dice)


# RouteLLM (arXiv 2406.18665): (router, trained on, APGR, CPT50, CPT80). The values come from two
# transcriptions that agree, not from the paper itself. "Arena + judge": Chatbot Arena votes and
# labels of a judge, nothing of GSM8K. "Arena + 1,500": with labels of MMLU's validation questions.
PUBLISHED: dict[str, tuple[tuple[str, str, float, float, float], ...]] = {
    "mmlu": (
        ("similarity-weighted", "Arena + 1,500 MMLU labels", 0.603, 35.4, 71.6),
        ("matrix factorization", "Arena + 1,500 MMLU labels", 0.597, 35.5, 71.4),
        ("causal LLM, 8 billion", "Arena + 1,500 MMLU labels", 0.600, 35.5, 70.3),
        ("BERT", "Arena + 1,500 MMLU labels", 0.572, 41.3, 72.2),
    ),
    "gsm8k": (
        ("similarity-weighted", "Arena + judge, zero-shot", 0.568, 41.2, 72.2),
        ("matrix factorization", "Arena + judge, zero-shot", 0.565, 38.8, 72.6),
        ("causal LLM, 8 billion", "Arena + judge, zero-shot", 0.622, 33.6, 63.3),
        ("BERT", "Arena + judge, zero-shot", 0.531, 44.8, 79.1),
    ),
}
