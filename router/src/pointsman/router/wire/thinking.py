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
_NULL: Final = msgspec.Raw(b"null")
_MOST_BYTES: Final = 65_536
"""Of an object in which a flag is looked for, which is decoded once for each form."""
_members = msgspec.json.Decoder(_Members).decode
_encode = msgspec.json.Encoder().encode


def put_thinking(members: _Members, form: Form, default: bool | None) -> tuple[bool, bool | None]:
    """
    (Whether `members` were changed, what they say now); without a form nothing is touched.

    Nor is it where the place of the form holds what is not understood: what was said would be lost.
    """
    if any(len(members.get(name, b"")) > _MOST_BYTES for name in (_KWARGS, "thinking")):
        return False, default
    own = wish = read_thinking(members, form)
    others = {other: read_thinking(members, other) for other in _FORMS if other != form}
    said = [form for form, one in others.items() if one is not None]
    if wish is None:
        wish = next((one for one in others.values() if one is not None), default)
    if wish is None or (own is None and not _is_free(members, form)):
        return False, wish
    if own is None:  # first, so that a holder that both have keeps its place in the body
        _put_in(members, form, wish=wish)
    for other in said:
        _take_out(members, other)
    return bool(said) or own is None, wish


def read_thinking(members: _Members, form: Form) -> bool | None:
    """What a body says in this form; None if nothing, or nothing that is understood."""
    holder, key = _place(form)
    raw = ((_object(members, holder) or {}) if holder else members).get(key)
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


def _place(form: Form) -> tuple[str, str]:
    """(holder, key); without a holder it is a member of the body itself."""
    if form == "EnableThinking":
        return "", "enable_thinking"
    return ("thinking", "type") if form == "ThinkingType" else (_KWARGS, _IN_KWARGS[form])


def _is_free(members: _Members, form: Form) -> bool:
    """Whether nothing, or null, stands in its place and, where there is none, for its holder."""
    holder, key = _place(form)
    within = members if not holder else _object(members, holder)
    if within is None:
        return _says_nothing(members, holder)
    return _says_nothing(within, key)


def _says_nothing(members: _Members, name: str) -> bool:
    return bytes(members.get(name, _NULL)) == b"null"


def _put_in(members: _Members, form: Form, *, wish: bool) -> None:
    """Its place has to be free."""
    holder, key = _place(form)
    flags = (b'"disabled"', b'"enabled"') if form == "ThinkingType" else (b"false", b"true")
    flag = msgspec.Raw(flags[wish])
    if not holder:
        members[key] = flag
        return
    found = _object(members, holder) or {}
    found[key] = flag
    members[holder] = msgspec.Raw(_encode(found))
