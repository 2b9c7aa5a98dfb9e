"""What a reviewer may write in the place of a request or an answer."""

import json
from typing import Any

import pytest

from pointsman.ledger.reviews.editing import check, text_of, with_text
from pointsman.ledger.reviews.errors import BadEdit
from pointsman.ledger.reviews.review import Texts
from tests.ledger.reviews.opened import answer_text, request_text
from tests.ledger.reviews.test_review import pending

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"days": {"type": "integer", "maximum": 30}},
    "required": ["days"],
}
JSON_MODE = {"type": "json_object"}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "days", "schema": SCHEMA}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def edit(edited: str, *, request: str = request_text(), **review: Any) -> str:
    """Empty if it may be, else why not."""
    fields = {"operation": "chat/completions", **review}
    try:
        check(pending(**fields), Texts(request, answer_text()), edited)
    except BadEdit as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        (answer_text("Better."), ""),
        (answer_text(None, tool_calls=[CALL]), ""),
        (answer_text(None), "edited.choices[0].message.content: is a text"),
        (answer_text()[:-1], "edited: is not JSON"),
        ("Better.", "edited: is not JSON"),
        ("[]", "edited: is no JSON object"),
        ("{}", "edited.choices: is missing or empty"),
        ('{"choices": [1]}', "edited.choices[0]: is no object"),
        ('{"choices": [{"message": {"content": "x"}}]}', "edited.choices[0].message: is an object"),
        ("[" * 100_000, "edited: is not JSON"),
        (answer_text("x" * 1_048_576), "edited: longer than"),
    ],
)
def test_an_answer_keeps_its_shape(edited: str, why: str) -> None:
    """An SDK takes it as it takes a model's."""
    assert edit(edited).startswith(why) if why else edit(edited) == ""


@pytest.mark.parametrize(
    ("wanted", "content", "why"),
    [
        (JSON_MODE, '{"a": 1}', ""),
        (JSON_MODE, "Yes.", "the caller asked for JSON, and this is none"),
        (JSON_MODE, "[1]", "the caller asked for a JSON object"),
        (JSON_SCHEMA, '{"days": 30}', ""),
        (JSON_SCHEMA, '{"days": 31}', "does not fit the caller's schema: .days: 31 is greater"),
        (JSON_SCHEMA, "{}", "does not fit the caller's schema: the value"),
        (JSON_SCHEMA, "{", "the caller asked for JSON, and this is none"),
        ({"type": "text"}, "Yes.", ""),
    ],
)
def test_where_the_caller_asked_for_json_it_gets_json(
    wanted: dict[str, Any], content: str, why: str
) -> None:
    """JSON mode an object, a schema what satisfies it; the place is told."""
    told = edit(answer_text(content), request=request_text(response_format=wanted))
    assert told == "" if not why else told.startswith(f"edited.choices[0].message.content: {why}")


def test_a_schema_that_is_none_leads_out_or_takes_too_long_binds_nobody() -> None:
    """The backend answered it all the same; nothing is fetched, and a caller holds nobody up."""
    twice = {str(i): {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} for i in range(40)}
    endless = {"$defs": {**twice, "40": {}}, "$ref": "#/$defs/0"}
    for schema in ({"type": "nonsense"}, {"$ref": "http://192.0.2.1/schema"}, endless):
        wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
        assert edit(answer_text('{"a": 1}'), request=request_text(response_format=wanted)) == ""


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        (request_text("better"), ""),
        (request_text("better", stream=True), "edited.stream: has to stay"),
        (request_text("better", model="other"), "edited.model: has to stay"),
        ('{"model": "auto"}', "edited.messages: is missing or empty"),
        ('{"model": "auto", "messages": ["x"]}', "edited.messages: is a list of objects"),
        ("{", "edited: is not JSON"),
    ],
)
def test_a_request_keeps_its_shape_model_and_stream(edited: str, why: str) -> None:
    """The caller waits for an answer of the kind that it asked for."""
    told = edit(edited, stage="Request")
    assert told == "" if not why else told.startswith(why)


def test_other_operations() -> None:
    """Completions have texts, responses output; of others an object is enough."""
    done = '{"choices": [{"text": "x"}]}'
    assert edit(done, operation="completions") == ""
    assert "text: is a text" in edit('{"choices": [{}]}', operation="completions")
    wanted = json.dumps({"input": "x", "text": {"format": {**SCHEMA, "type": "json_object"}}})
    said = {"output": [{"content": [{"type": "output_text", "text": '{"a": 1}'}]}]}
    assert edit(json.dumps(said), request=wanted, operation="responses") == ""
    said["output"][0]["content"][0]["text"] = "Yes."
    assert "asked for JSON" in edit(json.dumps(said), request=wanted, operation="responses")
    assert edit("{}", operation="responses") == "edited.output: is a list"
    assert edit("{}", operation="embeddings") == ""


def test_a_text_is_put_into_an_answer() -> None:
    """What else stands in it stays."""
    after = json.loads(with_text(answer_text("Yes."), "No."))
    assert after == json.loads(answer_text("No."))
    assert text_of(answer_text("Yes.")) == "Yes."
    said = json.dumps({"output": [{"content": [{"type": "output_text", "text": "a"}]}]})
    assert text_of(with_text(said, "b")) == "b"
    assert text_of(with_text('{"choices": [{"text": "x"}]}', "y")) == "y"
    assert text_of("no JSON") == ""
    with pytest.raises(BadEdit, match="no text"):
        with_text("{}", "x")
