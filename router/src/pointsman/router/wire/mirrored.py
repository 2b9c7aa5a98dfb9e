"""PURE: a request that is sent a second time to be compared, and what its answer says.

Guarantees that the second one is the first but for streaming. Refuses what may do something at a
provider when it is answered: tools that run there, and answers that are stored there.
"""

from typing import Final, NamedTuple

import msgspec

from pointsman.router.wire.unreadable import UNREADABLE

_STREAMED: Final = ("stream", "stream_options")
_DONE_BY_CALLERS: Final = frozenset(("function", "custom"))
"""Types of tools that a model only asks for."""
_AT_PROVIDERS: Final = frozenset((
    "web_search_options", "enable_search", "plugins", "mcp_servers", "container", "background",
    "store", "conversation", "previous_response_id",
))  # fmt: skip
"""Members that let a provider do something, or keep something; `false` and `null` do not."""
_NOTHING: Final = frozenset((b"null", b"false", b"[]", b"{}", b'""'))


class _Tool(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()
    function_call: msgspec.Raw = msgspec.Raw()


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None


class Said(NamedTuple):
    """Of an answer's first choice."""

    text: str
    calls: bool
    """It calls tools."""
    finish: str


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_tools = msgspec.json.Decoder(list[_Tool]).decode
_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


def second(body: bytes) -> bytes | None:
    """A body that was decoded before, unstreamed; None if it must not be answered twice."""
    try:
        members = _members(body)
        if any(not _is_empty(raw) for name, raw in members.items() if name in _AT_PROVIDERS):
            return None
        if not all(tool.type in _DONE_BY_CALLERS for tool in _tools_of(members)):
            return None
    except UNREADABLE:
        return None
    if not any(name in members for name in _STREAMED):
        return body
    return _encode({name: raw for name, raw in members.items() if name not in _STREAMED})


def _tools_of(members: dict[str, msgspec.Raw]) -> list[_Tool]:
    raw = members.get("tools")
    return [] if raw is None or _is_empty(raw) else _tools(raw)


def _is_empty(raw: msgspec.Raw) -> bool:
    return memoryview(raw).nbytes == 0 or bytes(raw) in _NOTHING


def said_of(body: bytes) -> Said:
    """Of a whole answer; what is not understood is empty."""
    try:
        found = _answer(body)
    except UNREADABLE:
        return Said("", False, "")
    choice = next((one for one in found.choices or () if one.index == 0), None)
    if choice is None:
        return Said("", False, "")
    finish, message = (choice.finish_reason or "")[:40], choice.message
    if message is None:
        return Said(choice.text or "", False, finish)
    calls = not (_is_empty(message.tool_calls) and _is_empty(message.function_call))
    return Said(message.content or message.refusal or "", calls, finish)
