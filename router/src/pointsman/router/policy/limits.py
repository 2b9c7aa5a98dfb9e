"""PURE: whether a caller, or a team, may ask once more now.

Guarantees whole numbers throughout (a count is kept in 1/60e9 of a request or token, so that each
nanosecond gives back exactly `limit` of them), and that a refused request takes nothing.

| what     | a request takes            | given back                                              |
| requests | 1                          | `limit` a minute                                        |
| tokens   | its estimate, while it runs | at its end; what it used then stays, `limit` a minute  |
| at once  | 1                          | at its end                                              |

So in any 60 s at most twice the limit: what a minute gives, and what had not been used before.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from pointsman.api.callers import Limits

MINUTE_NS: Final = 60 * 10**9
UNSAID_TOKENS: Final = 1024
"""Reserved for an answer whose length the request does not bound: the real one is counted then."""
_SOON_NS: Final = 10**9
"""When to come back where that depends on other requests' ends."""


class What(StrEnum):
    """What is limited; the metric's label as well."""

    REQUESTS = "Requests"
    TOKENS = "Tokens"
    CONCURRENCY = "Concurrency"


class State(NamedTuple):
    """Of one caller or team, in one router; all at least 0."""

    at_ns: int = 0
    requests: int = 0
    """Used and not given back yet, in 1/60e9."""
    tokens: int = 0
    """The same."""
    held_tokens: int = 0
    """Reserved by requests that run, in tokens."""
    running: int = 0


class Refusal(NamedTuple):
    """`wait_ns` is when to come back, None for never: it is more than a minute may have."""

    what: What
    limit: int
    wait_ns: int | None


class Standing(NamedTuple):
    """What is left of a limit, as headers tell it; `reset_ns` is when all of it is there again."""

    limit: int
    left: int
    reset_ns: int


def at(state: State, limits: Limits, routers: int, now_ns: int) -> State:
    """With what time has given back; a clock that goes backwards gives nothing."""
    gone_ns = now_ns - state.at_ns
    if gone_ns <= 0:
        return state
    requests = state.requests - (limits.rpm or MINUTE_NS) * gone_ns // routers
    tokens = state.tokens - (limits.tpm or MINUTE_NS) * gone_ns // routers
    return State(
        now_ns,
        max(0, requests),
        max(0, tokens),
        state.held_tokens,
        state.running,
    )


def refusal(state: State, limits: Limits, routers: int, tokens: int) -> Refusal | None:
    """
    Why a request of so many tokens may not go now; None if it may.

    `state` is of now. Each of `routers` has its share of the limit. Whoever has nothing in use may
    always ask once, even for more than the share: it is paid back before the next.
    """
    most = limits.max_concurrent_requests
    if most is not None and state.running * routers >= most:
        return Refusal(What.CONCURRENCY, most, _SOON_NS)
    if limits.rpm is not None:
        over = (state.requests + MINUTE_NS) * routers - limits.rpm * MINUTE_NS
        if state.requests and over > 0:
            wait_ns = _wait_ns(over, state.requests, limits.rpm, routers)
            return Refusal(What.REQUESTS, limits.rpm, wait_ns)
    if limits.tpm is not None:
        if tokens > limits.tpm:
            return Refusal(What.TOKENS, limits.tpm, None)
        used = state.tokens + state.held_tokens * MINUTE_NS
        over = (used + tokens * MINUTE_NS) * routers - limits.tpm * MINUTE_NS
        if used and over > 0:
            wait_ns = _wait_ns(over, used, limits.tpm, routers)
            if state.held_tokens:
                wait_ns = max(_SOON_NS, min(wait_ns, MINUTE_NS))
            return Refusal(What.TOKENS, limits.tpm, wait_ns)
    return None


def _wait_ns(over: int, used: int, limit: int, routers: int) -> int:
    """Until it fits, or until nothing is used; what time gives is rounded down, this is up."""
    return -(-min(-(-over // routers), used) * routers // limit)


def take(state: State, tokens: int) -> State:
    """After a request was let in that reserves so many tokens."""
    return State(
        state.at_ns,
        state.requests + MINUTE_NS,
        state.tokens,
        state.held_tokens + tokens,
        state.running + 1,
    )


def settle(state: State, reserved: int, used: int) -> State:
    """After a request ended that was let in with `reserved` tokens; `state` is of now."""
    return State(
        state.at_ns,
        state.requests,
        state.tokens + used * MINUTE_NS,
        state.held_tokens - reserved,
        state.running - 1,
    )


def requests_left(state: State, limits: Limits, routers: int) -> Standing | None:
    """`state` is of now; None without a limit."""
    limit = limits.rpm
    return None if limit is None else _standing(state.requests, limit, routers)


def tokens_left(state: State, limits: Limits, routers: int) -> Standing | None:
    """Likewise; what runs is taken for used."""
    limit = limits.tpm
    if limit is None:
        return None
    return _standing(state.tokens + state.held_tokens * MINUTE_NS, limit, routers)


def _standing(used: int, limit: int, routers: int) -> Standing:
    left = (limit * MINUTE_NS - used * routers) // (MINUTE_NS * routers)
    return Standing(limit, max(0, left), -(-used * routers // limit))
