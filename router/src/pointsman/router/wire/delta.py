"""PURE: of a streamed chunk in OpenAI's shape, what tells whether it has content.

Guarantees that no more choices are looked at than a request may ask for.
"""

from typing import Final

import msgspec

from pointsman.router.wire.lengths import MOST_CHOICES


class Delta(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    function_call: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    audio: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()
    """OpenRouter's, of models that draw: each is larger than what is held back."""


class Choice(msgspec.Struct):
    delta: Delta | None = None
    text: msgspec.Raw = msgspec.Raw()


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None
    error: msgspec.Raw = msgspec.Raw()


decode_chunk = msgspec.json.Decoder(Chunk).decode
EMPTY: Final = frozenset({b"", b'""', b"null", b"[]", b"{}"})
_DELTA_FIELDS: Final = Delta.__struct_fields__


def has_content(chunk: Chunk) -> bool:
    for choice in (chunk.choices or ())[:MOST_CHOICES]:
        if bytes(choice.text) not in EMPTY:
            return True
        delta = choice.delta
        if delta is not None and any(
            bytes(getattr(delta, name)) not in EMPTY for name in _DELTA_FIELDS
        ):
            return True
    return False
