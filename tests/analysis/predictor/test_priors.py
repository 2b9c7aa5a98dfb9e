"""Before any label there is an expectation, and it says where it comes from."""

import pytest

from pointsman.analysis.predictor import Predictor, published, weights_of
from pointsman.analysis.predictor.priors import CONFIDENCE, UNCERTAIN
from pointsman.api.tasks import Complexity, Task
from tests.analysis.predictor.asking import ask

R1 = ("DeepSeek", "deepseek-ai/DeepSeek-R1")
V3 = ("DeepSeek", "deepseek-ai/DeepSeek-V3")


def test_a_published_model_has_its_own_figure() -> None:
    """LiveCodeBench of DeepSeek-R1: 80.09 %."""
    prior = published(*R1, Task.CODING)

    assert prior.quality == pytest.approx(0.8009)
    assert prior.confidence == CONFIDENCE
    assert prior.source == "LLMRouterBench, table 9"


@pytest.mark.parametrize("task", [Task.DOCUMENT, Task.MULTILINGUAL, Task.LONG_CONTEXT])
def test_what_no_benchmark_covers_is_marked(task: Task) -> None:
    """A figure about general knowledge stands in."""
    prior = published(*R1, task)

    assert prior.confidence == UNCERTAIN
    assert "uncertain" in prior.source


def test_a_model_nobody_published_gets_less_than_its_family() -> None:
    """By the size in its name; one without a size gets the family's mean."""
    small = published("Qwen", "Qwen/Qwen2.5-7B-Instruct", Task.CODING)
    unsized = published("Qwen", "qwen-max", Task.CODING)

    assert small.quality < unsized.quality
    assert small.confidence == unsized.confidence == UNCERTAIN


def test_every_family_and_task_has_a_quality() -> None:
    """Between 0 and 1, harder is worse."""
    for family in ("Qwen", "DeepSeek", "GLM", "Kimi", "Other"):
        for task in Task:
            simple, moderate, hard = (
                published(family, "some-model", task, complexity).quality
                for complexity in Complexity
            )
            assert 0 < hard < moderate < simple < 1


def test_priors_alone_predict_and_say_so() -> None:
    """The reasoning model is expected to be better at mathematics; evidence says prior."""
    predictor = Predictor(weights_of({"r1": R1, "v3": V3}))

    prediction = ask(predictor, "A train travels 120 km in 2 hours. How far in 5 hours?")

    assert prediction.quality["r1"] > prediction.quality["v3"]
    assert prediction.known
    assert prediction.confidence == UNCERTAIN
    assert prediction.evidence[0].startswith("prior: LLMRouterBench")


def test_a_weak_backend_loses_more_on_a_longer_question() -> None:
    """With qualities that the user gave."""
    weights = weights_of(
        {"strong": ("Other", "a"), "weak": ("Other", "b")}, {"strong": 0.8, "weak": 0.6}
    )
    predictor = Predictor(weights)

    short = ask(predictor, "How many legs has a spider?").quality
    long = ask(
        predictor, "How many legs have " + "a spider and a horse and " * 20 + "a hen?"
    ).quality

    assert long["strong"] - long["weak"] > short["strong"] - short["weak"]
