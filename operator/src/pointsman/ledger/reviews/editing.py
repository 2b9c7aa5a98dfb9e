"""PURE: whether what a reviewer wrote is a request or answer that the caller can take.

An answer keeps the shape of its operation; where the request asked for JSON its content is JSON,
where it gave a schema it satisfies that. A request keeps its shape, its `model` and its `stream`.
"""

import functools
from typing import Any, Final

import msgspec

from pointsman.api.json_schema import BadSchema, JsonSchema, TooManyLooks
from pointsman.events.reviews import MAX_TEXT_BYTES
from pointsman.ledger.reviews.errors import BadEdit
from pointsman.ledger.reviews.review import Review, Texts

MAX_SCHEMA_BYTES: Final = 256 * 1024
_ASKED: Final = {"chat/completions": "messages", "completions": "prompt", "responses": "input"}
"""Operation -> what its request cannot be without."""


def check(review: Review, texts: Texts, edited: str) -> None:
    """Raises BadEdit."""
    if len(edited.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise BadEdit("edited", f"longer than {MAX_TEXT_BYTES:,} bytes")
    value = _object(edited, "edited")
    request = _known(texts.request)
    if review.stage == "Request":
        _check_request(review, request, value)
    else:
        _check_answer(review, request, value)


def with_text(answer: str, text: str) -> str:
    """The answer with this text as its first choice's, for a form of one field. Raises BadEdit."""
    value = _object(answer, "answer")
    choice = _first(value)
    if choice is not None and isinstance(choice.get("message"), dict):
        choice["message"]["content"] = text
    elif choice is not None and isinstance(choice.get("text"), str):
        choice["text"] = text
    else:
        parts = _output_texts(value)
        if not parts:
            raise BadEdit("answer", "has no text to edit")
        parts[0]["text"] = text
    return msgspec.json.encode(value).decode()


def text_of(answer: str) -> str:
    """The text of an answer's first choice; empty if it has none."""
    value = _known(answer)
    choice = _first(value)
    if choice is None:
        return "".join(str(part["text"]) for part in _output_texts(value))
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else choice.get("text")
    return content if isinstance(content, str) else ""


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadEdit(where, f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadEdit(where, "is no JSON object")
    return value


def _known(text: str) -> dict[str, Any]:
    try:
        return _object(text, "")
    except BadEdit:
        return {}


def _check_request(review: Review, request: dict[str, Any], value: dict[str, Any]) -> None:
    needed = _ASKED.get(review.operation)
    if needed is not None and not value.get(needed):
        raise BadEdit(f"edited.{needed}", "is missing or empty")
    if needed == "messages" and not all(
        isinstance(one, dict) and isinstance(one.get("role"), str) for one in _list(value, needed)
    ):
        raise BadEdit("edited.messages", "is a list of objects with a role")
    for name in ("model", "stream"):
        if request and value.get(name) != request.get(name):
            raise BadEdit(f"edited.{name}", "has to stay as the caller sent it")


def _check_answer(review: Review, request: dict[str, Any], value: dict[str, Any]) -> None:
    wanted, schema = _wanted(request)
    if review.operation == "responses":
        parts = _output_texts(value)
        if not isinstance(value.get("output"), list):
            raise BadEdit("edited.output", "is a list")
        if wanted and parts:
            whole = "".join(str(part["text"]) for part in parts)
            _check_content("edited.output", whole, schema)
        return
    if review.operation not in ("chat/completions", "completions"):
        return
    choices = _list(value, "choices")
    if not choices:
        raise BadEdit("edited.choices", "is missing or empty")
    for number, choice in enumerate(choices):
        where = f"edited.choices[{number}]"
        if not isinstance(choice, dict):
            raise BadEdit(where, "is no object")
        if review.operation == "completions":
            where, content, calls = f"{where}.text", choice.get("text"), None
        else:
            message = choice.get("message")
            if not isinstance(message, dict) or message.get("role") != "assistant":
                raise BadEdit(f"{where}.message", "is an object with the role assistant")
            where, content = f"{where}.message.content", message.get("content")
            calls = message.get("tool_calls") or message.get("refusal")
        if not isinstance(content, str) and not (calls and content is None):
            raise BadEdit(where, "is a text")
        if wanted and isinstance(content, str) and not calls:
            _check_content(where, content, schema)


def _wanted(request: dict[str, Any]) -> tuple[bool, str]:
    """If the caller asked for JSON, and the schema that it gave, as JSON."""
    text = request.get("text")
    asked = text.get("format") if isinstance(text, dict) else request.get("response_format")
    if not isinstance(asked, dict) or asked.get("type") not in ("json_object", "json_schema"):
        return False, ""
    given = asked.get("json_schema") if "json_schema" in asked else asked
    schema = given.get("schema") if isinstance(given, dict) else None
    return True, msgspec.json.encode(schema).decode() if isinstance(schema, dict) else ""


def _check_content(where: str, content: str, schema: str) -> None:
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadEdit(where, f"the caller asked for JSON, and this is none: {error}") from None
    if not schema:
        if not isinstance(value, dict):
            raise BadEdit(where, "the caller asked for a JSON object")
        return
    problem = _problem(schema, value)
    if problem:
        raise BadEdit(where, f"does not fit the caller's schema: {problem}")


def _problem(schema: str, value: object) -> str:
    """What is wrong; empty if the schema takes it, is none that we know, or takes too long."""
    if len(schema) > MAX_SCHEMA_BYTES:
        return ""
    found = _validator(schema)
    try:
        return found.problem(value) if found is not None else ""
    except TooManyLooks:
        return ""


@functools.lru_cache(maxsize=16)
def _validator(schema: str) -> JsonSchema | None:
    """None for one that is none, or leads out: its backend answered it all the same."""
    try:
        return JsonSchema(msgspec.json.decode(schema))
    except BadSchema:
        return None


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _first(value: dict[str, Any]) -> dict[str, Any] | None:
    choices = _list(value, "choices")
    return choices[0] if choices and isinstance(choices[0], dict) else None


def _output_texts(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Of an answer of /v1/responses."""
    return [
        part
        for item in _list(value, "output")
        if isinstance(item, dict)
        for part in _list(item, "content")
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
