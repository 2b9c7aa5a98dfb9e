"""PURE: a request of the Responses API as a chat request.

Guarantees that messages, calls, their outputs and reasoning keep their order and their values.
Refuses with BadRequest what needs a store (previous_response_id, conversation, store, background,
prompt), tools that are no functions, files, and what chat completions have no words for.
"""

from typing import Annotated, Final

import msgspec

from pointsman.router.wire.openai import size_of
from pointsman.router.wire.shapes import ABSENT
from pointsman.router.wire.translation.asking import (
    STREAM_OPTIONS,
    Object,
    body_of,
    call,
    content_of,
    function,
    image_part,
    refuse,
    taken,
    text_part,
)
from pointsman.router.wire.translation.dialect import Asking

_STORED: Final = ("previous_response_id", "conversation", "prompt")
_ROLES: Final = frozenset({"user", "assistant", "system", "developer"})
_NOTHING_STORED: Final = "nothing is stored here: send the whole conversation as `input`"
_UNTRANSLATED: Final = "cannot be said in a chat completion"


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: str | None = None
    detail: str | None = None
    refusal: str = ""


class _Thought(msgspec.Struct):
    text: str = ""


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] = ""
    summary: list[_Thought] | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str = ""


class _Format(msgspec.Struct):
    type: str = "text"
    name: str = "output"
    description: str | None = None
    schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class Asked(msgspec.Struct):
    """All of a request that is looked at."""

    model: str
    input: Annotated[list[_Item], msgspec.Meta(min_length=1)] | str
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    truncation: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    top_logprobs: int | None = None
    max_tool_calls: int | None = None
    previous_response_id: msgspec.Raw = ABSENT
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT


_asked = msgspec.json.Decoder(Asked).decode
_ECHOED: Final = (
    "instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning",
    "temperature", "text", "tool_choice", "tools", "top_p", "user",
)  # fmt: skip
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read(body: bytes) -> Asking:
    """Of POST /v1/responses; raises BadRequest."""
    asked = taken(_asked, body)
    _refuse_state(asked)
    messages: list[Object] = []
    if asked.instructions:
        messages.append({"role": "system", "content": asked.instructions})
    if isinstance(asked.input, str):
        messages.append({"role": "user", "content": asked.input})
    else:
        messages += _conversation(asked.input)
    members = {
        "model": asked.model,
        "messages": messages,
        "stream": asked.stream,
        "stream_options": STREAM_OPTIONS if asked.stream else None,
        "max_tokens": asked.max_output_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "metadata": asked.metadata,
        "user": asked.user,
        "safety_identifier": asked.safety_identifier,
        "tools": [_tool(one, f"tools.{n}") for n, one in enumerate(asked.tools or ())] or None,
        "tool_choice": _choice(asked.tool_choice),
        "parallel_tool_calls": asked.parallel_tool_calls if asked.tools else None,
        "reasoning_effort": asked.reasoning.effort if asked.reasoning else None,
        **(_text(asked.text) if asked.text else {}),
    }
    told = taken(_members, body)
    echo = {name: told[name] for name in _ECHOED if bytes(told.get(name, b"null")) != b"null"}
    return Asking(body_of(members), None, None, echo)


def _refuse_state(asked: Asked) -> None:
    for name in _STORED:
        if size_of(getattr(asked, name)):
            raise refuse(name, _NOTHING_STORED)
    if asked.store:
        raise refuse("store", "nothing is stored here: leave it out or set it to false")
    if asked.background:
        raise refuse("background", "answers are given at once or not at all")
    if asked.truncation not in (None, "disabled"):
        raise refuse("truncation", "nothing is left out of a request here")
    if asked.top_logprobs:
        raise refuse("top_logprobs", "they are told by /v1/chat/completions only")
    if asked.max_tool_calls:
        raise refuse("max_tool_calls", "no tools are called here, so none are counted")


def _conversation(items: list[_Item]) -> list[Object]:
    """Calls and reasoning join the message of the assistant that they belong to."""
    messages: list[Object] = []
    thought = ""
    for number, item in enumerate(items):
        where = f"input.{number}"
        if item.type == "message":
            messages.append(_message(item, where))
        elif item.type == "function_call":
            _calling(messages).append(call(item.call_id, item.name, item.arguments))
        elif item.type == "function_call_output":
            messages += _output(item, where)
        elif item.type == "reasoning":
            thought = _thought(item) or thought
            continue
        else:
            raise refuse(f"{where}.type", f"an item of type {item.type} {_UNTRANSLATED}")
        if thought and messages[-1]["role"] == "assistant":
            messages[-1]["reasoning_content"] = thought
        thought = ""
    return messages


def _calling(messages: list[Object]) -> list[object]:
    """The calls of the last message, which is made one of the assistant."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    calls = messages[-1].setdefault("tool_calls", [])
    assert isinstance(calls, list)
    return calls


def _thought(item: _Item) -> str:
    """Its own text, else the summary; what is encrypted is for others."""
    if isinstance(item.content, list):
        return "\n".join(part.text for part in item.content)
    return "\n".join(one.text for one in item.summary or ())


def _message(item: _Item, field: str) -> Object:
    if item.role not in _ROLES:
        raise refuse(f"{field}.role", f"{item.role or 'nothing'} is no role")
    content = item.content or ""
    if isinstance(content, str):
        return {"role": item.role, "content": content}
    parts = [_part(one, f"{field}.content.{number}") for number, one in enumerate(content)]
    if item.role == "assistant":  # servers want its text as one
        return {"role": item.role, "content": "".join(str(part.get("text", "")) for part in parts)}
    return {"role": item.role, "content": content_of(parts)}


def _part(part: _Part, field: str) -> Object:
    if part.type in ("input_text", "output_text", "text"):
        return text_part(part.text)
    if part.type == "refusal":
        return text_part(part.refusal)
    if part.type == "input_image" and part.image_url:
        return image_part(part.image_url, part.detail)
    raise refuse(field, f"content of type {part.type} {_UNTRANSLATED}")


def _output(item: _Item, field: str) -> list[Object]:
    """Of a function: its text, and images, for which a tool's message has no place."""
    if isinstance(item.output, str):
        return [{"role": "tool", "tool_call_id": item.call_id, "content": item.output}]
    parts = [_part(one, f"{field}.output.{number}") for number, one in enumerate(item.output)]
    text = "\n\n".join(str(part["text"]) for part in parts if part["type"] == "text")
    images = [part for part in parts if part["type"] != "text"]
    told: Object = {"role": "tool", "tool_call_id": item.call_id, "content": text}
    return [told, {"role": "user", "content": images}] if images else [told]


def _tool(tool: _Tool, field: str) -> Object:
    if tool.type != "function":
        raise refuse(f"{field}.type", f"{tool.type} is a tool of a server that is not asked here")
    return function(tool.name, tool.description, tool.parameters, strict=tool.strict)


def _choice(choice: str | _Choice | None) -> object:
    if choice is None or isinstance(choice, str):
        return choice
    if choice.type != "function":
        raise refuse("tool_choice.type", f"{choice.type} {_UNTRANSLATED}")
    return {"type": "function", "function": {"name": choice.name}}


def _text(text: _Text) -> Object:
    told: Object = {"verbosity": text.verbosity}
    form = text.format
    if form is None or form.type == "text":
        return told
    if form.type == "json_object":
        return {**told, "response_format": {"type": "json_object"}}
    if form.type != "json_schema":
        raise refuse("text.format.type", f"{form.type} {_UNTRANSLATED}")
    schema: Object = {"name": form.name, "schema": form.schema}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {**told, "response_format": {"type": "json_schema", "json_schema": schema}}
