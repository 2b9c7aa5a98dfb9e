"""PURE: which of a caller's request ids is taken over; another is replaced by one of ours."""

import re
from typing import Final

_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")
"""Visible ASCII, bounded: it is copied into headers of both sides and into logs."""


def is_request_id(value: bytes) -> bool:
    """True for what may stand in `x-request-id`."""
    return _REQUEST_ID.fullmatch(value) is not None
