"""SANS-I/O: a chat answer as a response of the Responses API, whole or as its events.

| of the chat stream     | events                                                               |
| its first event        | response.created, response.in_progress                               |
| reasoning, text, calls | those of items.py                                                    |
| `[DONE]`               | response.completed; response.incomplete if it was cut short          |
| it broke               | response.failed; before the first event error, which has no response |
"""

from typing import Final

from pointsman.router.wire.responses.items import Output
from pointsman.router.wire.translation.chat import Piece, PieceReader, Said, read_piece
from pointsman.router.wire.translation.dialect import Untranslatable
from pointsman.router.wire.translation.events import encode, event
from pointsman.router.wire.usage import Usage

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_UNSAID: Final[dict[str, object]] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None}, "temperature": None,
    "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": None,
    "user": None,
}  # fmt: skip
"""What an answer says of a request that says nothing."""


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


class ResponseSpeaker:
    """See the module and translation/dialect.py."""

    def __init__(
        self,
        echo: dict[str, object],
        *,
        id: str,  # noqa: A002
        now_s: int,
        prompt_tokens: int,
    ) -> None:
        self._echo = {**_UNSAID, **echo}
        self._id = id
        self._now_s = now_s
        self._reader = PieceReader()
        self._usage = Usage(prompt_tokens, 0, estimated=True)
        self._model = self._finish = ""
        self._begun = self._over = False
        self._is_whole = False
        """No events are told then."""
        self._events: list[bytes] = []
        self._number = 0
        self._output = Output(id, self._tell)
        self.broken = ""

    def _tell(self, name: str, /, **members: object) -> None:
        if self._is_whole:
            return
        told = event(f"response.{name}", sequence_number=self._number, **members)
        self._number += 1
        self._events.append(told)

    def _taken(self) -> bytes:
        events, self._events = self._events, []
        return b"".join(events)

    def whole(self, body: bytes, usage: Usage) -> bytes:
        """See Speaker."""
        self._is_whole = True
        self._take(read_piece(body))
        self._usage = usage
        self._output.close(self._status())
        return encode(self._response(self._status()))

    def _status(self) -> str:
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def _response(self, status: str, error: dict[str, object] | None = None) -> dict[str, object]:
        reason = _INCOMPLETE.get(self._finish) if status == "incomplete" else None
        ended = status != "in_progress"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._now_s,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": self._model,
            "output": self._output.items if ended else [],
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
            "usage": _usage(self._usage) if ended else None,
            **self._echo,
        }

    def _take(self, piece: Piece) -> None:
        if not self._begun:
            self._begun = True
            self._id = piece.id or self._id
            self._model = piece.model
            self._tell("created", response=self._response("in_progress"))
            self._tell("in_progress", response=self._response("in_progress"))
        self._finish = piece.finish or self._finish
        said = piece.said
        if piece.usage is not None:
            self._usage = piece.usage
        elif self._usage.estimated and (said.thought or said.content or said.tool_calls):
            tokens = self._usage.completion_tokens + 1  # about one an event
            self._usage = self._usage.with_completion(tokens)
        self._output.take(piece)

    def feed(self, data: bytes) -> bytes:
        """See Speaker."""
        try:
            for piece in self._reader.feed(data):
                self._take(piece)
        except Untranslatable as error:
            self.broken = str(error)
        else:
            if self._reader.done:
                return self.finish()
        return self._taken()

    def finish(self) -> bytes:
        """See Speaker."""
        if not (self._over or self.broken):
            self._over = True
            if not self._begun:
                self._take(Piece("", "", Said(), "", "", None))
            status = self._status()
            self._output.close(status)
            self._tell(status, response=self._response(status))
        return self._taken()

    def fail(self, message: str, code: str) -> bytes:
        """See Speaker."""
        if self._over:
            return b""
        self._over = True
        if not self._begun:
            return event("error", code=code, message=message, param=None, sequence_number=0)
        self._output.close("incomplete")
        # Their SDKs know few codes; ours stands behind the message.
        error: dict[str, object] = {"code": "server_error", "message": f"{message} ({code})"}
        self._tell("failed", response=self._response("failed", error))
        return self._taken()
