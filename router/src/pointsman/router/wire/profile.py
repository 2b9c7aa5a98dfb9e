"""PURE: a chat request as one backend wants it; see api/profile.py for what may change.

Guarantees that a body without anything to change comes back as it is, that members and messages
that nothing is said about keep their bytes and their order, and that applying it twice is applying
it once. Raises UNREADABLE for what decoding only the known members did not notice.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from pointsman.api.profile import OUTPUT, Parameter, Profile
from pointsman.router.wire.messages import Said, rewrite_messages
from pointsman.router.wire.thinking import put_thinking
from pointsman.router.wire.unreadable import UNREADABLE

MOST_STOPS: Final = 16
"""Of one request. DeepSeek API, create-chat-completion: up to 16 sequences."""
_Members = dict[str, msgspec.Raw]
_members = msgspec.json.Decoder(_Members).decode
_strings = msgspec.json.Decoder(list[str]).decode
_text = msgspec.json.Decoder(str).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_NULL: Final = b"null"
_THINKING: Final = (b'{"type":"disabled"}', b'{"type":"enabled"}')
"""In the one of four forms that `apply` puts into any other."""


class _Bound(NamedTuple):
    value: float
    text: bytes


class _Parameter(NamedTuple):
    name: str
    rename: str
    remove: bool
    default: bytes
    least: _Bound | None
    most: _Bound | None
    names: tuple[str, ...]
    """Under which it may stand when it is sent."""


class _Plan(NamedTuple):
    """A profile with all made ready that does not depend on a body."""

    needles: tuple[bytes, ...]
    """Without any of them a body stays as it is; none: every body is looked at."""
    parameters: tuple[_Parameter, ...]
    said: Said | None
    """What is done to messages."""


def apply(body: bytes, profile: Profile) -> bytes:
    """The body as the backend wants it; `body` is a JSON object that was decoded before."""
    plan = _plan(profile)
    # One byte is found a hundred times faster than two.
    plain = b"\\" not in body or b"\\u" not in body
    if plan.needles and plain and not any(map(body.__contains__, plan.needles)):
        return body
    members = _members(body)
    changed = _put_parameters(members, plan.parameters)
    messages = members.get("messages")
    if messages is not None:
        changed |= _put_chat(members, messages, plan, profile)
    if profile.stop:
        changed |= _put_stop(members, profile.stop)
    return _encode(members) if changed else body


def with_thinking(body: bytes, profile: Profile, thinks: bool | None) -> bytes:
    """`body` that says whether to think, if this backend has a way to be told; `apply` puts it."""
    if thinks is None or not profile.form:
        return body
    members = _members(body)
    members["thinking"] = msgspec.Raw(_THINKING[thinks])
    return _encode(members)


def changed_members(body: bytes, profile: Profile) -> tuple[str, ...]:
    """Names of the top-level members that `apply` adds, changes or removes, in order."""
    after = apply(body, profile)
    if after is body:
        return ()
    old, new = _members(body), _members(after)
    names = dict.fromkeys((*old, *new))
    return tuple(name for name in names if _bytes(old.get(name)) != _bytes(new.get(name)))


def _bytes(raw: msgspec.Raw | None) -> bytes | None:
    return None if raw is None else bytes(raw)


@lru_cache(maxsize=1024)
def _plan(profile: Profile) -> _Plan:
    texts = (profile.prefix, profile.suffix, profile.replacement, *profile.stop)
    adds = any(one.default for one in profile.parameters) or profile.thinking is not None
    needles: list[bytes] = []
    if not adds and not any(texts):
        needles += [one.name.encode() for one in profile.parameters]
        needles += [one.rename.encode() for one in profile.parameters if one.rename]
        if any(set(OUTPUT) & {one.name, one.rename} for one in profile.parameters):
            needles += [name.encode() for name in OUTPUT]
        needles += [b'"developer"'] * bool(profile.developer or profile.system)
        needles += [b'"system"'] * bool(profile.system)
        needles += [b'thinking"'] * bool(profile.form)
        needles += [b"reasoning"] * (profile.reasoning == "Drop")
        needles += [b'"assistant"'] * (profile.reasoning == "Fill")
    return _Plan(
        tuple(dict.fromkeys(needles)),
        tuple(map(_ready, profile.parameters)),
        Said.of(profile),
    )


def _ready(one: Parameter) -> _Parameter:
    final = one.rename or one.name
    return _Parameter(
        one.name,
        one.rename,
        one.remove,
        one.default.encode(),
        _bound(one.min),
        _bound(one.max),
        OUTPUT if final in OUTPUT else (final,),
    )


def _bound(number: str) -> _Bound | None:
    return _Bound(float(number), number.encode()) if number else None


def _put_parameters(members: _Members, parameters: tuple[_Parameter, ...]) -> bool:
    changed = False
    for one in parameters:
        if one.remove:
            changed |= members.pop(one.name, None) is not None
            continue
        if one.rename and one.name in members:
            _rename(members, one)
            changed = True
        present = False
        for name in one.names:
            raw = members.get(name)
            if raw is not None and bytes(raw) != _NULL:
                present = True
                changed |= _clamp(members, name, raw, one)
        if one.default and not present:
            members[one.rename or one.name] = msgspec.Raw(one.default)
            changed = True
    return changed


def _rename(members: _Members, one: _Parameter) -> None:
    """In its place; of two that are there, the one that routing reads, else the backend's own."""
    kept = members.get(one.rename)
    if kept is None or (one.name == OUTPUT[0] and bytes(members[one.name]) != _NULL):
        kept = members[one.name]
    members.pop(one.rename, None)
    renamed = {one.rename if name == one.name else name: raw for name, raw in members.items()}
    renamed[one.rename] = kept
    members.clear()
    members.update(renamed)


def _clamp(members: _Members, name: str, raw: msgspec.Raw, one: _Parameter) -> bool:
    """Numbers only: what is none the backend refuses in its own words."""
    if one.least is None and one.most is None:
        return False
    text = bytes(raw)
    if text[:1] not in b"-0123456789":
        return False
    value = float(text)
    if one.least is not None and value < one.least.value:
        members[name] = msgspec.Raw(one.least.text)
    elif one.most is not None and value > one.most.value:
        members[name] = msgspec.Raw(one.most.text)
    else:
        return False
    return True


def _put_chat(members: _Members, messages: msgspec.Raw, plan: _Plan, profile: Profile) -> bool:
    """What only a chat has."""
    changed, thinks = False, None
    if profile.form:
        changed, thinks = put_thinking(members, profile.form, profile.thinking)
    if plan.said is not None:
        rewritten = rewrite_messages(messages, plan.said, thinks=thinks)
        if rewritten is not None:
            members["messages"] = rewritten
            changed = True
    return changed


def _put_stop(members: _Members, stop: tuple[str, ...]) -> bool:
    """After the caller's own, as many as there is room for."""
    raw = members.get("stop")
    found = b"null" if raw is None else bytes(raw)
    try:
        if found[:1] == b'"':
            given, texts = [found], {_text(found)}
        elif found[:1] == b"[":
            given, texts = [bytes(one) for one in _list(found)], set(_strings(found))
        elif found == _NULL:
            given, texts = [], set()
        else:
            return False
    except UNREADABLE:
        return False  # the backend refuses it in its own words
    room = max(MOST_STOPS - len(given), 0)
    more = [_encode(text) for text in stop if text not in texts][:room]
    if not more:
        return False
    members["stop"] = msgspec.Raw(b"[" + b",".join((*given, *more)) + b"]")
    return True
