"""SANS-I/O: a chat answer as a message of the Messages API, whole or as its events.

| of the chat stream                  | events                                                 |
| its first event                     | message_start, ping                                    |
| reasoning, text, a call, in turns   | content_block_start, content_block_delta ...           |
| the next kind, or the end           | content_block_stop                                     |
| `[DONE]`                            | message_delta (stop_reason, usage), message_stop       |
| it broke                            | error                                                  |
"""

from typing import Final

import msgspec

from pointsman.router.wire.anthropic.asking import Echo
from pointsman.router.wire.anthropic.errors import error_object, type_of
from pointsman.router.wire.lengths import MOST_ITEMS
from pointsman.router.wire.translation.chat import (
    Call,
    Piece,
    PieceReader,
    Turns,
    read_piece,
    too_many,
)
from pointsman.router.wire.translation.dialect import Untranslatable
from pointsman.router.wire.translation.events import encode, event
from pointsman.router.wire.unreadable import UNREADABLE
from pointsman.router.wire.usage import Usage

_STOP_REASONS: Final = {
    "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use",
    "content_filter": "refusal",
}  # fmt: skip
_STATUS: Final = {"upstream_timeout": 504, "draining": 503}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _usage(usage: Usage) -> dict[str, object]:
    """As theirs counts: tokens that were read before stand apart from the others."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


class MessageSpeaker:
    """See the module and translation/dialect.py."""

    def __init__(self, echo: Echo, *, id: str, prompt_tokens: int) -> None:  # noqa: A002
        self._stops = echo.stops
        self._id = id
        self._reader = PieceReader()
        self._usage = Usage(prompt_tokens, 0, estimated=True)
        self._model = self._finish = self._stopped_by = ""
        self._begun = self._over = self._refused = self._calls = False
        self._blocks = 0
        self._open = ""
        """The kind of the block that is open."""
        self._turns = Turns()
        self.broken = ""

    def whole(self, body: bytes, usage: Usage) -> bytes:
        """See Speaker."""
        piece = read_piece(body)
        said = piece.said
        content: list[dict[str, object]] = []
        if said.thought:
            content.append({"type": "thinking", "thinking": said.thought, "signature": ""})
        text = said.content or said.refusal
        if text:
            content.append({"type": "text", "text": text})
        for number, call in enumerate(said.tool_calls or ()):
            content.append(_tool_use(call, number, cut=piece.finish == "length"))
        self._note(piece)
        return encode(self._message(content, self._stop_reason(), usage))

    def _message(
        self, content: list[dict[str, object]], reason: str | None, usage: Usage
    ) -> dict[str, object]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": self._stop_sequence() if reason == "stop_sequence" else None,
            "usage": _usage(usage),
        }

    def _note(self, piece: Piece) -> None:
        self._id = piece.id or self._id
        self._model = piece.model or self._model
        self._finish = piece.finish or self._finish
        self._stopped_by = piece.stopped_by or self._stopped_by
        self._refused = self._refused or bool(piece.said.refusal)
        self._calls = self._calls or bool(piece.said.tool_calls)
        if piece.usage is not None:
            self._usage = piece.usage

    def _stop_sequence(self) -> str:
        return self._stopped_by if self._stopped_by in self._stops else ""

    def _stop_reason(self) -> str:
        if self._refused:
            return "refusal"
        if self._calls and self._finish not in ("length", "content_filter"):
            return "tool_use"
        if self._finish in _STOP_REASONS:
            return _STOP_REASONS[self._finish]
        return "stop_sequence" if self._stop_sequence() else "end_turn"

    def feed(self, data: bytes) -> bytes:
        """See Speaker."""
        out: list[bytes] = []
        try:
            for piece in self._reader.feed(data):
                self._note(piece)
                self._begin(out)
                self._speak(piece, out)
        except Untranslatable as error:
            self.broken = str(error)
        else:
            if self._reader.done:
                out.append(self.finish())
        return b"".join(out)

    def _begin(self, out: list[bytes]) -> None:
        if self._begun:
            return
        self._begun = True
        message = self._message([], None, self._usage.with_completion(0))
        out += (event("message_start", message=message), event("ping"))

    def _speak(self, piece: Piece, out: list[bytes]) -> None:
        said = piece.said
        if self._usage.estimated and (said.thought or said.content or said.tool_calls):
            tokens = self._usage.completion_tokens + 1  # about one an event
            self._usage = self._usage.with_completion(tokens)
        if said.thought:
            self._open_block("thinking", out, {"thinking": "", "signature": ""})
            self._delta(out, {"type": "thinking_delta", "thinking": said.thought})
        text = said.content or said.refusal
        if text:
            self._open_block("text", out, {"text": ""})
            self._delta(out, {"type": "text_delta", "text": text})
        for place, call in enumerate(said.tool_calls or ()):
            self._speak_call(call, place, out)

    def _speak_call(self, call: Call, place: int, out: list[bytes]) -> None:
        called, turns = call.function, self._turns
        name = turns.begins(call, place, is_open=self._open == "tool_use")
        if name:
            self._close_block(out)
            id = call.id or f"{self._id}-{turns.begun - 1}"  # noqa: A001
            self._open_block("tool_use", out, {"id": id, "name": name, "input": {}})
        if called is not None and called.arguments:
            self._delta(out, {"type": "input_json_delta", "partial_json": called.arguments})

    def _open_block(self, kind: str, out: list[bytes], members: dict[str, object]) -> None:
        if self._open == kind:
            return
        if self._blocks >= MOST_ITEMS:
            raise too_many()
        self._close_block(out)
        self._open = kind
        block = {"type": kind, **members}
        out.append(event("content_block_start", index=self._blocks, content_block=block))

    def _delta(self, out: list[bytes], delta: dict[str, object]) -> None:
        out.append(event("content_block_delta", index=self._blocks, delta=delta))

    def _close_block(self, out: list[bytes]) -> None:
        if self._open:
            out.append(event("content_block_stop", index=self._blocks))
            self._open = ""
            self._blocks += 1

    def finish(self) -> bytes:
        """See Speaker."""
        if self._over or self.broken:
            return b""
        self._over = True
        out: list[bytes] = []
        self._begin(out)
        self._close_block(out)
        reason = self._stop_reason()
        stopped = self._stop_sequence() if reason == "stop_sequence" else None
        delta = {"stop_reason": reason, "stop_sequence": stopped}
        out += (
            event("message_delta", delta=delta, usage=_usage(self._usage)),
            event("message_stop"),
        )
        return b"".join(out)

    def fail(self, message: str, code: str) -> bytes:
        """See Speaker."""
        if self._over:
            return b""
        self._over = True
        return event("error", error=error_object(type_of(_STATUS.get(code, 502)), message, code))


def _tool_use(call: Call, number: int, *, cut: bool) -> dict[str, object]:
    """`cut`: the answer ended in the middle of it."""
    function = call.function
    if function is None or not function.name:
        raise Untranslatable("a tool call names no function")
    arguments = (function.arguments or "").encode() or b"{}"
    try:
        _object(arguments)
    except UNREADABLE:
        if not cut:
            raise Untranslatable("the arguments of a tool call are no JSON object") from None
        arguments = b"{}"
    return {
        "type": "tool_use",
        "id": call.id or f"call_{number}",
        "name": function.name,
        "input": msgspec.Raw(arguments),
    }
