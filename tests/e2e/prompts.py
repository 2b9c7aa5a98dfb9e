"""Real prompts of the shared data with their labels; own ones where the folder is absent."""

import csv
import gzip
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TASK_OF_LABEL = {
    "chat_faq": "Chat",
    "coding": "Coding",
    "reasoning_math": "Reasoning",
    "multilingual": "Multilingual",
    "enterprise_doc": "Document",
    "long_context": "LongContext",
}
PER_LABEL = 60


@dataclass(frozen=True, slots=True)
class LabeledPrompt:
    """A prompt with the task of its label."""

    text: str
    task: str
    source: str


def shared_prompts() -> tuple[LabeledPrompt, ...]:
    """60 of each label at random (fixed seed), all of long_context; empty without the folder."""
    folder = Path(os.environ.get("POINTSMAN_SHARED", ROOT.parent / "shared"))
    path = folder / "data" / "task_prompts.csv.gz"
    if not path.exists():
        return ()
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", newline="") as rows:
        everything = [
            LabeledPrompt(row["text"], TASK_OF_LABEL[row["label"]], row["source"])
            for row in csv.DictReader(rows)
        ]
    dice = random.Random(3)
    chosen: list[LabeledPrompt] = []
    for task in TASK_OF_LABEL.values():
        of_task = [prompt for prompt in everything if prompt.task == task]
        chosen += dice.sample(of_task, min(PER_LABEL, len(of_task)))
    return tuple(chosen)
