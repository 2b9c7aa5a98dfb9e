"""A backend's refusal reaches the caller in OpenAI's error shape, whoever wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.router.wire.refusal import in_openais_shape, says_too_long
from tests.router.wire.test_openai import VALUES


def error(body: bytes, status: int = 400) -> dict[str, object]:
    """The error object; it has all its fields, with the types SDKs expect."""
    found = json.loads(in_openais_shape(status, body))["error"]
    assert isinstance(found, dict)
    assert found.keys() >= {"message", "type", "param", "code"}
    assert isinstance(found["message"], str)
    return found


def test_openais_own_shape_keeps_its_bytes() -> None:
    """Spacing and further members included."""
    body = b'{ "error": {"message": "m", "type": "t", "param": null, "code": 400, "inner": [1]} }'
    assert in_openais_shape(400, body) is body


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
         "too long", None),
        ({"error": {"message": "no such model", "code": "model_not_found"}},
         "no such model", "model_not_found"),
        ({"error": "model 'x' not found"}, "model 'x' not found", None),
        ({"detail": "Not Found"}, "Not Found", None),
        ({"detail": [{"msg": "Field required"}]},
         'The backend refused the request with status 400: [{"msg":"Field required"}]', None),
        ({"object": "error", "message": {"detail": [{"loc": ["stream_options"]}]}, "code": None},
         'The backend refused the request with status 400: {"detail":[{"loc":["stream_options"]}]}',
         None),
        ([{"error": {"code": 400, "message": "no such field", "status": "INVALID_ARGUMENT"}}],
         "no such field", None),
        ([{"error": {"message": "m", "type": "BadRequestError", "param": None, "code": None}}],
         "m", None),
        ([], "The backend refused the request with status 400.", None),
        ({}, "The backend refused the request with status 400.", None),
    ],
    ids=["vLLM", "without type", "Ollama", "FastAPI", "FastAPI's list", "Mistral", "Gemini",
         "OpenAI's in a list", "an empty list", "nothing"],
)  # fmt: skip
def test_other_shapes_are_told_in_openais(body: object, message: str, code: str | None) -> None:
    """The message and code they have, at the place where an SDK looks."""
    found = error(json.dumps(body).encode())
    assert (found["message"], found["code"]) == (message, code)
    assert found["type"] in ("invalid_request_error", "BadRequestError")


@given(st.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_becomes_an_error(body: bytes) -> None:
    """HTML, nothing, JSON of any kind."""
    error(body, 422)
    error(b'{"error":' + body + b"}", 404)


@pytest.mark.parametrize(
    "message",
    [
        "The input (9 tokens) is longer than the model's context length (8 tokens).",
        "Input length (9 tokens) exceeds the maximum allowed length (8). Use a shorter input",
        "request (9 tokens) exceeds the available context size (8 tokens), try increasing it",
        "prompt too long; exceeded max context length by 1 tokens",
        "the input length exceeds the context length",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8. Given: 9",
        "Your request exceeded model token limit: 8 (requested: 9)",
        "Range of input length should be [1, 8]",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
    ],
    ids=[
        "SGLang",
        "SGLang's cache",
        "llama.cpp",
        "Ollama",
        "Ollama's embeddings",
        "TGI",
        "Moonshot",
        "DashScope",
        "Gemini",
    ],
)
def test_a_prompt_too_long_is_known_by_each_engines_words(message: str) -> None:
    """Only vLLM's were, so others' requests never went on by ContextWindow."""
    for body in ({"error": {"message": message}}, {"error": message}, {"message": message}):
        assert says_too_long(json.dumps(body).encode())
