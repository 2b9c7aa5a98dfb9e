"""PURE: named server-sent events."""

import msgspec

encode = msgspec.json.Encoder().encode


def event(name: str, /, **members: object) -> bytes:
    """One whose data says its name as `type`."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode({"type": name, **members}))
