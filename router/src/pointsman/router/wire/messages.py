"""PURE: the messages of a chat request as one model wants them: system text, roles, reasoning.

Guarantees that a message that nothing is said about keeps its bytes. Texts are put together as
JSON, without decoding the caller's: what it wrote arrives as it wrote it.
"""

from typing import Final, NamedTuple, Self

import msgspec

from pointsman.api.profile import Profile
from pointsman.router.wire.unreadable import UNREADABLE

_Fields = dict[str, msgspec.Raw]
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_objects = msgspec.json.Decoder(list[_Fields]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_GAP: Final = rb"\n\n"
"""Between two texts, as JSON writes it."""
_BLANK: Final = msgspec.Raw(b'" "')
"""In place of a reasoning that never was. An empty one is refused: DeepSeek V4 (NousResearch/
hermes-agent#17341) and Kimi (charmbracelet/crush#2696), which both take a space."""
_NONE: Final = frozenset({b"", b"null", b'""'})
_REASONING: Final = "reasoning_content"
_VLLMS: Final = "reasoning"
"""How vLLM says it since 0.11 (docs, features/reasoning_outputs)."""


class Said(NamedTuple):
    """What is done to messages; texts are JSON without their quotes, empty for none."""

    prefix: bytes
    suffix: bytes
    replacement: bytes
    roles: dict[str, str]
    reasoning: str

    @classmethod
    def of(cls, profile: Profile) -> Self | None:
        """None if nothing is done."""
        roles: dict[str, str] = {"developer": profile.developer} if profile.developer else {}
        if profile.system:
            roles = dict.fromkeys(("developer", "system"), profile.system)
        said = cls(
            _encode(profile.prefix)[1:-1],
            _encode(profile.suffix)[1:-1],
            _encode(profile.replacement)[1:-1],
            roles,
            profile.reasoning,
        )
        return said if any(said) else None

    @property
    def texts(self) -> list[bytes]:
        """All that there are."""
        return [text for text in (self.prefix, self.suffix, self.replacement) if text]


class _Message:
    __slots__ = ("fields", "mapped", "raw", "role")

    def __init__(self, fields: _Fields, raw: msgspec.Raw | None) -> None:
        self.fields = fields
        self.raw = raw
        """As it came; None once it was changed."""
        self.mapped = False
        self.role = _role(fields.get("role"))

    def put(self, name: str, value: msgspec.Raw) -> None:
        self.fields[name] = value
        self.raw = None

    def take_out(self, name: str) -> None:
        if self.fields.pop(name, None) is not None:
            self.raw = None

    @property
    def content(self) -> bytes:
        return bytes(self.fields.get("content", b"null"))


def rewrite_messages(raw: msgspec.Raw, said: Said, *, thinks: bool | None) -> msgspec.Raw | None:
    """The list anew; None if all of it stays. Nothing is filled in where `thinks` is False."""
    raws = _raws(raw)
    messages = [_Message(*pair) for pair in zip(_objects(raw), raws, strict=True)]
    if said.replacement:
        _replace(messages, said)
    elif said.prefix or said.suffix:
        _surround(messages, said)
    if said.roles:
        _rename(messages, said.roles)
    if said.reasoning:
        _reason(messages, fill=said.reasoning == "Fill", thinks=thinks)
    if len(messages) == len(raws) and all(message.raw is not None for message in messages):
        return None
    pieces = [_encode(m.fields) if m.raw is None else bytes(m.raw) for m in messages]
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


def _role(raw: msgspec.Raw | None) -> str:
    try:
        return "" if raw is None else _text(raw)
    except UNREADABLE:
        return ""


def _system(text: bytes) -> _Message:
    role = msgspec.Raw(b'"system"')
    return _Message({"role": role, "content": msgspec.Raw(b'"%b"' % text)}, None)


def _is_system(message: _Message) -> bool:
    return message.role in ("system", "developer")


def _stands_already(messages: list[_Message], said: Said) -> bool:
    """True where system text is the user's, and all of ours is in a message of theirs."""
    if "system" not in said.roles or any(map(_is_system, messages)):
        return False
    ours = [_text(b'"%b"' % text) for text in said.texts]
    texts = (_plain(message.content) for message in messages if message.role == "user")
    return any(all(our in text for our in ours) for text in texts)


def _plain(content: bytes) -> str:
    """The text of a content; empty for what is not understood."""
    try:
        if content.lstrip()[:1] == b"[":
            parts = _objects(content)
            return "\n\n".join(_text(part["text"]) for part in parts if "text" in part)
        return _text(content)
    except UNREADABLE:
        return ""


def _replace(messages: list[_Message], said: Said) -> None:
    if _stands_already(messages, said):
        return
    found = [message for message in messages if _is_system(message)]
    wanted = b'"%b"' % said.replacement
    if len(found) == 1 and messages[0] is found[0] and found[0].content == wanted:
        return
    messages[:] = [_system(said.replacement), *(m for m in messages if not _is_system(m))]


def _surround(messages: list[_Message], said: Said) -> None:
    # Not in a message that becomes the user's, unless all of them do.
    apart = said.roles.get("developer") == "user" and "system" not in said.roles
    roles = ("system",) if apart else ("system", "developer")
    first = next((message for message in messages if message.role in roles), None)
    if first is None:
        if not _stands_already(messages, said):
            messages.insert(0, _system(_GAP.join(said.texts)))
        return
    content = first.content.strip()
    if content[:1] == b'"':
        content = _around_text(content, said)
    elif content[:1] == b"[":
        content = _around_parts(content, said)
    else:
        content = b'"%b"' % _GAP.join(said.texts)
    if content != first.content.strip():
        first.put("content", msgspec.Raw(content))


def _around_text(content: bytes, said: Said) -> bytes:
    text = content[1:-1]
    if said.prefix and not text.startswith(said.prefix):
        text = said.prefix + (_GAP + text if text else b"")
    # With what stands before it: \\never ends with "never", and is a line feed and "ever".
    if said.suffix and text != said.suffix and not text.endswith(_GAP + said.suffix):
        text = (text + _GAP if text else b"") + said.suffix
    return b'"%b"' % text


def _part(text: bytes) -> bytes:
    return b'{"type":"text","text":"%b"}' % text


def _around_parts(content: bytes, said: Said) -> bytes:
    parts = [bytes(part) for part in _raws(content)]
    if said.prefix and (not parts or parts[0] != _part(said.prefix)):
        parts.insert(0, _part(said.prefix))
    if said.suffix and parts[-1:] != [_part(said.suffix)]:
        parts.append(_part(said.suffix))
    return b"[" + b",".join(parts) + b"]"


def _rename(messages: list[_Message], roles: dict[str, str]) -> None:
    for message in messages:
        new = roles.get(message.role)
        if new is not None:
            message.mapped = new == "user"
            message.role = new
            message.put("role", msgspec.Raw(b'"%b"' % new.encode()))
    if not any(message.mapped for message in messages):
        return
    # From the end, so that several of them come into one user message, in their order.
    kept: list[_Message] = []
    texts: list[bytes] = []
    takes = False
    for message in reversed(messages):
        content = message.content.strip() if message.role == "user" else b""
        if takes and message.mapped and content[:1] == b'"':
            texts.append(content[1:-1])
            continue
        _put_before(kept, texts)
        kept.append(message)
        texts, takes = [], content[:1] in (b'"', b"[")
    _put_before(kept, texts)
    messages[:] = reversed(kept)


def _put_before(kept: list[_Message], texts: list[bytes]) -> None:
    """
    Texts, the last one first, into the content of the last message that was kept.

    Some models want no two messages of one role in a row.
    """
    if not texts:
        return
    after = kept[-1]
    texts.reverse()
    content = after.content.strip()
    if content[:1] == b'"':
        joined = b'"%b"' % _GAP.join([*texts, content[1:-1]])
    else:
        rest = content[1:].lstrip()
        parts = b",".join(map(_part, texts))
        joined = b"[" + parts + (b"" if rest[:1] == b"]" else b",") + rest
    after.put("content", msgspec.Raw(joined))


def _reason(messages: list[_Message], *, fill: bool, thinks: bool | None) -> None:
    for message in messages:
        if message.role != "assistant":
            continue
        if not fill:
            message.take_out(_REASONING)
            message.take_out(_VLLMS)
        elif thinks is not False and bytes(message.fields.get(_REASONING, b"")) in _NONE:
            theirs = message.fields.get(_VLLMS, _BLANK)
            usable = bytes(theirs)[:1] == b'"' and bytes(theirs) not in _NONE
            message.put(_REASONING, theirs if usable else _BLANK)
