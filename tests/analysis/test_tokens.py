"""The token estimate beside the counts that real tokenizers gave (token_counts.csv)."""

from itertools import permutations

import pytest

from pointsman.analysis import Prompt, analyze, tokens
from pointsman.analysis.token_rates import GENERAL, RATES
from tests.analysis.prompts import ask
from tests.analysis.token_texts import FIT, HELD_OUT
from tests.perf.tokens import FAMILIES, estimate, read_counts

COUNTS = read_counts()
LISTED = (
    "English", "Python", "Go", "JSON", "Chinese", "Japanese", "Korean", "Russian", "Arabic",
    "Hindi", "German", "Maths",
)  # fmt: skip
COLUMNS = tuple(FAMILIES)
# The worst of them are up to 18 % off, the others within 15.
LIMITS = dict.fromkeys(
    [
        ("JSON", "o200k"),
        ("Japanese", "o200k"),
        ("Japanese", "qwen3.6"),
        ("Korean", "qwen3.6"),
        ("German", "qwen3"),
    ],
    0.18,
)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", LISTED)
def test_a_text_that_no_rate_was_fitted_to_is_within_15_percent(kind: str, column: str) -> None:
    """Of the tokenizer of the family; 60 to 230 tokens each."""
    counted = COUNTS["held_out", kind][column]
    assert estimate(HELD_OUT[kind], column) == pytest.approx(
        counted, rel=LIMITS.get((kind, column), 0.15)
    )


@pytest.mark.slow
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", HELD_OUT)
def test_no_kind_of_text_is_more_than_25_percent_off(kind: str, column: str) -> None:
    """Traditional Chinese is worst: Qwen and DeepSeek cut its rarer characters."""
    counted = COUNTS["held_out", kind][column]
    assert estimate(HELD_OUT[kind], column) == pytest.approx(counted, rel=0.25)


@pytest.mark.parametrize("column", COLUMNS)
def test_mixed_text_is_within_15_percent(column: str) -> None:
    """Of 132 pairs of listed kinds in one message all but 4 at most."""
    errors = []
    for first, second in permutations(LISTED, 2):
        counted = COUNTS["held_out", first][column] + COUNTS["held_out", second][column]
        guess = estimate(f"{HELD_OUT[first]}\n{HELD_OUT[second]}", column)
        errors.append(abs(guess / counted - 1))
    assert sum(error > 0.15 for error in errors) <= 4
    assert max(errors) <= 0.25


def test_every_text_has_its_counts() -> None:
    """A text that changed without its counts would be tested against another one's."""
    texts = {("fit", kind) for kind in FIT} | {("held_out", kind) for kind in HELD_OUT}
    assert set(COUNTS) == texts


def test_a_family_whose_tokenizer_could_not_be_had_takes_the_general_estimate() -> None:
    """GLM and Kimi; a guess would look like a measurement."""
    found = ask(HELD_OUT["Hindi"])
    for family in ("GLM", "Kimi", "Unheard"):
        taken = tokens.of_family(family, "any", found.context_tokens, found.token_mix)
        assert taken == found.context_tokens


def test_a_model_with_the_larger_vocabulary_of_its_family_takes_fewer_tokens_of_hindi() -> None:
    """Qwen3.5 halved what Indic scripts cost."""
    found = ask(HELD_OUT["Hindi"])
    old, new = (
        tokens.of_family("Qwen", model, found.context_tokens, found.token_mix)
        for model in ("Qwen/Qwen3-8B", "Qwen/Qwen3.5-27B")
    )
    assert new < 0.6 * old


def test_no_vocabulary_is_above_the_bound_that_spares_looking() -> None:
    """The router compares the general estimate times MOST_OVER before it asks for a family's."""
    for rates in RATES.values():
        assert set(rates) == set(GENERAL)
        assert all(rate <= GENERAL[kind] * tokens.MOST_OVER for kind, rate in rates.items())
    for text in HELD_OUT.values():
        found = ask(text)
        for family in RATES:
            taken = tokens.of_family(family, "", found.context_tokens, found.token_mix)
            assert taken <= found.context_tokens * tokens.MOST_OVER


def test_what_is_not_looked_at_counts_four_characters_a_token() -> None:
    """Tools, and tokens that a completion gives as numbers."""
    blind = analyze(Prompt(user="", total_chars=4_000))
    assert blind.context_tokens == 1_000 + tokens.MESSAGE_TOKENS


def test_of_a_long_history_head_and_tail_stand_for_the_rest() -> None:
    """A Chinese conversation of 100,000 characters costs what Chinese costs."""
    history = HELD_OUT["Chinese"] * 100
    whole = analyze(Prompt(user="好", history=history[:16_000], total_chars=100_001, turns=9))
    english = analyze(Prompt(user="ok", history="word " * 3_200, total_chars=100_002, turns=9))
    assert whole.context_tokens > 2 * english.context_tokens
