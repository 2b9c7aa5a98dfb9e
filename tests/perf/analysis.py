"""`python -m tests.perf.analysis`: how often the analysis is right, and what it costs.

Reads POINTSMAN_SHARED/data/task_prompts.csv.gz (default: ../shared beside the repository) and says
so where it is absent. QUICK=1: 40 prompts a source; --json PATH also writes the figures as JSON.
The detectors were written looking at the DEVELOPED sources only; the first look at the other eleven
gave 85.7 % (DEVELOPED: 96.2 %). Rules added later were written on texts of our own
(tests/analysis/task_texts.json); of all sources, only what those rules made worse was looked at.
Domain and complexity: labels.py.
"""

import argparse
import csv
import gzip
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pointsman.analysis import Prompt, Task, analyze
from tests.perf import labels

DEVELOPED = frozenset(
    (
        "clinc",
        "gsm8k-test",
        "humaneval",
        "llmr-math",
        "llmr-natural_qa",
        "mgsm",
        "t0-cnn_dailymail",
        "t0-duorc",
        "t0-quoref",
        "t0-wiki_bio",
    )
)
LABELS = {
    "chat_faq": Task.CHAT,
    "coding": Task.CODING,
    "reasoning_math": Task.REASONING,
    "multilingual": Task.MULTILINGUAL,
    "enterprise_doc": Task.DOCUMENT,
    "long_context": Task.LONG_CONTEXT,
}
# Targets: decided, and right as the mean over sources.
MIN_DECIDED = 0.80
MIN_RIGHT = 0.80
AIM_RIGHT = 0.88
# No source below this without a reason.
MIN_SOURCE = 0.50
EXPLAINED = {
    "t0-kilt": "its prompts are questions whose documents are not in them, so nothing says document"
}
SEED = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One labeled prompt."""

    text: str
    right: frozenset[Task]
    source: str


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of one source, 0..1; an undecided prompt counts as Chat in `right`."""

    source: str
    prompts: int
    decided: float
    right: float
    right_of_decided: float
    held_out: bool


@dataclass(frozen=True, slots=True)
class Times:
    """Decision times in microseconds, each prompt's best of three (the machine is shared)."""

    p50_us: float
    p99_us: float
    max_us: float


def data_file() -> Path:
    """Return where the shared prompts are expected."""
    shared = os.environ.get("POINTSMAN_SHARED")
    folder = Path(shared) if shared else Path(__file__).parents[2].parent / "shared"
    return folder / "data" / "task_prompts.csv.gz"


def load(path: Path, *, per_source: int | None = None) -> list[Row]:
    """Return the labeled prompts, at most `per_source` of each, drawn with a fixed seed."""
    csv.field_size_limit(10_000_000)
    by_source: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            right = frozenset(LABELS[name] for name in (row["label"], row["also"]) if name)
            by_source[row["source"]].append(Row(row["text"], right, row["source"]))
    dice = random.Random(SEED)
    return [
        row
        for rows in by_source.values()
        for row in (dice.sample(rows, min(per_source, len(rows))) if per_source else rows)
    ]


def prompt(text: str) -> Prompt:
    """Return a request that is one user message."""
    return Prompt(user=text, total_chars=len(text))


def score(rows: Iterable[Row]) -> list[Score]:
    """Return the shares of each source, by name."""
    found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for row in rows:
        analysis = analyze(prompt(row.text))
        found[row.source].append((analysis.decided, analysis.task in row.right))
    return [
        Score(
            source=source,
            prompts=len(pairs),
            decided=sum(decided for decided, _ in pairs) / len(pairs),
            right=sum(right for _, right in pairs) / len(pairs),
            right_of_decided=_share([right for decided, right in pairs if decided]),
            held_out=source not in DEVELOPED,
        )
        for source, pairs in sorted(found.items())
    ]


def mean_right(scores: Iterable[Score]) -> float:
    """Return the mean over sources of the share that is right."""
    shares = [one.right for one in scores]
    return sum(shares) / len(shares)


def decided_share(scores: Iterable[Score]) -> float:
    """Return the share of all prompts that a detector decided."""
    scores = list(scores)
    return sum(one.decided * one.prompts for one in scores) / sum(one.prompts for one in scores)


def measure(prompts: list[Prompt]) -> Times:
    """Return the decision times over these prompts."""
    best: list[float] = []
    for one in prompts:
        taken = []
        for _ in range(3):
            start = time.perf_counter_ns()
            analyze(one)
            taken.append(time.perf_counter_ns() - start)
        best.append(min(taken) / 1_000)
    best.sort()
    return Times(best[len(best) // 2], best[int(len(best) * 0.99)], best[-1])


def large_prompts() -> dict[str, Prompt]:
    """Return 100 kB prompts: prose, and texts that make careless expressions slow."""
    prose = "The auditor asked (twice) about 42 invoices; nobody had an answer. "
    kinds = {
        "English prose": prose,
        "Cyrillic words": "и дом на горе ",
        "spaces": " ",
        "brackets": "( { [ ",
        "dollar signs": "$x ",
        "line starts": "def\n",
    }
    return {name: prompt((text * 100_000)[:100_000]) for name, text in kinds.items()}


def _share(flags: list[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def _print_scores(scores: list[Score]) -> None:
    print(f"{'source':27}{'prompts':>8}{'decided':>9}{'right':>8}{'of decided':>12}  seen before")
    for one in sorted(scores, key=lambda each: each.held_out):
        seen = "held out" if one.held_out else "developed"
        print(
            f"{one.source:27}{one.prompts:8}{one.decided:9.1%}{one.right:8.1%}"
            f"{one.right_of_decided:12.1%}  {seen}"
        )


def _accuracy(path: Path, *, quick: bool) -> tuple[dict[str, object], bool]:
    scores = score(load(path, per_source=40 if quick else None))
    _print_scores(scores)
    held_out = [one for one in scores if one.held_out]
    developed = [one for one in scores if not one.held_out]
    figures = {
        "decided": decided_share(scores),
        "right_mean_over_sources": mean_right(scores),
        "right_mean_developed": mean_right(developed),
        "right_mean_held_out": mean_right(held_out),
    }
    print(
        f"\ndecided {figures['decided']:.1%} of {sum(one.prompts for one in scores)} prompts"
        f" (target {MIN_DECIDED:.0%})\n"
        f"right, mean over {len(scores)} sources: {figures['right_mean_over_sources']:.1%}"
        f" (target {MIN_RIGHT:.0%}, aim {AIM_RIGHT:.0%});"
        f" developed {figures['right_mean_developed']:.1%},"
        f" held out {figures['right_mean_held_out']:.1%}"
    )
    for one in scores:
        if one.right < MIN_SOURCE:
            print(f"below {MIN_SOURCE:.0%}: {one.source}: {EXPLAINED.get(one.source, 'why?')}")
    explained = all(one.right >= MIN_SOURCE or one.source in EXPLAINED for one in scores)
    right = figures["right_mean_over_sources"]
    reached = figures["decided"] >= MIN_DECIDED and right >= MIN_RIGHT and explained
    return {**figures, "sources": [asdict(one) for one in scores]}, reached


def _costs(path: Path, *, quick: bool) -> dict[str, object]:
    cases: dict[str, list[Prompt]] = {}
    if path.is_file():
        rows = [row for row in load(path, per_source=20 if quick else 100) if len(row.text) < 4_000]
        cases["ordinary prompts (< 4,000 characters)"] = [prompt(row.text) for row in rows]
    repeats = 20 if quick else 200
    for name, large in large_prompts().items():
        cases[f"100 kB of {name}"] = [large] * repeats
    print(f"\n{'decision time in microseconds':42}{'p50':>8}{'p99':>8}{'max':>8}")
    figures: dict[str, object] = {}
    for name, prompts in cases.items():
        times = measure(prompts)
        print(f"{name:42}{times.p50_us:8.1f}{times.p99_us:8.1f}{times.max_us:8.1f}")
        figures[name] = asdict(times)
    return figures


def main() -> int:
    """Print the tables; exit status 1 where a target on accuracy is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.analysis", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as JSON")
    json_path: Path | None = parser.parse_args().json
    quick = bool(os.environ.get("QUICK"))
    path = data_file()
    figures: dict[str, object] = {"quick": quick}
    reached = True
    if path.is_file():
        figures["accuracy"], reached = _accuracy(path, quick=quick)
    else:
        figures["accuracy"] = None
        print(f"accuracy: not run: {path.name} is not in the shared data folder")
    if not quick:
        figures["labels"] = labels.report(path.parent)
    figures["times"] = _costs(path, quick=quick)
    if json_path:
        json_path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
