"""Completions and embeddings: text, texts and tokens; what is read of them, and what is refused."""

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.analysis import analyze
from pointsman.router.errors import BadRequest
from pointsman.router.wire.operation import COMPLETION, EMBEDDING, OPERATIONS, Operation
from tests.router.wire.test_openai import VALUES

BOTH = pytest.mark.parametrize("operation", [COMPLETION, EMBEDDING])


def asked(operation: Operation, text: object, **more: object) -> bytes:
    """A body with this prompt or input."""
    return json.dumps({"model": "auto", operation.text: text, **more}).encode()


@BOTH
@pytest.mark.parametrize(
    ("text", "read", "tokens"),
    [
        ("hello", "hello", 5),
        (["hi", "a longer one", ""], "a longer one", 7),
        ([], "", 4),
        ([7, 8, 9], "", 7),
        ([[1, 2], [3, 4, 5, 6, 7]], "", 10),
        ("é\n\"'", "é\n\"'", 6),
    ],
    ids=["text", "texts", "nothing", "tokens", "token arrays", "escapes"],
)
def test_the_longest_text_is_analyzed(
    operation: Operation, text: object, read: str, tokens: int
) -> None:
    """Each has a context window of its own, so the longest decides; given tokens are counted."""
    prompt = operation.read(asked(operation, text)).prompt()
    assert (prompt.user, prompt.turns, prompt.images, prompt.tools) == (read, 1, False, False)
    assert tokens <= analyze(prompt).context_tokens <= tokens + 1


def test_what_routing_needs_is_read() -> None:
    """Model, stream, the limit on the answer, metadata; embeddings are never streamed."""
    body = asked(COMPLETION, "x", stream=True, max_tokens=9, metadata={"tier": "gold", "n": 1})
    found = COMPLETION.read(body)
    assert (found.model, found.stream, found.max_output_tokens) == ("auto", True, 9)
    assert (found.metadata, found.tools) == ({"tier": "gold"}, False)
    assert COMPLETION.read(asked(COMPLETION, "abc", suffix="defg")).prompt().total_chars == 9
    embedding = EMBEDDING.read(asked(EMBEDDING, "x", stream=True, max_tokens=9))
    assert (embedding.stream, embedding.max_output_tokens) == (False, 0)


@BOTH
@pytest.mark.parametrize("text", [None, 5, True, {"a": "b"}])
def test_a_text_of_another_kind_is_refused_by_name(operation: Operation, text: object) -> None:
    """Also when it is missing: `prompt` for completions, `input` for embeddings."""
    for body in (asked(operation, text), b'{"model": "auto"}'):
        with pytest.raises(BadRequest) as refused:
            operation.read(body)
        assert (refused.value.status, refused.value.param) == (400, operation.text)


@pytest.mark.slow
@given(st.sampled_from(list(OPERATIONS.values())), VALUES)
def test_any_json_is_read_or_refused(operation: Operation, value: object) -> None:
    """BadRequest is the only way to say no, for every operation."""
    for body in (value, {"model": "a", operation.text: value}, {"model": value}):
        with suppress(BadRequest):
            operation.read(json.dumps(body).encode()).prompt()


def test_many_arrays_cost_no_object_each() -> None:
    """Two million empty arrays are read without two million objects."""
    body = b'{"model":"auto","input":[[1],' + b"[]," * 2_000_000 + b"[2]]}"
    tracemalloc.start()
    try:
        assert EMBEDDING.read(body).prompt().total_chars >= 4
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * len(body)
