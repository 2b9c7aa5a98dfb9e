"""Reads request bodies of the OpenAI API into typed values.

Guarantees that what it returns has the types the rest relies on; ignores fields it has no use for,
as model servers do. Refuses anything else with BadRequest that names the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec

from pointsman.simulator.errors import BadRequest
from pointsman.simulator.settings import TASKS

T = TypeVar("T")
TASK_KEY = "pointsman-simulator-task"
_IMAGE_TOKENS_TEXT = "\x00" * 1024  # 256 tokens, a small image at OpenAI's low detail is 85 to 258

MAX_CHOICES = 128  # OpenAI's limit of n
Count = Annotated[int, msgspec.Meta(ge=1)]
Choices = Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
StopText = Annotated[str, msgspec.Meta(min_length=1)]
Stops = Annotated[list[StopText], msgspec.Meta(max_length=16)]  # OpenAI takes 4, a router sends 16
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Part(msgspec.Struct, frozen=True):
    """One part of a message's content: text, or something that is not text."""

    type: str
    text: str | None = None


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Role
    content: str | list[Part] | None = None

    def text(self) -> str:
        """All text of the message; a part that is not text counts as 1 kB of nothing."""
        content = self.content
        if isinstance(content, str):
            return content
        if content is None:
            return ""
        return "".join(_IMAGE_TOKENS_TEXT if p.text is None else p.text for p in content)


class StreamOptions(msgspec.Struct, frozen=True):
    """OpenAI's `stream_options`."""

    include_usage: bool | None = None


class Function(msgspec.Struct, frozen=True):
    """A function a model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    parameters: dict[str, object] | None = None


class Tool(msgspec.Struct, frozen=True):
    """One tool. `function` is absent for custom tools, which are accepted and never called."""

    type: str
    function: Function | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """OpenAI's named JSON schema."""

    schema: dict[str, object] | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """OpenAI's `response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(msgspec.Struct, frozen=True):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Choices | None = None
    stop: StopText | Stops | None = None
    temperature: Temperature | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | Tool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    metadata: dict[str, str] | None = None

    def question(self) -> str:
        """The text of the last user message, or of the last message where no user speaks."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.text()
        return self.messages[-1].text()

    def prompt(self) -> str:
        """The text of all messages."""
        if len(self.messages) == 1:
            return self.messages[0].text()
        return "\n".join(message.text() for message in self.messages)

    def called_functions(self) -> list[Function]:
        """
        The functions the caller insists on. BadRequest where there is none such.

        `required` calls the first one, or each once if the caller says `parallel_tool_calls`.
        """
        choice = self.tool_choice
        if choice is None or choice in ("auto", "none"):
            return []
        if isinstance(choice, Tool) and choice.function is None:
            return []
        there = [tool.function for tool in self.tools or () if tool.function is not None]
        if isinstance(choice, Tool) and choice.function is not None:
            found = [function for function in there if function.name == choice.function.name][:1]
        elif choice == "required":
            found = there if self.parallel_tool_calls else there[:1]
        else:
            raise BadRequest(f"Invalid value for tool_choice: {choice!r}.", param="tool_choice")
        if not found:
            raise BadRequest("tool_choice needs a tool of this name in tools.", param="tool_choice")
        return found


class CompletionRequest(msgspec.Struct, frozen=True):
    """The body of POST /v1/completions."""

    model: str
    prompt: str | list[str | int | list[int]]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: Choices | None = None
    stop: StopText | Stops | None = None
    temperature: Temperature | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None
    metadata: dict[str, str] | None = None

    def texts(self) -> list[str]:
        """The prompts, at least one; a token array becomes 4 characters a token."""
        return _texts(self.prompt, "prompt", lambda ids: "".join(f"{i:4}"[:4] for i in ids))


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The body of POST /v1/embeddings."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None

    def texts(self) -> list[str]:
        """The inputs as texts, at least one; a token array is one text."""
        return _texts(self.input, "input", lambda ids: " ".join(map(str, ids)))


class Document(msgspec.Struct, frozen=True):
    """One that is not a string."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True):
    """The body of POST /v1/rerank, as Jina's, Cohere's and vLLM's."""

    model: str
    query: str
    documents: Annotated[list[str | Document], msgspec.Meta(min_length=1)]
    top_n: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def texts(self) -> list[str]:
        """The documents as texts."""
        return [one if isinstance(one, str) else one.text for one in self.documents]


def _texts(
    given: str | list[str | int | list[int]], param: str, spell: Callable[[list[int]], str]
) -> list[str]:
    """One text or several; `spell` turns tokens into one."""
    if isinstance(given, str):
        return [given]
    if not given or len(given) > 2048:
        raise BadRequest(f"{param} must hold 1 to 2048 items.", param=param)
    tokens = [item for item in given if isinstance(item, int)]
    if len(tokens) == len(given):
        return [spell(tokens)]
    if tokens:
        raise BadRequest(f"{param} mixes tokens and texts.", param=param)
    return [item if isinstance(item, str) else spell(item)
            for item in given if not isinstance(item, int)]  # fmt: skip


CHAT = msgspec.json.Decoder(ChatRequest)
COMPLETION = msgspec.json.Decoder(CompletionRequest)
RERANK = msgspec.json.Decoder(RerankRequest)
EMBEDDING = msgspec.json.Decoder(EmbeddingRequest)


def read_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The typed body. BadRequest with the field's path where it is no JSON or has a wrong type."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise BadRequest(message, param=path.rstrip("`").removeprefix("$.") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from None


def stops_of(request: ChatRequest | CompletionRequest) -> tuple[str, ...]:
    """The texts at which an answer ends."""
    return (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())


def task_of(metadata: dict[str, str] | None) -> str:
    """The task the caller declares in the metadata, else Chat. BadRequest for an unknown one."""
    task = (metadata or {}).get(TASK_KEY, "Chat")
    if task not in TASKS:
        raise BadRequest(f"Unknown task {task!r}; known: {', '.join(TASKS)}.", param="metadata")
    return task
