"""PURE: a body means one thing to every JSON reader: no name stands twice at its top level.

Of a doubled name some readers take the first and some the last, and Go's ignore case: what the
router reads (and decides on) would not be what the model server reads. Refuses such bodies.
"""

import re
from typing import Final

import msgspec

from pointsman.router.errors import BadRequest
from pointsman.router.wire.unreadable import UNREADABLE

READ: Final = frozenset({
    "model", "messages", "prompt", "input", "stream", "max_tokens", "max_completion_tokens",
    "metadata", "tools", "functions", "query", "documents", "n", "best_of", "n_predict",
})  # fmt: skip
"""What the router reads of any operation."""
_USUAL: Final = READ | {
    "temperature", "top_p", "stop", "stream_options", "tool_choice", "response_format", "seed",
    "user", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "logit_bias",
    "parallel_tool_calls", "reasoning_effort", "service_tier", "store", "suffix", "echo",
    "encoding_format", "dimensions", "top_k", "min_p", "chat_template_kwargs",
}  # fmt: skip
"""Spellings that need no closer look."""
MOST: Final = 1024
"""Members of a body, and characters of a name; OpenAI's longest list of parameters has about 40."""
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_NAME: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def check_members(body: bytes) -> None:
    """`body` is a JSON object that was decoded before; BadRequest if two readers may differ."""
    try:
        members = _members(body)
    except UNREADABLE:
        raise BadRequest("The body is nested too deeply, or is not UTF-8.") from None
    if len(members) > MOST:
        raise BadRequest(f"The body has more than {MOST} fields.")
    size = 0
    for name, raw in members.items():
        size += len(name) + len(raw)
        if name in _USUAL:
            continue
        if len(name) > MOST:
            raise BadRequest(f"A field's name is longer than {MOST} characters.")
        if name.casefold() in READ:
            right = name.casefold()
            raise BadRequest(f"The field {name} has another case than {right}.", param=right)
    # What JSON writers make, compact or spaced: the least that these members take, or just them.
    count = len(members)
    if len(body) == size + 4 * count + 1:
        return
    if len(body) == size + 6 * count:
        spaced = b", ".join([b'"%b": %b' % (name.encode(), raw) for name, raw in members.items()])
        if body == b"{%b}" % spaced:
            return
    _walk(body, members)


def _walk(body: bytes, members: dict[str, msgspec.Raw]) -> None:
    """Name by name; a doubled one is seen at the latest where its last value should stand."""
    seen: set[str] = set()
    at = _after_space(body, 0) + 1
    while True:
        found = _NAME.match(body, _after_space(body, at))
        if found is None:  # the end, since it was decoded before
            return
        name = _text(b'"%b"' % found[1])
        value = memoryview(members[name])
        at = found.end() + value.nbytes
        if name in seen or body[found.end() : at] != value:
            raise BadRequest(f"The field {name} stands twice.", param=name)
        seen.add(name)
        at = _after_space(body, at)
        if body[at : at + 1] == b"}":
            return
        if body[at : at + 1] != b",":
            raise BadRequest(f"The field {name} stands twice.", param=name)
        at += 1


def _after_space(body: bytes, at: int) -> int:
    found = _SPACE.match(body, at)
    assert found is not None  # it may be empty
    return found.end()
