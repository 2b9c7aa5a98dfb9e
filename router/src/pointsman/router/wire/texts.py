"""PURE: completions, embeddings, rerank: a text is a string, a list of them, or tokens.

Guarantees that of several texts the longest is analyzed, because each has a context window of its
own; that nothing is decoded before that is asked for. What is not understood counts as empty: the
backend judges it. Refuses a text that is neither a string nor a list.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from pointsman.analysis import Prompt
from pointsman.router.errors import BadRequest
from pointsman.router.wire.lengths import with_predicted
from pointsman.router.wire.openai import Asked, decoded, read_metadata, size_of
from pointsman.router.wire.shapes import (
    decode_completion,
    decode_documents,
    decode_embedding,
    decode_query,
    decode_rerank,
    decode_texts,
)
from pointsman.router.wire.unreadable import UNREADABLE

_CHARS_A_TOKEN: Final = 4
"""What the analysis takes a token of plain ASCII for: so that it counts given tokens right."""
_MOST_ARRAYS: Final = 2048
"""OpenAI's limit; those beyond it are counted as one."""


class TextRequest(Asked):
    """A completion or embeddings."""

    __slots__ = ("_more_chars", "_text")

    def __init__(
        self,
        model: str,
        metadata: dict[str, str],
        text: msgspec.Raw,
        *,
        stream: bool = False,
        max_output_tokens: int = 0,
        more_chars: int = 0,
    ) -> None:
        super().__init__(model, metadata, stream=stream, max_output_tokens=max_output_tokens)
        self._text = text
        self._more_chars = more_chars

    def prompt(self) -> Prompt:
        """Of the longest text; see Asked."""
        text, chars = _longest(self._text)
        return Prompt(user=text, total_chars=chars + self._more_chars)

    def texts(self) -> Iterator[str]:
        """Of all of them; none of tokens. See Asked."""
        try:
            found = decode_texts(self._text)
        except UNREADABLE:
            return
        yield from [found] if isinstance(found, str) else found

    def opaque(self) -> bool:
        """Of tokens; see Asked."""
        try:
            decode_texts(self._text)
        except UNREADABLE:
            return True
        return False


class RerankRequest(Asked):
    """A query and the documents that are put in order."""

    __slots__ = ("_documents", "_query")

    def __init__(
        self, model: str, metadata: dict[str, str], query: str, documents: msgspec.Raw
    ) -> None:
        super().__init__(model, metadata)
        self._query = query
        self._documents = documents

    def prompt(self) -> Prompt:
        """Of the query with the longest document, which a model reads at once; see Asked."""
        longest = max(map(len, self._shown()), default=0)
        return Prompt(user=self._query, total_chars=len(self._query) + longest)

    def texts(self) -> Iterator[str]:
        """The query, then the documents; see Asked."""
        yield self._query
        yield from self._shown()

    def opaque(self) -> bool:
        """Of documents that are neither texts nor have one; see Asked."""
        try:
            found = decode_documents(self._documents)
        except UNREADABLE:
            return True
        return any(not isinstance(one, str) and not one.text for one in found)

    def _shown(self) -> list[str]:
        try:
            found = decode_documents(self._documents)
        except UNREADABLE:
            return []
        return [one if isinstance(one, str) else one.text for one in found]


def read_rerank(body: bytes) -> RerankRequest:
    """Raises BadRequest; `param` names the field where there is one."""
    asked = decoded(decode_rerank, body)
    if bytes(memoryview(asked.documents)[:1]) != b"[":
        raise BadRequest("The field documents is not a list.", param="documents")
    try:
        query = decode_query(asked.query)
    except UNREADABLE:
        raise BadRequest("The field query is not a string.", param="query") from None
    return RerankRequest(asked.model, read_metadata(asked.metadata), query, asked.documents)


def read_completion(body: bytes) -> TextRequest:
    """Raises BadRequest; `param` names the field where there is one."""
    asked = decoded(decode_completion, body)
    _check(asked.prompt, "prompt")
    longest = asked.max_tokens or 0
    return TextRequest(
        asked.model,
        read_metadata(asked.metadata),
        asked.prompt,
        stream=bool(asked.stream),
        max_output_tokens=longest
        if asked.n_predict is None
        else with_predicted(longest, asked.n_predict),
        more_chars=size_of(asked.suffix),
    )


def read_embedding(body: bytes) -> TextRequest:
    """Raises BadRequest; `param` names the field where there is one."""
    asked = decoded(decode_embedding, body)
    _check(asked.input, "input")
    return TextRequest(asked.model, read_metadata(asked.metadata), asked.input)


def _check(raw: msgspec.Raw, field: str) -> None:
    if bytes(memoryview(raw)[:1]) not in (b'"', b"["):
        message = f"The field {field} is neither a string nor a list of strings or tokens."
        raise BadRequest(message, param=field)


def _longest(raw: msgspec.Raw) -> tuple[str, int]:
    """The longest of the texts and its characters; of tokens only how much text they stand for."""
    try:
        found = decode_texts(raw)
    except msgspec.ValidationError:
        # Token arrays are counted, not decoded: each number would be an object.
        tokens = max(part.count(b",") + 1 for part in bytes(raw).split(b"]", _MOST_ARRAYS))
        return "", tokens * _CHARS_A_TOKEN
    except UNREADABLE:
        return "", 0
    text = found if isinstance(found, str) else max(found, key=len, default="")
    return text, len(text)
