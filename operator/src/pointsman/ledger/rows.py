"""PURE: from an event to the row that is kept of it, or to the reason why there is none.

What is too long for a name, or no sane number, is refused: one such event must not stop those
behind it. An event with an absurd time is kept under the time at which it came, with a flag: what
it cost was paid all the same, and the sum of the rows has to be the bill.
"""

from typing import Any, Final, Literal

import msgspec

from pointsman.events.schema import Feedback, Request, Review

Refusal = Literal[
    "NotAnEvent", "OutOfRange", "Empty", "NotTheCaller", "Duplicate", "Unknown", "Full"
]
"""
Why an event is not in the store.

NotAnEvent: the line is none of a known version. OutOfRange: a name is too long, or a number
negative or absurd. Empty: feedback that says nothing. NotTheCaller: feedback of somebody who did
not get the answer. Duplicate: feedback whose id is there. Unknown: its
request never came, or too much feedback waits. Full: too many answers wait for a reviewer's look.
"""

DAY_MS: Final = 86_400_000
BEGIN_MS: Final = 1_577_836_800_000
"""2020: no router is older."""
MAX_NAME: Final = 253
MOST_EVIDENCE: Final = 16
"""Facts of one request."""
MAX_NUMBER: Final = 10**12
"""Of tokens and microseconds: 9 million such events fit one sum."""
MAX_NANO: Final = 10**15
"""A million of a currency for one request."""

FAILED: Final = (
    "ClosedEarly", "FirstTokenTimeout", "Http500", "IdleTimeout", "Malformed", "NoDone",
    "TotalTimeout", "WrongContentType",
)  # fmt: skip
"""Outcomes of a backend that took the request and gave no whole answer. What they are is in an
index: a change needs a step of the schema."""

TEXTS: Final = (
    "revision", "operation", "request_id", "language", "complexity", "domain", "model", "outcome",
    "response_id", "reported_model", "fingerprint", "finish", "data_class",
)  # fmt: skip
NUMBERS: Final = (
    "context_tokens", "duration_us", "first_token_us", "overhead_us", "held_us", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens",
)  # fmt: skip
REQUEST: Final = (
    "at_ms", "clock_wrong", "decision", "policy", "rule", "caller", "team", "task", "backend",
    "currency", *TEXTS, *NUMBERS, "status", "cost_nano", "baseline_nano", "confidence", "tools",
    "images", "stream", "estimated", "candidates", "skipped", "given_up", "evidence",
    "choice",
)  # fmt: skip
"""Columns of a request's row. `given_up` is the event's `left`, which is a word of SQL."""
TEXT: Final = ("decision", "at_ms", "expires_ms", "how", "prompt", "answer", "cut")
SAID: Final = (
    "id", "at_ms", "caller", "score_micro", "good", "verdict", "comment", "demonstration", "signal",
    "source",
)  # fmt: skip
"""What feedback says, in both of its tables."""
PENDING: Final = ("spool", "number", "came_ms", "decision", "response_id", *SAID)
FEEDBACK: Final = ("decision", "request_at_ms", *SAID)

_JSON: Final = ("candidates", "skipped", "given_up", "choice", "evidence")
Row = tuple[object, ...]
_json = msgspec.json.Encoder()


def when_ms(at_ms: int, now_ms: int) -> tuple[int, bool]:
    """The time under which an event is kept, and whether its own was absurd."""
    wrong = not BEGIN_MS <= at_ms <= now_ms + DAY_MS
    return (now_ms, True) if wrong else (at_ms, False)


def refuse_request(event: Request) -> Refusal | None:
    """None for an event that can be kept."""
    names = (
        event.decision, event.policy, event.rule, event.caller, event.team, event.task,
        event.backend, event.currency,
    )  # fmt: skip
    numbers = (
        event.context_tokens, event.duration_us, event.first_token_us, event.overhead_us,
        event.held_us, event.input_tokens, event.output_tokens, event.cached_tokens,
        event.reasoning_tokens,
    )  # fmt: skip
    money = (event.cost_nano, event.baseline_nano)
    sane = (
        len(max(names, key=len)) <= MAX_NAME
        and event.decision
        and min(numbers) >= 0
        and max(numbers) <= MAX_NUMBER
        and min(money) >= 0
        and max(money) <= MAX_NANO
        and 0 <= event.status <= 999
        and 0 <= event.confidence <= 1
    )
    return None if sane else "OutOfRange"


def refuse_review(event: Review) -> Refusal | None:
    """None for an event that can be kept."""
    names = (
        event.id, event.request_hash, event.reason, event.policy, event.revision, event.rule,
        event.caller, event.team, event.backend, event.model, event.operation,
    )  # fmt: skip
    sane = (
        all((event.id, event.request_hash, event.policy))
        and len(max(names, key=len)) <= MAX_NAME
        and 0 <= event.keep_s <= 400 * 86_400
    )
    return None if sane else "OutOfRange"


def request_row(event: Request, at_ms: int, wrong: bool) -> Row:
    """Values of the columns REQUEST."""
    return (
        at_ms, wrong, event.decision, event.policy, event.rule, event.caller, event.team,
        event.task, event.backend, event.currency,
        event.revision[:MAX_NAME], event.operation[:MAX_NAME], event.request_id[:MAX_NAME],
        event.language[:MAX_NAME], event.complexity[:MAX_NAME], event.domain[:MAX_NAME],
        event.model[:MAX_NAME], event.outcome[:MAX_NAME], event.response_id[:MAX_NAME],
        event.reported_model[:MAX_NAME], event.fingerprint[:MAX_NAME], event.finish[:MAX_NAME],
        event.data_class[:MAX_NAME],
        event.context_tokens, event.duration_us, event.first_token_us, event.overhead_us,
        event.held_us, event.input_tokens, event.output_tokens, event.cached_tokens,
        event.reasoning_tokens, event.status, event.cost_nano, event.baseline_nano,
        event.confidence, event.tools, event.images, event.stream, event.estimated,
        _list(event.candidates), _list(event.skipped), _list(event.left),
        _list(tuple(one[:MAX_NAME] for one in event.evidence[:MOST_EVIDENCE])),
        _json.encode(event.choice).decode(),
    )  # fmt: skip


def event_of(row: Row) -> Request:
    """The event that a row of the columns REQUEST was made of; as far as the row has it."""
    of: dict[str, Any] = dict(zip(REQUEST, row, strict=True))
    of |= {name: json_of(of[name]) for name in _JSON if name in of}
    # SQLite knows no booleans: its 0 and 1 are taken for what they mean.
    of |= {name: bool(of[name]) for name in ("tools", "images", "stream", "estimated")}
    of["left"] = of["given_up"]
    known = {name: of[name] for name in Request.__struct_fields__ if name in of}
    return msgspec.convert({**known, "type": "request"}, Request)


def json_of(value: object) -> object:
    """A column of JSON: PostgreSQL gives it decoded."""
    return msgspec.json.decode(value) if isinstance(value, str) else value


def _list(values: tuple[object, ...]) -> str:
    return _json.encode(values).decode() if values else "[]"


def text_row(event: Request, at_ms: int, now_ms: int) -> Row | None:
    """Values of the columns TEXT; None if there is no text, or it may be kept no longer."""
    text = event.text
    if text is None or text.keep_s <= 0 or not (text.prompt or text.answer):
        return None
    expires_ms = at_ms + min(text.keep_s, MAX_NUMBER) * 1000
    if expires_ms <= now_ms:
        return None
    return (event.decision, at_ms, expires_ms, text.how, text.prompt, text.answer, text.cut)


class Said(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Feedback as it is kept, before and after its request is found."""

    spool: str
    number: int
    came_ms: int
    decision: str
    response_id: str
    id: str
    at_ms: int
    caller: str
    score_micro: int | None
    good: bool | None
    verdict: str
    comment: str
    demonstration: str
    signal: str
    source: str = ""
    """Review: a reviewer's word."""

    def pending_row(self) -> Row:
        """Values of the columns PENDING."""
        return msgspec.structs.astuple(self)

    def row(self, decision: str, request_at_ms: int) -> Row:
        """Values of the columns FEEDBACK."""
        return (decision, request_at_ms, *msgspec.structs.astuple(self)[5:])


def said(event: Feedback, spool: str, number: int, now_ms: int) -> Said | Refusal:
    """What is kept of feedback, or why nothing is."""
    longest = max(event.id, event.decision, event.caller, key=len)
    score = event.score
    if len(longest) > MAX_NAME or not event.id or (score is not None and not 0 <= score <= 1):
        return "OutOfRange"
    if not (event.decision or event.response_id):
        return "OutOfRange"
    words = event.comment or event.demonstration or event.signal or event.verdict
    if score is None and event.good is None and not words:
        return "Empty"
    at_ms, _ = when_ms(event.at_ms, now_ms)
    return Said(
        spool=spool,
        number=number,
        came_ms=now_ms,
        decision=event.decision,
        response_id=event.response_id[:MAX_NAME],
        id=event.id,
        at_ms=at_ms,
        caller=event.caller,
        score_micro=None if score is None else round(score * 1_000_000),
        good=event.good,
        verdict=event.verdict or "",
        comment=event.comment,
        demonstration=event.demonstration,
        signal=event.signal,
    )
