"""What published benchmarks say about models, until labels say it about your own traffic.

Guarantees a figure for every model, with its source; what no benchmark covers is marked uncertain.
Refuses figures that were not verified at their source.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from pointsman.analysis.predictor import difficulty
from pointsman.analysis.predictor.weights import Weights
from pointsman.api.tasks import Complexity, Task

SOURCE: Final = "LLMRouterBench, table 9"
CONFIDENCE: Final = 0.25
"""Of a figure that was published for this model and kind of task."""
UNCERTAIN: Final = 0.1
"""Of anything else. Both set by hand: a prior should lose to a few dozen labels."""
# A weak model loses more on a hard request than a strong one: quality - SLOPE * (1 - quality) *
# difficulty. Set by hand; only its sign counts for the order.
SLOPE: Final = 0.15
# Each halving of a model's size below the published one of its family costs 5 % of its quality, set
# by hand: of LLMRouter's nine models those of 7 to 9 billion score 0.9 of those of 49 and 51.
_HALVING = 0.95
_PUBLISHED_BILLIONS = 235.0
_SIZE = re.compile(r"(?:^|[-_])(\d+(?:\.\d+)?)b(?:$|[-_])")
_HARDER = {Complexity.SIMPLE: -1.0, Complexity.MODERATE: 0.0, Complexity.COMPLEX: 1.0}

# AIME, LiveMathBench, LiveCodeBench, GPQA, MMLU-Pro, ArenaHard: accuracy in percent. Left out:
# SWE-Bench and tau2 (agents), HLE and SimpleQA (no task of ours).
_FIGURES: Final[tuple[tuple[str, str, tuple[float, float, float, float, float, float]], ...]] = (
    ("Qwen", r"qwen3-235b.*thinking", (86.67, 52.89, 78.39, 80.30, 79.47, 73.93)),
    ("Qwen", r"qwen3-235b", (76.67, 76.03, 64.17, 58.59, 82.77, 73.07)),
    ("DeepSeek", r"deepseek-r1(?!-distill)", (85.00, 77.69, 80.09, 79.80, 84.23, 63.53)),
    ("DeepSeek", r"deepseek-v3\.1", (55.00, 73.55, 67.30, 76.26, 84.03, 66.27)),
    ("DeepSeek", r"deepseek-v3(?!\.)", (43.33, 61.98, 66.64, 59.60, 78.00, 60.13)),
    ("GLM", r"glm-4\.6", (81.67, 63.64, 63.13, 75.25, 80.33, 66.40)),
    ("Kimi", r"kimi-k2(?!\.|.*thinking)", (65.00, 71.90, 67.30, 73.23, 80.30, 71.07)),
)
_COVERED = frozenset((Task.CHAT, Task.CODING, Task.REASONING))


class Published(msgspec.Struct, frozen=True):
    """What is thought of a model's answers to one kind of request before any label."""

    quality: float
    """0..1."""
    confidence: float
    """CONFIDENCE or UNCERTAIN."""
    source: str
    """In words, e.g. "LLMRouterBench, table 9"."""


def published(
    family: str, model: str, task: Task, complexity: Complexity = Complexity.MODERATE
) -> Published:
    """Return the prior of a model; `family` is one of ModelBackend's, `model` its served name."""
    name = model.rsplit("/", 1)[-1].lower()
    own = [row for kind, pattern, row in _FIGURES if kind == family and re.match(pattern, name)]
    related = [row for kind, _, row in _FIGURES if kind == family]
    rows = own[:1] or related or [row for _, _, row in _FIGURES]
    quality = sum(_of_task(row, task) for row in rows) / len(rows)
    if not own:
        quality *= _shrunk(name)
    quality -= SLOPE * (1 - quality) * _HARDER[complexity]
    if own and task in _COVERED:
        return Published(quality, CONFIDENCE, SOURCE)
    of = "general figures" if own else "its family" if related else "other families"
    return Published(quality, UNCERTAIN, f"{SOURCE}, uncertain: from {of}")


def _of_task(row: tuple[float, float, float, float, float, float], task: Task) -> float:
    aime, live_math, code, gpqa, mmlu_pro, arena = row
    if task is Task.CODING:
        return code / 100
    if task is Task.REASONING:
        return (aime + live_math + gpqa) / 300
    # No figure for documents, languages and long contexts: general knowledge stands in.
    return arena / 100 if task is Task.CHAT else mmlu_pro / 100


def _shrunk(name: str) -> float:
    size = _SIZE.search(name)
    if size is None:
        return 1.0
    billions = max(float(size[1]), 0.1)
    halvings = max(math.log2(_PUBLISHED_BILLIONS / billions), 0.0)
    return float(_HALVING**halvings)


def weights_of(
    models: Mapping[str, tuple[str, str]], quality: Mapping[str, float] | None = None
) -> Weights:
    """
    Return weights that hold priors alone.

    `models`: backend -> (family, model). `quality`: backend -> 0..1 where the user knows better; it
    replaces the published figure for every task.
    """
    quality = quality or {}
    backends = tuple(models)
    by_task = {
        task: [
            Published(quality[backend], UNCERTAIN, "given")
            if backend in quality
            else published(*models[backend], task)
            for backend in backends
        ]
        for task in Task
    }
    base = tuple(one.quality for one in by_task[Task.CHAT])
    slopes = [-SLOPE * (1 - value) for value in base]
    everything = [one for row in by_task.values() for one in row]
    return Weights(
        backends=backends,
        base=tuple(
            value + slope * difficulty.CONSTANT for value, slope in zip(base, slopes, strict=True)
        ),
        counts=tuple(tuple(slope * each for each in difficulty.COEFFICIENTS) for slope in slopes),
        cells={
            f"task:{task}": tuple(one.quality - value for one, value in zip(row, base, strict=True))
            for task, row in by_task.items()
        },
        prior_confidence=min((one.confidence for one in everything), default=0.0),
        source=min(everything, key=lambda one: one.confidence).source if everything else "none",
    )
