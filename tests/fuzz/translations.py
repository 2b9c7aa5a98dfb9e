"""Chat streams and requests of other APIs, broken on purpose: translation never raises a bug.

The laws: however a stream is cut, the same events come of it; they are events that a caller's SDK
can read; and a request is either refused by name or a chat that the router itself would read.
"""

import json
from collections.abc import Sequence

from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import read_chat
from pointsman.router.wire.sse import EventReader
from pointsman.router.wire.translation.dialect import Asking, Untranslatable
from pointsman.router.wire.translation.dialects import DIALECTS
from pointsman.router.wire.usage import Usage
from tests.fuzz.opinions import pieces


def _chunk(choice: str, more: str = "") -> bytes:
    return f'data: {{"id":"c","model":"m","choices":[{{"index":0,{choice}}}]{more}}}\n\n'.encode()


def _call(more: str) -> bytes:
    return _chunk(f'"delta":{{"tool_calls":[{{"index":0,{more}}}]}}')


_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
_ROLE = _chunk('"delta":{"role":"assistant","content":""}')
_TEXT = _chunk('"delta":{"content":"caf\u00e9"}')
_THOUGHT = _chunk('"delta":{"reasoning_content":"hm"}')
_STOP = _chunk('"delta":{},"finish_reason":"stop","stop_reason":"##"')
_CALLED = _call('"id":"a","type":"function","function":{"name":"f","arguments":""}')
_MORE = _call('"function":{"arguments":"{}"}')
_DONE = b"data: [DONE]\n\n"
STREAMS = [
    _ROLE + _TEXT * 3 + _STOP + _USAGE + _DONE,
    _ROLE + _THOUGHT + _TEXT + _CALLED + _MORE + _STOP + _DONE,
    (_ROLE + _CALLED + _MORE + _STOP + _DONE).replace(b"\n", b"\r\n"),
    _TEXT + b'data: {"error":{"message":"oh","code":5}}\n\n' + _TEXT,
    b": waiting\n\n" + _chunk('"delta":{"refusal":"no"}') + _STOP + _DONE + _TEXT,
]
_TURNS = [
    {"role": "user", "content": [{"type": "text", "text": "caf\u00e9"}, {
        "type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"},
                                      {"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]},
]  # fmt: skip
_ITEMS = [
    {"role": "user", "content": [{"type": "input_text", "text": "caf\u00e9"},
                                 {"type": "input_image", "image_url": "https://a/b"}]},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "a", "output": "x"},
]  # fmt: skip
REQUESTS = [
    json.dumps(body, ensure_ascii=False).encode()
    for body in (
        {"model": "m", "max_tokens": 5, "messages": _TURNS, "system": "s", "stream": True,
         "tools": [{"name": "f", "input_schema": {"type": "object"}}],
         "tool_choice": {"type": "any"}, "metadata": {"user_id": "u"}},
        {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}],
         "thinking": {"type": "enabled"}, "output_config": {"effort": "low"}},
        {"model": "m", "input": _ITEMS, "instructions": "s", "text": {"format": {"type": "text"}},
         "tools": [{"type": "function", "name": "f", "parameters": {}}]},
        {"model": "m", "input": "x", "reasoning": {"effort": "low"}, "stream": True},
    )
]  # fmt: skip


def _asking(name: str) -> Asking:
    body = REQUESTS[1] if name == "Messages" else REQUESTS[3]
    return DIALECTS[name].read(body, [])


def _told(name: str, parts: Sequence[bytes]) -> tuple[bytes, str]:
    """All that a caller gets of a stream that ends or breaks, and why it broke."""
    speaker = DIALECTS[name].speaker(_asking(name), id="d", now_s=1, prompt_tokens=3)
    out = b""
    for part in parts:
        out += speaker.feed(part)
        if speaker.broken:
            return out + speaker.fail("It broke.", "upstream_error"), speaker.broken
    return out + speaker.finish(), ""


def stream_disagreement(data: bytes, cuts: Sequence[int]) -> str:
    """What is wrong with the translations of a stream."""
    for name in DIALECTS:
        whole, why = _told(name, [data])
        if (whole, why) != _told(name, pieces(data, cuts)):
            return f"{name}: cut otherwise it is told otherwise"
        types = [json.loads(event)["type"] for event in EventReader().feed(whole)]
        last = {"message_stop", "error", "response.completed", "response.incomplete",
                "response.failed"}  # fmt: skip
        if sum(one in last for one in types) != 1 or types[-1] not in last:
            return f"{name}: it ends with {types[-3:]}"
        _whole_answer(name, data.removeprefix(b"data: ").partition(b"\n")[0])
    return ""


def _whole_answer(name: str, body: bytes) -> None:
    speaker = DIALECTS[name].speaker(_asking(name), id="d", now_s=1, prompt_tokens=3)
    try:
        json.loads(speaker.whole(body, Usage(1, 1)))
    except Untranslatable:
        return


def ask_disagreement(data: bytes, cuts: Sequence[int]) -> str:
    """What is wrong with the translations of a request."""
    for dialect in DIALECTS.values():
        try:
            asking = dialect.read(data, [])
        except BadRequest:
            continue
        try:
            prompt = read_chat(asking.body).prompt()
        except BadRequest as error:
            if "deeper than" not in error.message:
                return f"a chat that is none: {error.message}"
            continue
        json.loads(asking.body)
        if prompt.turns < 0:
            return "no chat"
    return ""
