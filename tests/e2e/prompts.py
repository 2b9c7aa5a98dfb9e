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
    also: str = ""
    """A second task that fits as well."""


def shared_prompts() -> tuple[LabeledPrompt, ...]:
    """60 of each label at random (fixed seed), all of long_context; empty without the folder."""
    folder = Path(os.environ.get("POINTSMAN_SHARED", ROOT.parent / "shared"))
    path = folder / "data" / "task_prompts.csv.gz"
    if not path.exists():
        return ()
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", newline="") as rows:
        everything = [
            LabeledPrompt(
                row["text"],
                TASK_OF_LABEL[row["label"]],
                row["source"],
                TASK_OF_LABEL.get(row["also"], ""),
            )
            for row in csv.DictReader(rows)
        ]
    dice = random.Random(3)
    chosen: list[LabeledPrompt] = []
    for task in TASK_OF_LABEL.values():
        of_task = [prompt for prompt in everything if prompt.task == task]
        chosen += dice.sample(of_task, min(PER_LABEL, len(of_task)))
    return tuple(chosen)


_HISTORY = "\n".join(
    f"2024-03-{1 + i % 28:02} note {i}: the customer called about seat {i}" for i in range(900)
)
OWN_PROMPTS = tuple(
    LabeledPrompt(text, task, "own")
    for task, texts in {
        "Chat": (
            "What are your opening hours?",
            "Can I pay by bank transfer?",
            "I lost my card, what should I do now?",
            "Thanks, that helped!",
        ),
        "Coding": (
            "Write a Python function that merges two sorted lists.",
            "Why does this raise a NullPointerException?\n```java\nString s; s.length();\n```",
            "Rewrite this SQL query so that it uses an index: SELECT * FROM t WHERE lower(a) = 'x'",
        ),
        "Reasoning": (
            "A train leaves at 9:40 and needs 2 hours and 35 minutes. When does it arrive?",
            "Prove that the sum of two odd numbers is even.",
            "If 3 pencils cost 45 cents, how much do 7 pencils cost?",
        ),
        "Multilingual": (
            "Où puis-je voir mes dernières factures, s'il vous plaît ?",
            "¿Por qué no puedo entrar en mi cuenta desde ayer?",
            "我的订单什么时候会到?",
        ),
        "LongContext": (f"Which seats were discussed twice?\n\n{_HISTORY}",),
    }.items()
    for text in texts
)
