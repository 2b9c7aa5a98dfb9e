"""
A real drift: the answers of GPT-4 and GPT-3.5 in March and June 2023, paired by prompt.

lchen001/LLMDrift (Chen, Zaharia, Zou 2023), Apache-2.0, scored. A stream is the prompts in a random
order, once; the null of it exchanges March and June of each prompt by a coin.
"""

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.sim.drift.streams import Scores

ROOT: Final = Path(__file__).parents[3]
TASKS: Final = {
    "prime": "primes",
    "composite": "primes",  # the same question, about numbers that are none
    "counthappynumber": "happy numbers",
    "opinionqa": "opinions: answers at all",
    "leetcode_easy": "code that runs",
    "sensitiveq": "sensitive questions: answers at all",
}
MODELS: Final = {
    "gpt-4": ("openaichat/gpt-4-0314", "openaichat/gpt-4-0613"),
    "gpt-3.5": ("openaichat/gpt-3.5-turbo-0301", "openaichat/gpt-3.5-turbo-0613"),
}


@dataclass(frozen=True, slots=True)
class Recording:
    """Scores of the same prompts, in March and in June."""

    model: str
    task: str
    march: Scores
    june: Scores


def recorded_file() -> Path:
    """Return where the scored answers are expected."""
    shared = os.environ.get("POINTSMAN_SHARED")
    folder = Path(shared) if shared else ROOT.parent / "shared"
    return folder / "data" / "llmdrift_scored.csv.gz"


def recordings(path: Path) -> list[Recording]:
    """Read each model and task that has both dates."""
    scores: dict[tuple[str, str, str, str], float] = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            scores[row["model"], TASKS[row["dataset"]], row["dataset"], row["id"]] = float(
                row["score"]
            )
    made = []
    for model, (march, june) in MODELS.items():
        for task in dict.fromkeys(TASKS.values()):
            prompts = [key[2:] for key in scores if key[:2] == (march, task)]
            both = [one for one in prompts if (june, task, *one) in scores]
            before = np.array([scores[march, task, *one] for one in both])
            after = np.array([scores[june, task, *one] for one in both])
            made.append(Recording(model, task, before, after))
    return made


def shuffled(recording: Recording, streams: int, seed: int, *, null: bool) -> Scores:
    """Differences (March minus June), streams x prompts, each stream in an order of its own."""
    rng = np.random.default_rng([seed, len(recording.march)])
    one = recording.march - recording.june
    many = rng.permuted(np.tile(one, (streams, 1)), axis=1)
    return many * rng.choice([-1.0, 1.0], size=many.shape) if null else many
