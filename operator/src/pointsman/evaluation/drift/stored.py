"""States as they are kept: JSON with a version, read back as they were or not at all."""

from typing import TypeVar

import msgspec

from pointsman.evaluation.drift.errors import BadState

_T = TypeVar("_T")


class _Versioned(msgspec.Struct):
    version: int


def read_state(stored: bytes | str, kind: type[_T], version: int, what: str) -> _T:
    """A state of this kind and version. BadState names `what` it should have been."""
    try:
        found = msgspec.json.decode(stored, type=_Versioned).version
        if found != version:
            raise BadState(f"a {what} of version {found}; this one reads {version}")
        return msgspec.json.decode(stored, type=kind)
    except msgspec.MsgspecError as error:
        raise BadState(f"not a {what}: {error}") from error
