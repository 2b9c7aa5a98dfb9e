"""What a caller is told when there is no answer of a model; the class says what happens next.

Problem
├── Refused          503: not now; the caller may come back after `retry_after_s`
├── BadRequest       4xx: never, whoever answers; the caller has to change the request
├── UpstreamBroken   502, 503 or 504: every backend that may answer was tried
├── RateLimited      429: every one of them said 429, or the caller's own limit did
├── BudgetExceeded   429: a budget has not enough left for it
├── Rejected         403: a person, or a deadline for people, decided against it
└── Bug              500: an error of this program

An SDK chooses its exception, and whether it tries again, by the status alone; `type` and `code` are
for people and for callers that look closer.
"""

from typing import Final

GOING_AWAY: Final = "draining"
"""The code of what a router that ends refuses or cuts."""
_TOO_LARGE: Final = {413: "request_too_large", 431: "headers_too_large"}


class Problem(Exception):
    """An answer in OpenAI's error shape; `message` holds no secret and no text of a backend."""

    type = "invalid_request_error"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        allow: str = "",
        close: bool = False,
    ) -> None:
        """`allow`: the path's methods, for 405; `close`: the connection carries no more."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.close = close


class Refused(Problem):
    """Nothing is wrong with the request."""

    type = "service_unavailable"

    def __init__(
        self, message: str, *, code: str, retry_after_s: float, close: bool = False
    ) -> None:
        super().__init__(503, message, code=code, retry_after_s=retry_after_s, close=close)


class BadRequest(Problem):
    """The same request will be refused again."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        allow: str = "",
        close: bool = False,
    ) -> None:
        super().__init__(status, message, code=code, param=param, allow=allow, close=close)


def unreadable(status: int, message: str) -> BadRequest:
    """What is no request that is taken; its connection ends."""
    return BadRequest(message, status=status, code=_TOO_LARGE.get(status), close=True)


class UpstreamBroken(Problem):
    """No backend gave an answer."""

    type = "upstream_error"


def going_away() -> Refused:
    """What a router that ends says: another one answers at once."""
    return Refused("This router is shutting down.", code=GOING_AWAY, retry_after_s=1, close=True)


class RateLimited(Problem):
    """A limit of the backends or of the caller; `retry_after_s` None: trying again is of no use."""

    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(429, message, code="rate_limit_exceeded", retry_after_s=retry_after_s)


class BudgetExceeded(Problem):
    """A budget of the policy; `retry_after_s` None: nothing is left until its window ends."""

    type = "insufficient_quota"

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(429, message, code="budget_exceeded", retry_after_s=retry_after_s)


class Rejected(Problem):
    """No SDK tries it again by itself."""

    type = "permission_error"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(403, message, code=code)


class Bug(Problem):
    """Counted and logged where it happened; the caller gets no details."""

    type = "server_error"

    def __init__(self) -> None:
        super().__init__(500, "The router met an error of its own.", code="internal_error")


class Suspended(Exception):
    """No answer yet: a layer waits, and whoever ends its wait goes on with the request."""
