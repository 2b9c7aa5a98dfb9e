"""PURE: what a request asks and what an answer says, as turns that a person can read.

Guarantees that nothing is left out: what has no turn of its own is shown as JSON, and a body in
which a name stands twice, of which readers take one or the other, as it came. Texts stay as they
are; the template escapes them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pointsman.ledger.reviews.showing import once

_SPOKEN: Final = ("messages", "prompt", "input", "instructions", "system")
_WHOLE: Final = 200
"""A setting longer than that is in the JSON only, and its length says so."""
_TEXTS: Final = ("content", "text", "refusal", "output", "summary")
_IDS: Final = ("name", "id", "call_id", "tool_call_id")
"""Beside a role, if they are short."""
_LABEL: Final = 80
_PLAIN: Final = frozenset({
    ("type", "message"), ("type", "text"), ("type", "input_text"), ("type", "output_text"),
    ("type", "summary_text"), ("type", "refusal"), ("type", "function"), ("type", "function_call"),
    ("status", "completed"),
})  # fmt: skip
"""Members that say nothing which a turn does not say."""
_ENDS: Final = ("finish_reason", "index", "logprobs", "stop_reason")
"""Of a choice; log-probabilities are of the words that are shown."""


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
    told = {name: v if len(v) <= _WHOLE else _long(v) for name, v in settings.items()}
    return Conversation(turns, told)


def answered(answer: str) -> list[Turn]:
    """Of an answer's JSON: each choice, with what it thought and which tools it calls."""
    body = _object(answer)
    turns: list[Turn] = []
    for choice in _list(body.get("choices")):
        if isinstance(choice, dict):
            told = "message" if choice.get("message") else "text"
            turns += _message(choice.get("message") or {"text": choice.get("text", "")})
            turns += _rest("choice", choice, (told, *_ENDS))
    for item in _list(body.get("output")):
        turns += _message(item)
    return turns or ([Turn("answer", answer, is_code=True)] if answer else [])


def _message(one: object) -> list[Turn]:
    if not isinstance(one, dict):
        return _turns("user", one)
    role = _labeled(str(one.get("role") or one.get("type") or "assistant"), one, _IDS)
    turns: list[Turn] = []
    shown = {"role", *_labels(one, _IDS)}
    if isinstance(thought := one.get("reasoning_content"), str) and thought:
        turns.append(Turn("thought", thought))
        shown.add("reasoning_content")
    for name in _TEXTS:
        if one.get(name):
            turns += _turns("refusal" if name == "refusal" else role, one[name])
            shown.add(name)
    if isinstance(one.get("tool_calls"), list):
        shown.add("tool_calls")
        for call in one["tool_calls"]:
            turns += _call(call)
    elif "arguments" in one:
        turns += _call(one)
        shown |= {"name", "arguments"}
    if "role" not in one and "type" in one:
        shown.add("type")  # it is the role
    return turns + _rest(role, one, shown) if turns else [Turn(role, _json(one), is_code=True)]


def _labels(one: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Those of the names whose values are short texts."""
    return [n for n in names if isinstance(one.get(n), str) and 0 < len(one[n]) <= _LABEL]


def _labeled(role: str, one: Mapping[str, Any], names: Sequence[str]) -> str:
    return " · ".join([role, *(one[name] for name in _labels(one, names))])


def _rest(role: str, one: Mapping[str, Any], shown: Collection[str]) -> list[Turn]:
    """What has no turn of its own yet."""
    rest = {
        name: value
        for name, value in one.items()
        if name not in shown
        and value not in (None, "", [], {})
        and not (isinstance(value, str) and (name, value) in _PLAIN)
    }
    return [Turn(role, _json(rest), is_code=True)] if rest else []


def _call(call: object) -> list[Turn]:
    function = call.get("function", call) if isinstance(call, dict) else {}
    if not isinstance(call, dict) or not isinstance(function, dict) or "name" not in function:
        return [Turn("tool call", _json(call), is_code=True)]
    told = f"{function['name']}({function.get('arguments', '')})"
    turns = [Turn(_labeled("tool call", call, _IDS[1:]), told, is_code=True)]
    if function is not call:
        turns += _rest("tool call", function, ("name", "arguments"))
        turns += _rest("tool call", call, ("function", "index", *_labels(call, _IDS[1:])))
    return turns


def _turns(role: str, content: object) -> list[Turn]:
    if isinstance(content, str):
        return [Turn(role, content)]
    turns: list[Turn] = []
    for part in _list(content) or [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            turns.append(Turn(role, _json(part), is_code=True))
            continue
        turns.append(Turn(role, text))
        if isinstance(part, dict):
            turns += _rest(role, part, ("text",))
    return turns


def _long(setting: str) -> str:
    return f"{len(setting):,} characters: see the request as the caller sent it"


def _object(text: str) -> dict[str, Any]:
    """Nothing for what is none, or has a name twice at any depth."""
    try:
        json.loads(text, object_pairs_hook=once)
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, msgspec.DecodeError, RecursionError):
        return {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
