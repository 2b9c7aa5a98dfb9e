"""What labels make of the prior."""

import math
from collections.abc import Iterable

import pytest

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.analysis.predictor import Prediction, Predictor, Weights, decode, encode, weights_of
from pointsman.analysis.text import Text
from pointsman.evaluation import Label, Vocabulary, fit

PRIOR = weights_of(
    {"large": ("Other", "large"), "small": ("Other", "small")}, {"large": 0.8, "small": 0.6}
)
DAY_S = 86_400.0
CODE = "Write a Python function that sorts a list of numbers."
CHAT = "What is the capital of France?"


def read(text: str) -> tuple[Text, Analysis]:
    """Analyze one message."""
    facts = observe(Prompt(user=text, total_chars=len(text)), AnalysisSettings())
    return facts.text, judge(facts)


def fitted(
    rated: Iterable[tuple[str, str, float, float]], *, texts: bool = True, now_s: float = 0.0
) -> Weights:
    """Fit (text, backend, quality, at_s); labels of one text are of one request."""
    vocabulary = Vocabulary()
    seen = {}
    labels = []
    for text, backend, quality, at_s in rated:
        if text not in seen:
            read_text, analysis = read(text)
            seen[text] = vocabulary.see(read_text if texts else None, analysis)
        labels.append(Label(seen[text], backend, quality, at_s))
    return fit(
        labels,
        vocabulary=vocabulary,
        backends=("large", "small"),
        prior=PRIOR,
        now_s=now_s,
        half_life_s=7 * DAY_S,
    )


def ask(weights: Weights, text: str) -> Prediction:
    """Predict for one message."""
    return Predictor(weights).predict(*read(text))


def topics(count: int) -> list[tuple[str, str, float, float]]:
    """The small model is good at kettles and bad at contracts, with the same task."""
    rated = []
    for number in range(count):
        kettle = f"Tell me about the kettle in room {number}, please"
        contract = f"Tell me about the contract in room {number}, please"
        rated += [(kettle, "small", 1.0, 0.0), (contract, "small", 0.0, 0.0)]
        rated += [(kettle, "large", 1.0, 0.0), (contract, "large", 1.0, 0.0)]
    return rated


def test_no_label_is_the_prior() -> None:
    """Nothing is made up."""
    assert fitted([]) == PRIOR


def test_words_tell_who_is_good() -> None:
    """Within one task."""
    weights = fitted(topics(200))

    kettle = ask(weights, "Is the kettle in this room?").quality
    contract = ask(weights, "Is the contract in this room?").quality

    assert kettle["small"] - contract["small"] > 0.3
    assert contract["large"] - contract["small"] > 0.3
    assert abs(kettle["large"] - contract["large"]) < 0.1


def test_few_labels_move_little() -> None:
    """Two requests are an accident."""
    few = ask(fitted(topics(1)), "Is the contract in this room?").quality
    many = ask(fitted(topics(200)), "Is the contract in this room?").quality
    before = ask(PRIOR, "Is the contract in this room?").quality

    assert abs(few["small"] - before["small"]) < 0.1
    assert many["small"] < few["small"] - 0.1


@pytest.mark.parametrize("texts", [True, False], ids=["texts", "no texts"])
def test_a_backend_that_is_bad_at_a_task_is_expected_to_be(texts: bool) -> None:
    """At this task alone, with and without the texts."""
    rated = [(f"{CODE} {n}", "large", 0.0, 0.0) for n in range(60)]
    rated += [(f"{CHAT} {n}", "large", 0.9, 0.0) for n in range(60)]

    weights = fitted(rated, texts=texts)

    assert ask(weights, CODE).quality["large"] < 0.3
    assert ask(weights, CHAT).quality["large"] > 0.7
    assert ask(weights, CODE).quality["small"] == ask(PRIOR, CODE).quality["small"]


def test_old_labels_fade() -> None:
    """A bad week, ten half-lives ago, is nearly forgotten; fresh good labels win over old bad."""
    bad = [(f"{CODE} {n}", "large", 0.0, 0.0) for n in range(100)]
    good = [(f"{CODE} {n}", "large", 1.0, 30 * DAY_S) for n in range(100, 140)]
    before = ask(PRIOR, CODE).quality["large"]

    assert ask(fitted(bad), CODE).quality["large"] < 0.3
    late = ask(fitted(bad, now_s=70 * DAY_S), CODE).quality["large"]
    assert late == pytest.approx(before, abs=0.05)
    assert ask(fitted([*bad, *good], now_s=30 * DAY_S), CODE).quality["large"] > 0.8


def test_the_same_labels_give_the_same_weights() -> None:
    """Bit by bit, also after the way through JSON."""
    first, second = fitted(topics(20)), fitted(topics(20))

    assert encode(first) == encode(second)
    assert decode(encode(first)) == first


def test_confidence_grows_with_the_labels_of_a_task() -> None:
    """From that of the prior."""
    question = "Tell me about the kettle in the hall, please"
    found = [ask(fitted(topics(n)), question).confidence for n in (0, 10, 100)]

    assert found == sorted(found)
    assert found[0] == PRIOR.prior_confidence
    assert 0.5 < found[-1] < 1


@pytest.mark.parametrize(
    "text",
    ["", "🙂🙂", "\ud800 and \udfff", "x" * 10_000, "a\u2028b\u0085c\x1cd", "0 1 2 3 $ % ="],
    ids=["empty", "emoji", "surrogates", "one long word", "separators", "marks"],
)
def test_any_text_can_be_learned_from(text: str) -> None:
    """The weights can be written, read and used."""
    rated = [(text + " " * n, "small", 1.0, 0.0) for n in range(3)]

    weights = decode(encode(fitted([*rated, *topics(3)])))

    assert all(math.isfinite(value) for value in ask(weights, text).quality.values())


def test_labels_of_backends_that_are_gone_do_not_count() -> None:
    """A table can be older than its labels."""
    assert fitted([(CHAT, "gone", 1.0, 0.0)]) == PRIOR


def test_a_vocabulary_has_an_end() -> None:
    """Later words are not noted; the words before still are."""
    vocabulary = Vocabulary(most=3)
    first = vocabulary.see(*read("one two"))
    later = vocabulary.see(*read("one hundred two"))

    assert len(vocabulary) == 3
    assert list(vocabulary.grams()) == ["one", "two", "one two"]
    assert (first.grams, first.size) == (3, 3)
    assert (later.grams, later.size) == (2, 5)


def test_length_is_learned_without_texts() -> None:
    """A backend that is bad at long requests, of one task."""
    short, long = "Tell me about the kettle, please", "Tell me about the kettle, please. " * 40
    rated = [(short + " " * n, "small", 0.9, 0.0) for n in range(200)]
    rated += [(long + " " * n, "small", 0.1, 0.0) for n in range(200)]

    weights = fitted(rated, texts=False)

    assert ask(weights, short).quality["small"] - ask(weights, long).quality["small"] > 0.15
