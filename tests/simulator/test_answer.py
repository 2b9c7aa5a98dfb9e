"""Laws of what the model says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.simulator.answer import answer_pieces, count_tokens, difficulty, fails, is_correct
from pointsman.simulator.embedding import embed
from pointsman.simulator.json_mode import instance, json_pieces

TEXT = st.text(alphabet=st.characters())  # lone surrogates included: JSON can carry them
SHARE = st.floats(0, 1)


@given(TEXT, SHARE, SHARE)
def test_a_stronger_model_is_right_on_a_superset(text: str, one: float, other: float) -> None:
    """Difficulty belongs to the prompt, not to the model."""
    weak, strong = sorted((one, other))
    assert is_correct(text, weak) <= is_correct(text, strong)
    assert 0 <= difficulty(text) < 1
    assert is_correct(text, 1.0)
    assert not is_correct(text, 0.0)


def test_the_declared_share_is_kept() -> None:
    """Of 4,000 prompts a model of quality 0.7 answers 70 % rightly (5 standard errors: 3.6 %)."""
    right = sum(is_correct(f"prompt {i}", 0.7) for i in range(4000))
    assert abs(right / 4000 - 0.7) < 0.036


def test_difficulty_is_the_same_on_every_machine() -> None:
    """Recorded runs stay comparable: this number may never change."""
    assert difficulty("What is the capital of France?") == 0.07611534795828934


def test_the_error_rate_is_kept_and_repeatable() -> None:
    """The same seed fails the same requests."""
    failed = [i for i in range(4000) if fails(i, seed=3, error_rate=0.1)]
    assert abs(len(failed) / 4000 - 0.1) < 0.024
    assert failed != [i for i in range(4000) if fails(i, seed=4, error_rate=0.1)]
    assert not any(fails(i, seed=3, error_rate=0) for i in range(100))
    assert all(fails(i, seed=3, error_rate=1) for i in range(100))


@given(TEXT, st.booleans(), st.integers(1, 500))
def test_an_answer_has_the_tokens_it_was_given(prompt: str, correct: bool, tokens: int) -> None:
    """One word is one token, the model's name is the first, and a shorter answer is a prefix."""
    pieces = answer_pieces("glm", prompt, correct=correct, tokens=tokens)
    assert len(pieces) == tokens
    assert len("".join(pieces).split()) == tokens
    assert pieces[0] == "glm"
    assert answer_pieces("glm", prompt, correct=correct, tokens=500)[:tokens] == pieces


@given(TEXT, TEXT)
def test_more_text_has_no_fewer_tokens(one: str, other: str) -> None:
    """A context limit cannot be passed by adding text."""
    assert count_tokens(one + other) >= max(count_tokens(one), count_tokens(other))
    assert count_tokens(one) > 0 or not one


@given(TEXT, st.integers(1, 256))
def test_embeddings_are_unit_vectors(text: str, dimensions: int) -> None:
    """Also for empty text, and always the same."""
    vector = embed("m", text, dimensions)
    assert len(vector) == dimensions
    assert abs(sum(v * v for v in vector) - 1) < 1e-9
    assert vector == embed("m", text, dimensions)


def test_texts_that_share_words_are_nearer() -> None:
    """The vectors are of some use to a demo of similarity."""
    base, near, far = (
        embed("m", text)
        for text in ("reset my password please", "please reset password", "train to Berlin today")
    )
    assert sum(map(float.__mul__, base, near)) > sum(map(float.__mul__, base, far))


def test_a_schema_gets_an_instance() -> None:
    """Nested objects, references, enums, arrays and unions; a loop ends."""
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "part": {"$ref": "#/$defs/Part"},
            "flag": {"type": ["boolean", "null"]},
            "fixed": {"const": 7},
        },
        "$defs": {"Part": {"type": "object", "properties": {"n": {"type": "number"}}}},
    }
    assert instance(schema, schema) == {
        "kind": "a", "tags": ["", ""], "maybe": 0, "part": {"n": 0}, "flag": False, "fixed": 7,
    }  # fmt: skip
    loop: dict[str, object] = {"type": "object", "properties": {"self": {"$ref": "#"}}}
    assert "".join(json_pieces("m", loop)).startswith('{"self":{"self":')
