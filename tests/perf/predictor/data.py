"""The rows of the shared data folder, read and analyzed once."""

import csv
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.text import Text

Floats = NDArray[np.float64]
ROUTELLM = "routellm_pairs.csv.gz"
LLMROUTER = "llmrouter_9models.csv.gz"
PROMPTS = "task_prompts.csv.gz"
# GPT-4 is at 3 % in the first (broken answer extraction), Mixtral far behind in the second.
ARTEFACTS = frozenset(("high_school_mathematics", "moral_scenarios"))
BILLIONS = {
    "llama3-chatqa-1.5-8b": 8,
    "qwen2.5-7b-instruct": 7,
    "llama3-chatqa-1.5-70b": 70,
    "llama-3.1-nemotron-51b-instruct": 51,
    "mistral-7b-instruct-v0.3": 7,
    "gemma-2-9b-it": 9,
    "llama-3.1-8b-instruct": 8,
    "codegemma-7b": 7,
    "llama-3.3-nemotron-super-49b-v1": 49,
}
"""Size of LLMRouter's nine models: the cost of an answer."""
STRONG, WEAK = "llama-3.3-nemotron-super-49b-v1", "mistral-7b-instruct-v0.3"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Requests with the quality of each backend's answer."""

    prompts: list[str]
    requests: list[tuple[Text, Analysis]]
    groups: list[str]
    """Subject or task of each."""
    quality: dict[str, Floats]
    """Backend -> 0..1 for each request."""

    def __len__(self) -> int:
        """How many requests."""
        return len(self.requests)

    def where(self, keep: Callable[[str], bool]) -> "Rows":
        """Return the rows of these groups."""
        return self.take(np.flatnonzero([keep(group) for group in self.groups]))

    def take(self, chosen: NDArray[np.int64]) -> "Rows":
        """Return these rows."""
        return Rows(
            [self.prompts[i] for i in chosen],
            [self.requests[i] for i in chosen],
            [self.groups[i] for i in chosen],
            {name: values[chosen] for name, values in self.quality.items()},
        )

    def gap(self) -> Floats:
        """Return how much better the strong answer is, of rows with a pair."""
        return self.quality["strong"] - self.quality["weak"]


def folder() -> Path:
    """Return where the shared rows are expected: POINTSMAN_SHARED, or beside the repository."""
    shared = os.environ.get("POINTSMAN_SHARED")
    return (Path(shared) if shared else Path(__file__).parents[3].parent / "shared") / "data"


def missing() -> list[str]:
    """Return the names of files that are not there."""
    return [name for name in (ROUTELLM, LLMROUTER, PROMPTS) if not (folder() / name).is_file()]


def analyzed(prompt: str) -> tuple[Text, Analysis]:
    """Read one message as the router does."""
    facts = observe(Prompt(user=prompt, total_chars=len(prompt)), AnalysisSettings())
    return facts.text, judge(facts)


def _read(name: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(10_000_000)
    with gzip.open(folder() / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _rows(rows: list[dict[str, str]], group: str, columns: dict[str, str], best: float) -> Rows:
    prompts = [row["prompt"] for row in rows]
    return Rows(
        prompts,
        [analyzed(prompt) for prompt in prompts],
        [row[group] for row in rows],
        {
            name: np.array([float(r[column]) / best for r in rows])
            for name, column in columns.items()
        },
    )


@cache
def routellm(bench: str) -> Rows:
    """Return the pairs of "mmlu", "gsm8k" or "mt_bench": GPT-4-1106 and Mixtral-8x7B."""
    rows = [row for row in _read(ROUTELLM) if row["bench"] == bench]
    best = 10.0 if bench == "mt_bench" else 1.0
    return _rows(rows, "domain", {"strong": "strong", "weak": "weak"}, best)


@cache
def nine() -> Rows:
    """Return LLMRouter's rows: 14 tasks, nine models."""
    return _rows(list(_read(LLMROUTER)), "task", {name: name for name in BILLIONS}, 1.0)


@cache
def mix() -> Rows:
    """Return LLMRouter's rows as a pair: 49 billion and 7 billion parameters."""
    rows = nine()
    pair = {"strong": rows.quality[STRONG], "weak": rows.quality[WEAK]}
    return Rows(rows.prompts, rows.requests, rows.groups, pair)


@cache
def domains() -> dict[str, list[tuple[Text, Analysis]]]:
    """Return prompts by field, for what is out of distribution."""
    named = {
        "banking77": "banking",
        "clinc": "assistant",
        "gsm8k-test": "maths",
        "llmr-mbpp": "code",
        "humaneval": "code",
        "mgsm": "maths in other languages",
        "llmr-natural_qa": "trivia",
        "llmr-trivia_qa": "trivia",
    }
    found: dict[str, list[tuple[Text, Analysis]]] = {}
    for row in _read(PROMPTS):
        source = row["source"]
        document = source.startswith("t0-") and source != "t0-concatenated"
        domain = "documents" if document else named.get(source)
        if domain:
            found.setdefault(domain, []).append(analyzed(row["text"]))
    mmlu = routellm("mmlu")
    medical = {"clinical_knowledge", "professional_medicine", "college_medicine", "anatomy"}
    for request, subject in zip(mmlu.requests, mmlu.groups, strict=True):
        if subject in medical:
            found.setdefault("medicine", []).append(request)
        elif "law" in subject:
            found.setdefault("law", []).append(request)
    return found
