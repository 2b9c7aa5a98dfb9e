"""PURE: whether a model shall think, read from any of four forms and put into one.

| form                | member                               | who reads it                        |
| EnableThinkingKwarg | chat_template_kwargs.enable_thinking | Qwen3, GLM on vLLM and SGLang       |
| ThinkingKwarg       | chat_template_kwargs.thinking        | DeepSeek-V3.1, Kimi-K2.5 on both    |
| ThinkingType        | thinking.type                        | the APIs of DeepSeek, Kimi and Z.ai |
| EnableThinking      | enable_thinking                      | Alibaba Cloud Model Studio          |

Sources stand with the presets (api/presets/profiles.py).
"""

from typing import Final

import msgspec

from pointsman.api.profile import Form
from pointsman.router.wire.unreadable import UNREADABLE

_Members = dict[str, msgspec.Raw]
_KWARGS: Final = "chat_template_kwargs"
_IN_KWARGS: Final[dict[Form, str]] = {
    "EnableThinkingKwarg": "enable_thinking",
    "ThinkingKwarg": "thinking",
}
_FORMS: Final[tuple[Form, ...]] = (
    "EnableThinkingKwarg", "ThinkingKwarg", "ThinkingType", "EnableThinking",
)  # fmt: skip
_FLAGS: Final = {b"true": True, b"false": False}
_TYPES: Final = {b'"enabled"': True, b'"disabled"': False}
_members = msgspec.json.Decoder(_Members).decode
_encode = msgspec.json.Encoder().encode


def put_thinking(members: _Members, form: Form, default: bool | None) -> tuple[bool, bool | None]:
    """(whether `members` were changed, what they say now); without a form nothing is touched."""
    own = read_thinking(members, form)
    wish = own
    changed = False
    for other in _FORMS:
        if other == form:
            continue
        said = read_thinking(members, other)
        if said is not None:
            _take_out(members, other)
            changed = True
            wish = said if wish is None else wish
    if wish is None:
        wish = default
    if wish is not None and own is None:
        changed |= _put_in(members, form, wish=wish)
    return changed, wish


def read_thinking(members: _Members, form: Form) -> bool | None:
    """What a body says in this form; None if nothing, or nothing that is understood."""
    if form == "EnableThinking":
        raw = members.get("enable_thinking")
        return None if raw is None else _FLAGS.get(bytes(raw))
    holder, key = ("thinking", "type") if form == "ThinkingType" else (_KWARGS, _IN_KWARGS[form])
    raw = (_object(members, holder) or {}).get(key)
    words = _TYPES if form == "ThinkingType" else _FLAGS
    return None if raw is None else words.get(bytes(raw))


def _object(members: _Members, name: str) -> _Members | None:
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return _members(raw)
    except UNREADABLE:
        return None


def _take_out(members: _Members, form: Form) -> None:
    if form not in _IN_KWARGS:
        members.pop("thinking" if form == "ThinkingType" else "enable_thinking")
        return
    kwargs = _object(members, _KWARGS)
    assert kwargs is not None  # it was read from there
    kwargs.pop(_IN_KWARGS[form])
    if kwargs:
        members[_KWARGS] = msgspec.Raw(_encode(kwargs))
    else:
        members.pop(_KWARGS)


def _put_in(members: _Members, form: Form, *, wish: bool) -> bool:
    """False if the place is taken by what is not understood."""
    flag = msgspec.Raw(b"true" if wish else b"false")
    if form == "EnableThinking":
        if "enable_thinking" in members:
            return False
        members["enable_thinking"] = flag
        return True
    if form == "ThinkingType":
        holder, key = "thinking", "type"
        flag = msgspec.Raw(b'"enabled"' if wish else b'"disabled"')
    else:
        holder, key = _KWARGS, _IN_KWARGS[form]
    found = _object(members, holder)
    if found is None:
        found = {}
        if bytes(members.get(holder, msgspec.Raw(b"null"))) != b"null":
            return False
    elif key in found:
        return False
    found[key] = flag
    members[holder] = msgspec.Raw(_encode(found))
    return True
