"""SANS-I/O: the output of a response, item by item, and the events that tell of each.

| item          | begins with               | goes on with                  | ends with       |
| reasoning     | item, content_part added  | reasoning_text.delta          | text, part and  |
| message       | the same                  | output_text or refusal .delta | item done       |
| function_call | item added                | function_call_arguments.delta | the same        |
"""

from collections.abc import Callable
from typing import Final

from pointsman.router.wire.lengths import MOST_ITEMS
from pointsman.router.wire.translation.chat import MOST_BYTES, Call, Piece, Turns, too_many
from pointsman.router.wire.translation.dialect import Untranslatable

Object = dict[str, object]
Tell = Callable[..., None]
_PARTS: Final = {"reasoning": "reasoning_text", "message": "output_text", "refusal": "refusal"}
_ITEM_CHARS: Final = 1024
"""What an item takes besides its texts."""
_PREFIXES: Final = {"reasoning": "rs", "message": "msg", "refusal": "msg", "call": "fc"}


class Output:
    """Of one response; `tell` gets an event's name and its members."""

    def __init__(self, id: str, tell: Tell) -> None:  # noqa: A002
        self.items: list[Object] = []
        self._id = id
        self._tell = tell
        self._kind = ""
        """Of the item that is open."""
        self._turns = Turns()
        self._texts: list[str] = []
        self._size = 0
        self._call: Object = {}

    def take(self, piece: Piece) -> None:
        """More of it; raises Untranslatable."""
        said = piece.said
        if said.thought:
            self._say("reasoning", said.thought)
        if said.content:
            self._say("message", said.content)
        if said.refusal:
            self._say("refusal", said.refusal)
        for place, call in enumerate(said.tool_calls or ()):
            self._take_call(call, place)

    def _take_call(self, call: Call, place: int) -> None:
        called = call.function
        name = self._turns.begins(call, place, is_open=self._kind == "call")
        if name:
            self.close("completed")
            given = call.id or f"call_{self._id}_{len(self.items)}"
            self._call = {"call_id": given, "name": name}
            self._count(len(given) + len(name))
            self._open("call")
        if called is not None and called.arguments:
            self._add(called.arguments)
            self._tell("function_call_arguments.delta", **self._place(), delta=called.arguments)

    def _say(self, kind: str, text: str) -> None:
        if self._kind != kind:
            self.close("completed")
            self._open(kind)
        self._add(text)
        self._tell(f"{_delta(kind)}.delta", **self._part_place(), **_logprobs(kind), delta=text)

    def _add(self, text: str) -> None:
        self._count(len(text))
        self._texts.append(text)

    def _count(self, chars: int) -> None:
        self._size += chars
        if self._size > MOST_BYTES:
            raise Untranslatable(f"the answer is larger than {MOST_BYTES:,} characters")

    def _item_id(self) -> str:
        return f"{_PREFIXES[self._kind]}_{self._id}_{len(self.items)}"

    def _place(self) -> Object:
        return {"item_id": self._item_id(), "output_index": len(self.items)}

    def _part_place(self) -> Object:
        return {**self._place(), "content_index": 0}

    def _open(self, kind: str) -> None:
        if len(self.items) >= MOST_ITEMS:
            raise too_many()
        self._count(_ITEM_CHARS)
        self._kind = kind
        self._texts = []
        item = self._item("in_progress", "")
        if "content" in item:
            item["content"] = []
        self._tell("output_item.added", output_index=len(self.items), item=item)
        if kind != "call":
            self._tell("content_part.added", **self._part_place(), part=_part(kind, ""))

    def _item(self, status: str, text: str) -> Object:
        kind = self._kind
        item: Object = {"id": self._item_id()}
        if kind == "call":
            return {
                **item, "type": "function_call", "status": status, **self._call, "arguments": text,
            }  # fmt: skip
        if kind == "reasoning":
            return {**item, "type": "reasoning", "summary": [], "content": [_part(kind, text)]}
        return {
            **item, "type": "message", "role": "assistant", "status": status,
            "content": [_part(kind, text)],
        }  # fmt: skip

    def close(self, status: str) -> None:
        """End the item that is open, if one is."""
        kind, text = self._kind, "".join(self._texts)
        if not kind:
            return
        if kind == "call":
            told = {"name": self._call["name"], "arguments": text}
            self._tell("function_call_arguments.done", **self._place(), **told)
        else:
            done = {"refusal" if kind == "refusal" else "text": text}
            self._tell(f"{_delta(kind)}.done", **self._part_place(), **_logprobs(kind), **done)
            self._tell("content_part.done", **self._part_place(), part=_part(kind, text))
        item = self._item(status, text)
        self._tell("output_item.done", output_index=len(self.items), item=item)
        self.items.append(item)
        self._kind = ""


def _delta(kind: str) -> str:
    return _PARTS[kind]


def _logprobs(kind: str) -> Object:
    return {"logprobs": []} if kind == "message" else {}


def _part(kind: str, text: str) -> Object:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    part: Object = {"type": _PARTS[kind], "text": text}
    return {**part, "annotations": [], "logprobs": []} if kind == "message" else part
