"""PURE: errors in the shape of Anthropic's APIs.

The status is what it is for every caller, as SDKs go by it; the type is theirs for that status.
"""

from typing import Final

from pointsman.router.wire.refusal import read_refusal
from pointsman.router.wire.translation.events import encode

_TYPES: Final = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
    503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def type_of(status: int) -> str:
    """Their word for a status."""
    return _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def error_object(kind: str, message: str, code: str | None) -> dict[str, object]:
    """`details.error_code` is what their SDKs give as `error_code`."""
    told: dict[str, object] = {"type": kind, "message": message}
    if code:
        told["details"] = {"error_code": code}
    return told


def error_body(status: int, message: str, code: str | None, request_id: bytes) -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`."""
    error = error_object(type_of(status), message, code)
    return encode({"type": "error", "error": error, "request_id": request_id.decode()})


def from_openais(status: int, body: bytes, request_id: bytes) -> bytes:
    """The same of an error in OpenAI's shape."""
    told = read_refusal(body)
    return error_body(status, told.message, told.code, request_id)
