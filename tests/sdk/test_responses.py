"""The Responses API through both SDKs: answers, streams, tools, structured outputs, errors."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from pointsman.simulator.faults import Fault, FaultMode
from tests.router.serve.world import World
from tests.sdk.calls import Call, Outcome, Sdk

QUESTION = "Which train leaves first?"
SCHEMA = {
    "type": "object",
    "properties": {"train": {"type": "string"}, "track": {"type": "integer"}},
    "required": ["train", "track"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "name": name, "strict": True, "parameters": SCHEMA}
    for name in ("depart", "arrive")
]


async def ask(sdk: Sdk, there: World, **more: Any) -> Outcome:
    """One call."""
    call = Call("responses.create", {"model": "auto", "input": QUESTION, **more})
    return await sdk.call(call, f"http://127.0.0.1:{there.port}/v1")


def arrived(there: World) -> dict[str, Any]:
    """The last body that the model got."""
    found: dict[str, Any] = json.loads(str(there.simulators["small"].log.as_json()[-1]["body"]))
    return found


async def test_an_answer(there: World, sdk: Sdk) -> None:
    """Text, usage, the model that answered, the request's id."""
    outcome = await ask(sdk, there, instructions="Be brief.", metadata={"a": "b"})
    answer = outcome.answer
    (item,) = answer["output"]
    assert item["content"][0]["text"].startswith("model-small here.")
    told = ("object", "status", "model", "store", "metadata")
    assert [answer[name] for name in told] == [
        "response", "completed", "model-small", False, {"a": "b"},
    ]  # fmt: skip
    assert answer["usage"]["output_tokens"] == 8
    assert outcome.request_id
    roles = [message["role"] for message in arrived(there)["messages"]]
    assert roles == ["system", "user"]


async def test_a_stream_says_what_an_answer_says(there: World, sdk: Sdk) -> None:
    """In the order of their events, numbered without gaps."""
    outcome = await ask(sdk, there, stream=True)
    events = outcome.chunks
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events][:4] == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added",
    ]  # fmt: skip
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    last = events[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"][0]["text"] == text
    assert text.startswith("model-small here.")
    assert last["response"]["usage"]["output_tokens"] == 8
    assert outcome.request_id


async def test_a_length_is_kept(there: World, sdk: Sdk) -> None:
    """And told as theirs."""
    answer = (await ask(sdk, there, max_output_tokens=3)).answer
    assert (answer["status"], answer["incomplete_details"]["reason"]) == (
        "incomplete", "max_output_tokens",
    )  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_its_output_comes_back(
    there: World, sdk: Sdk, stream: bool
) -> None:
    """A whole turn of an agent, with what the SDK gave back as input."""
    outcome = await ask(sdk, there, tools=TOOLS, tool_choice="required", stream=stream)
    answer = outcome.chunks[-1]["response"] if stream else outcome.answer
    (called,) = answer["output"]
    assert (called["type"], called["name"]) == ("function_call", "depart")
    assert json.loads(called["arguments"]) == {"train": "", "track": 0}
    told = {"type": "function_call_output", "call_id": called["call_id"], "output": "track 9"}
    turns = [{"role": "user", "content": QUESTION}, called, told]
    answer = (await ask(sdk, there, input=turns, tools=TOOLS)).answer
    assert answer["output"][0]["content"][0]["text"].startswith("model-small here.")
    _, assistant, tool = arrived(there)["messages"]
    assert assistant["tool_calls"][0]["id"] == called["call_id"]
    assert tool == {"role": "tool", "tool_call_id": called["call_id"], "content": "track 9"}


async def test_a_schema_shapes_the_answer(there: World, sdk: Sdk) -> None:
    """text.format."""
    form = {"type": "json_schema", "name": "departure", "schema": SCHEMA, "strict": True}
    answer = (await ask(sdk, there, text={"format": form})).answer
    assert json.loads(answer["output"][0]["content"][0]["text"]) == {"train": "", "track": 0}


async def test_the_helpers_of_the_python_sdk_put_it_together(there: World) -> None:
    """`parse`, `stream` with its final response, and `output_text`."""

    class Departure(BaseModel):
        train: str
        track: int

    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{there.port}/v1", api_key="sk-caller", max_retries=0
    ) as client:
        parsed = await client.responses.parse(model="auto", input=QUESTION, text_format=Departure)
        assert parsed.output_parsed == Departure(train="", track=0)
        async with client.responses.stream(model="auto", input=QUESTION) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert final.output_text.startswith("model-small here.")
        assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type"),
    ],
)
async def test_what_is_not_kept_or_known_here_is_refused(
    there: World, sdk: Sdk, more: dict[str, Any], param: str
) -> None:
    """BadRequestError with the field's name."""
    error = (await ask(sdk, there, **more)).error
    assert error is not None
    assert (error.kind, error.status, error.param) == ("BadRequestError", 400, param)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_backends_fault_raises_what_callers_catch(
    there: World, sdk: Sdk, stream: bool
) -> None:
    """As of a chat; so does a model that is not there."""
    there.simulators["small"].faults.order(Fault(FaultMode.ERROR_500))
    error = (await ask(sdk, there, stream=stream)).error
    assert error is not None
    assert (error.kind, error.code) == ("InternalServerError", "upstream_error")
    error = (await ask(sdk, there, stream=stream, model="nope")).error
    assert error is not None
    assert (error.kind, error.code, error.param) == ("NotFoundError", "model_not_found", "model")


async def test_a_stream_that_breaks_ends_in_a_failed_response(there: World, sdk: Sdk) -> None:
    """With what came, and never as completed."""
    there.simulators["small"].faults.order(Fault(FaultMode.DIE_MID_STREAM, after_tokens=3))
    events = (await ask(sdk, there, stream=True)).chunks
    last = events[-1]
    assert last["type"] == "response.failed"
    assert "incomplete" in last["response"]["error"]["message"]
    assert last["response"]["status"] == "failed"
    assert len([e for e in events if e["type"] == "response.output_text.delta"]) >= 3
