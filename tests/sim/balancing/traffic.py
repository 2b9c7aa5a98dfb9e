"""Requests with recorded lengths and times, and conversations made of them.

The recording (Azure, 2023) has no conversations. They are made: a row goes on with one whose last
context and answer fit into the row's own context, as the next turn's do, after a pause. So all
lengths and times are recorded, and who belongs to whom is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.sim.scaling.traces import Trace

_PAUSE_S: Final = 5.0
"""Nobody answers sooner than that after the answer began."""
_ENDS_S: Final = 600.0
_LEAST_SHARE: Final = 0.5
"""Of a context that the conversation before it makes up; less is a new one."""
_OPEN: Final = 400
"""Conversations that a row is compared with."""


@dataclass(frozen=True, slots=True)
class Request:
    """`shared_tokens` of its context are those of its conversation so far."""

    at_s: float
    conversation: int
    context_tokens: int
    shared_tokens: int
    generated_tokens: int


def conversations(trace: Trace) -> list[Request]:
    """Each row continues the conversation that leaves least of its context new, or begins one."""
    found: list[Request] = []
    last: dict[int, Request] = {}
    rows = zip(trace.arrivals_s, trace.context_tokens, trace.generated_tokens, strict=True)
    for number, (at_s, context, generated) in enumerate(rows):
        best, shared = number, 0
        for each in list(last.values())[-_OPEN:]:
            grown = each.context_tokens + each.generated_tokens
            if (
                _PAUSE_S <= at_s - each.at_s <= _ENDS_S
                and max(shared, context * _LEAST_SHARE) < grown < context
            ):
                best, shared = each.conversation, grown
        last.pop(best, None)
        last[best] = request = Request(at_s, best, context, shared, generated)
        found.append(request)
    return found


def short(trace: Trace, below_tokens: int = 500) -> list[Request]:
    """The rows with short contexts, nothing of which is shared."""
    rows = zip(trace.arrivals_s, trace.context_tokens, trace.generated_tokens, strict=True)
    return [
        Request(at_s, number, context, 0, generated)
        for number, (at_s, context, generated) in enumerate(rows)
        if context < below_tokens
    ]


def paced(requests: Sequence[Request], a_second: float) -> list[Request]:
    """The same, so many a second on average: pauses shrink or grow alike."""
    factor = len(requests) / (requests[-1].at_s - requests[0].at_s) / a_second
    begin_s = requests[0].at_s
    return [
        Request(
            (each.at_s - begin_s) * factor,
            each.conversation,
            each.context_tokens,
            each.shared_tokens,
            each.generated_tokens,
        )
        for each in requests
    ]
