"""PURE: the value of a chat request's top-level `model` replaced, every other byte as it came.

Guarantees that every JSON reader finds the new model: `"model"` in any spelling stands exactly once
and is the one replaced; a body where it stands more often (nested, doubled, in a list) is written
anew from its top-level members, whose values keep their bytes.
"""

import re
from typing import Final

import msgspec

_SPELLINGS: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'
)
_VALUE: Final = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*")')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def replace_model(body: bytes, model: str) -> bytes:
    """`body`, a JSON object with a string `model` that was decoded before, with another model."""
    value = _encode(model)
    at = body.find(b'"model"')
    once = at >= 0 and body.find(b'"model"', at + 7) < 0
    if once and b"\\u" in body:
        once = len(_SPELLINGS.findall(body)) == 1
    if once:
        # It is the key at the top level, for the body was decoded and has one there.
        found = _VALUE.match(body, at)
        if found is not None:
            return body[: found.start(1)] + value + body[found.end(1) :]
    members = _members(body)
    members["model"] = msgspec.Raw(value)
    return _encode(members)
