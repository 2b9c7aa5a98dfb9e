"""PURE: what a request asks and what an answer says, as turns that a person can read.

Guarantees that nothing is left out: what has no turn of its own is shown as JSON. Texts stay as
they are; the template escapes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

_SPOKEN: Final = ("messages", "prompt", "input", "instructions", "system")
_WHOLE: Final = 200
"""A setting longer than that is in the JSON only."""


@dataclass(frozen=True, slots=True)
class Turn:
    """`is_code`: JSON or an argument, to be shown in a fixed width."""

    role: str
    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """Of one request."""

    turns: Sequence[Turn]
    settings: Mapping[str, str]
    """What else it asks for, as JSON: temperature, tools, response_format."""


def asked(request: str) -> Conversation:
    """Of a request's JSON, whichever API it speaks."""
    body = _object(request)
    turns: list[Turn] = []
    for name in ("system", "instructions"):
        if body.get(name):
            turns += _turns("system", body[name])
    for name in ("messages", "input"):
        found = body.get(name)
        if isinstance(found, list):
            for one in found:
                turns += _message(one)
        elif found:
            turns += _turns("user", found)
    if body.get("prompt"):
        turns += _turns("prompt", body["prompt"])
    settings = {name: _json(value) for name, value in body.items() if name not in _SPOKEN}
    if not turns:
        turns = [Turn("request", request, is_code=True)]
    return Conversation(turns, {k: v for k, v in settings.items() if len(v) <= _WHOLE})


def answered(answer: str) -> list[Turn]:
    """Of an answer's JSON: each choice, with what it thought and which tools it calls."""
    body = _object(answer)
    turns: list[Turn] = []
    for choice in _list(body.get("choices")):
        if isinstance(choice, dict):
            turns += _message(choice.get("message") or {"text": choice.get("text", "")})
    for item in _list(body.get("output")):
        turns += _message(item)
    return turns or ([Turn("answer", answer, is_code=True)] if answer else [])


def _message(one: object) -> list[Turn]:
    if not isinstance(one, dict):
        return _turns("user", one)
    role = str(one.get("role") or one.get("type") or "assistant")
    turns: list[Turn] = []
    if isinstance(thought := one.get("reasoning_content"), str) and thought:
        turns.append(Turn("thought", thought))
    for name in ("content", "text", "refusal", "output", "summary"):
        if one.get(name):
            turns += _turns("refusal" if name == "refusal" else role, one[name])
    for call in _list(one.get("tool_calls")) or ([one] if "arguments" in one else []):
        turns.append(_call(call))
    return turns or [Turn(role, _json(one), is_code=True)]


def _call(call: object) -> Turn:
    function = call.get("function", call) if isinstance(call, dict) else {}
    if not isinstance(function, dict) or "name" not in function:
        return Turn("tool call", _json(call), is_code=True)
    return Turn("tool call", f"{function['name']}({function.get('arguments', '')})", is_code=True)


def _turns(role: str, content: object) -> list[Turn]:
    if isinstance(content, str):
        return [Turn(role, content)]
    turns: list[Turn] = []
    for part in _list(content) or [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            turns.append(Turn(role, text))
        else:
            turns.append(Turn(role, _json(part), is_code=True))
    return turns


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
