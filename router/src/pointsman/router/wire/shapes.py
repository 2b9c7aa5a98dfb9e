"""What of OpenAI's shapes is decoded; msgspec fills these in, so they are no compiled classes.

Guarantees that of what is not looked at nothing is decoded: it stays a view into the bytes.
"""

from typing import Final

import msgspec

from pointsman.router.wire.lengths import Choices, Count, Predicted

ABSENT: Final = msgspec.Raw()


class Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = ABSENT
    tool_calls: msgspec.Raw = ABSENT


class Part(msgspec.Struct):
    type: str = ""
    text: msgspec.Raw = ABSENT


class Chat(msgspec.Struct):
    model: str
    messages: list[Message]
    stream: bool | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n_predict: Predicted | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    metadata: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    functions: msgspec.Raw = ABSENT
    response_format: msgspec.Raw = ABSENT


class Format(msgspec.Struct):
    type: str = ""


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Embeddings have none."""
    total_tokens: int | None = None
    """All that vLLM and Jina say of rerank."""
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """How DeepSeek says cached_tokens."""


class Answer(msgspec.Struct):
    """What an answer says of itself; raw values are a view into its bytes."""

    usage: Tokens | None = None
    error: msgspec.Raw = ABSENT
    id: msgspec.Raw = ABSENT
    model: msgspec.Raw = ABSENT
    system_fingerprint: msgspec.Raw = ABSENT


class PlainTokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class PlainAnswer(msgspec.Struct):
    """Of a server that says its details in another shape."""

    usage: PlainTokens | None = None
    error: msgspec.Raw = ABSENT


class Used(msgspec.Struct):
    """A place where a provider states usage."""

    usage: Tokens | None = None


class UsedElsewhere(msgspec.Struct):
    """Of a stream's event; Moonshot says it in a choice, Groq in a member of its own."""

    choices: list[Used] | None = None
    x_groq: Used | None = None


decode_chat = msgspec.json.Decoder(Chat).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_plain_answer = msgspec.json.Decoder(PlainAnswer).decode
decode_used = msgspec.json.Decoder(UsedElsewhere).decode
decode_text = msgspec.json.Decoder(str).decode
decode_parts = msgspec.json.Decoder(list[Part]).decode
decode_format = msgspec.json.Decoder(Format).decode
decode_map = msgspec.json.Decoder(dict[str, object]).decode
NO_ANSWER: Final = Answer()


class Completion(msgspec.Struct):
    model: str
    prompt: msgspec.Raw
    stream: bool | None = None
    max_tokens: Count | None = None
    n_predict: Predicted | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    metadata: msgspec.Raw = ABSENT
    suffix: msgspec.Raw = ABSENT


class Embedding(msgspec.Struct):
    model: str
    input: msgspec.Raw
    metadata: msgspec.Raw = ABSENT


class Rerank(msgspec.Struct):
    model: str
    query: msgspec.Raw
    documents: msgspec.Raw
    metadata: msgspec.Raw = ABSENT


class Document(msgspec.Struct):
    """Jina's and Cohere's form of one that is not a string."""

    text: str = ""


decode_completion = msgspec.json.Decoder(Completion).decode
decode_embedding = msgspec.json.Decoder(Embedding).decode
decode_rerank = msgspec.json.Decoder(Rerank).decode
decode_query = msgspec.json.Decoder(str).decode
decode_documents = msgspec.json.Decoder(list[str | Document]).decode
decode_texts = msgspec.json.Decoder(str | list[str]).decode
