"""What the simulator refuses, in OpenAI's error shape.

ApiError
├── BadRequest  4xx: the caller must change something
├── Refused     429 or 503: the same request may succeed later
└── Broken      500: a fault that was asked for (error rate, fault mode)
"""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is an error: status, and OpenAI's message, type, param and code."""

    status: int
    type: str

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        if status is not None:
            self.status = status


class BadRequest(ApiError):
    """The request is wrong; sending it again gives the same answer."""

    status = 400
    type = "invalid_request_error"


class Refused(ApiError):
    """The server does not take the request now; `retry_after_s` says when it may."""

    status = 503
    type = "service_unavailable"


class Broken(ApiError):
    """The server failed because it was told to fail."""

    status = 500
    type = "server_error"
