"""`python -m tests.perf.predictor.difficulty`: fit the difficulty that ships with the predictor.

Prints the table of pointsman.analysis.predictor.difficulty. Rows: LLMRouter (MIT), without MMLU,
GSM8K and MGSM, which the predictor is tested on. Target: the share of seven models that failed (two
that answer nearly nothing are left out), within each task.
"""

import sys

import numpy as np

from pointsman.analysis.predictor import features
from tests.perf.predictor.data import LLMROUTER, Floats, missing, nine

COUNTS = ("log_words", "log_commas", "log_sentences")
"""Three that say how much there is to read. Chosen after length was seen to work."""
TESTED = frozenset(("mmlu", "gsm8k", "agentverse-mgsm"))
PENALTY = 100.0


def refitted() -> list[tuple[str, float, float, float]]:
    """Return (name, mean, standard deviation, what one deviation adds): together 1 deviation."""
    rows = nine().where(lambda task: task not in TESTED)
    models = [name for name in rows.quality if "chatqa" not in name]
    failed = 1 - np.mean([rows.quality[name] for name in models], axis=0)
    at = [features.COUNTS.index(name) for name in COUNTS]
    counts = np.array(
        [features.counts(text, analysis, features.grams(text)) for text, analysis in rows.requests]
    )[:, at]
    mean, spread = counts.mean(axis=0), counts.std(axis=0)
    scaled = (counts - mean) / spread
    tasks = np.array(rows.groups)
    x, y = within(scaled, tasks), within(failed, tasks)
    found = np.linalg.solve(x.T @ x + PENALTY * np.eye(len(COUNTS)), x.T @ y)
    found = found / float((scaled @ found).std())
    return [
        (name, round(float(m), 2), round(float(s), 2), round(float(c), 2))
        for name, m, s, c in zip(COUNTS, mean, spread, found, strict=True)
    ]


def within(values: Floats, tasks: np.ndarray) -> Floats:
    """Return the values less the mean of their task."""
    left = values.copy()
    for task in sorted(set(tasks)):
        left[tasks == task] -= left[tasks == task].mean(axis=0)
    return left


def main() -> int:
    """Print the table."""
    if LLMROUTER in missing():
        print(f"skipped: {LLMROUTER} is not in the shared data folder")
        return 0
    for row in refitted():
        print(f"    {row},".replace("'", '"'))
    return 0


if __name__ == "__main__":
    sys.exit(main())
