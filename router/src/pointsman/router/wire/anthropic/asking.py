"""PURE: a request of the Messages API as a chat request.

Guarantees that texts, images, tools, calls and their results keep their order and their values.
Refuses with BadRequest what chat completions cannot say: server tools, files, documents but text.
What is only a hint (cache_control, service_tier, budget_tokens) is left out.
"""

from typing import Annotated, Final

import msgspec

from pointsman.api.dataclass import METADATA as DATA_CLASS
from pointsman.router.wire.openai import NO_WORD, size_of
from pointsman.router.wire.shapes import ABSENT
from pointsman.router.wire.translation.asking import (
    STREAM_OPTIONS,
    Object,
    as_text,
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
from pointsman.router.wire.unreadable import UNREADABLE

_EFFORTS: Final = {"xhigh": "high", "max": "high"}
"""Chat servers know low, medium and high."""


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    source: _Source | None = None
    id: str = ""
    name: str = ""
    input: msgspec.Raw = ABSENT
    tool_use_id: str = ""
    content: msgspec.Raw = ABSENT
    is_error: bool | None = None
    thinking: str = ""
    title: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = ABSENT
    strict: bool | None = None


class _Choice(msgspec.Struct):
    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Metadata(msgspec.Struct):
    user_id: str | None = None
    data_class: object = None


class _Thinking(msgspec.Struct):
    type: str


class _Format(msgspec.Struct):
    type: str
    schema: msgspec.Raw = ABSENT


class _Output(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class Sized(msgspec.Struct, kw_only=True):
    """What tokens are counted of."""

    model: str
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _Choice | None = None
    thinking: _Thinking | None = None
    output_config: _Output | None = None
    mcp_servers: msgspec.Raw = ABSENT


class Asked(Sized, kw_only=True):
    """All of a request."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: _Metadata | None = None
    container: msgspec.Raw = ABSENT


_asked = msgspec.json.Decoder(Asked).decode
_sized = msgspec.json.Decoder(Sized).decode
_blocks = msgspec.json.Decoder(str | list[_Block] | None).decode


class Echo(msgspec.Struct, frozen=True):
    """What an answer has to know of its request."""

    stops: tuple[str, ...]


def read(body: bytes) -> Asking:
    """Of POST /v1/messages; raises BadRequest."""
    asked = taken(_asked, body)
    if size_of(asked.container):
        raise refuse("container", "there are none here")
    members = {
        **_prompt(asked),
        "max_tokens": asked.max_tokens,
        "stream": asked.stream,
        "stream_options": STREAM_OPTIONS if asked.stream else None,
        "stop": asked.stop_sequences or None,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
        "user": asked.metadata.user_id if asked.metadata else None,
    }
    return Asking(
        body_of(members),
        _metadata(asked.metadata or _Metadata()),
        None if asked.thinking is None else asked.thinking.type != "disabled",
        Echo(tuple(asked.stop_sequences or ())),
    )


def _metadata(said: _Metadata) -> dict[str, str]:
    """What rules may read, and the class of the data; see read_metadata."""
    told = {} if said.user_id is None else {"user_id": said.user_id}
    if said.data_class is not None:
        told[DATA_CLASS] = said.data_class if isinstance(said.data_class, str) else NO_WORD
    return told


def read_sized(body: bytes) -> bytes:
    """Of POST /v1/messages/count_tokens: the chat request; raises BadRequest."""
    return body_of(_prompt(taken(_sized, body)))


def _prompt(asked: Sized) -> Object:
    if size_of(asked.mcp_servers):
        raise refuse("mcp_servers", "they are not called by this router")
    messages: list[Object] = []
    if asked.system:
        messages.append({"role": "system", "content": _text(asked.system, "system")})
    for number, message in enumerate(asked.messages):
        messages += _message(message, f"messages.{number}")
    return {
        "model": asked.model,
        "messages": messages,
        "tools": [_tool(one, f"tools.{n}") for n, one in enumerate(asked.tools or ())] or None,
        **(_choice(asked.tool_choice) if asked.tool_choice else {}),
        **(_output(asked.output_config) if asked.output_config else {}),
    }


def _text(content: str | list[_Block] | None, field: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for number, block in enumerate(content):
        if block.type != "text":
            raise refuse(f"{field}.{number}.type", f"{block.type} is no text")
    return "\n\n".join(block.text for block in content)


def _message(message: _Message, field: str) -> list[Object]:
    if message.role in ("system", "developer"):
        return [{"role": "system", "content": _text(message.content, f"{field}.content")}]
    if message.role not in ("user", "assistant"):
        raise refuse(f"{field}.role", f"{message.role} is neither user nor assistant")
    if isinstance(message.content, str):
        return [{"role": message.role, "content": message.content}]
    if message.role == "assistant":
        return [_of_assistant(message.content, field)]
    return _of_user(message.content, field)


def _of_user(blocks: list[_Block], field: str) -> list[Object]:
    """Results of tools stand before all else, as chat servers want them behind the calls."""
    results: list[Object] = []
    parts: list[Object] = []
    for number, block in enumerate(blocks):
        where = f"{field}.content.{number}"
        if block.type == "tool_result":
            text, images = _result(block, where)
            results.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
            parts += images
        else:
            parts.append(_part(block, where))
    said = content_of(parts)
    return [*results, {"role": "user", "content": said}] if said or not results else results


def _part(block: _Block, field: str) -> Object:
    if block.type == "text":
        return text_part(block.text)
    source = block.source
    if block.type == "image" and source is not None:
        if source.type == "base64":
            return image_part(f"data:{source.media_type};base64,{source.data}")
        if source.type == "url":
            return image_part(source.url)
    if block.type == "document" and source is not None and source.type == "text":
        return text_part(f"{block.title}\n\n{source.data}" if block.title else source.data)
    kind = block.type if source is None else f"{block.type} from {source.type}"
    raise refuse(field, f"content of type {kind} cannot be said in a chat completion")


def _result(block: _Block, field: str) -> tuple[str, list[Object]]:
    """Of a tool: its text, and images, for which its message has no place."""
    try:
        content = _blocks(block.content) if size_of(block.content) else ""
    except UNREADABLE:
        raise refuse(f"{field}.content", "neither a text nor a list of blocks") from None
    blocks = [_Block("text", text=content or "")] if isinstance(content, str | None) else content
    parts = [_part(one, f"{field}.content.{number}") for number, one in enumerate(blocks)]
    text = "\n\n".join(str(part["text"]) for part in parts if part["type"] == "text")
    if block.is_error:
        text = f"Error: {text}"
    return text, [part for part in parts if part["type"] != "text"]


def _of_assistant(blocks: list[_Block], field: str) -> Object:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Object] = []
    for number, block in enumerate(blocks):
        if block.type == "text":
            texts.append(block.text)
        elif block.type == "thinking":
            thoughts.append(block.thinking)
        elif block.type == "tool_use":
            calls.append(call(block.id, block.name, as_text(block.input)))
        elif block.type != "redacted_thinking":
            what = f"content of type {block.type} cannot be said in a chat completion"
            raise refuse(f"{field}.content.{number}", what)
    message: Object = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message


def _tool(tool: _Tool, field: str) -> Object:
    if tool.type not in (None, "custom"):
        raise refuse(f"{field}.type", f"{tool.type} is a tool of a server that is not asked here")
    return function(tool.name, tool.description, tool.input_schema, strict=tool.strict)


def _choice(choice: _Choice) -> Object:
    known: dict[str, object] = {
        "auto": "auto", "any": "required", "none": "none",
        "tool": {"type": "function", "function": {"name": choice.name}},
    }  # fmt: skip
    if choice.type not in known:
        raise refuse("tool_choice.type", f"{choice.type} is none of {', '.join(known)}")
    parallel = False if choice.disable_parallel_tool_use else None
    return {"tool_choice": known[choice.type], "parallel_tool_calls": parallel}


def _output(output: _Output) -> Object:
    told: Object = {}
    if output.effort is not None:
        told["reasoning_effort"] = _EFFORTS.get(output.effort, output.effort)
    if output.format is not None:
        if output.format.type != "json_schema":
            raise refuse("output_config.format.type", "only json_schema is known")
        schema = {"name": "output", "schema": output.format.schema, "strict": True}
        told["response_format"] = {"type": "json_schema", "json_schema": schema}
    return told
