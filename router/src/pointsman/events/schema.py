"""PURE: the events, one JSON object in a line each.

Guarantees that an event can be read by every later ledger: fields are added, with a default, and
never change their meaning; an event of a new kind has a later version. Text of callers is in
none of them but Feedback, which they wrote for that, and `Text` and `Review`, which a policy has to
ask for.
"""

from typing import Final, Literal

import msgspec

from pointsman.api.predicting import Choice

SCHEMA: Final = 4
"""The latest version, which brought `Review`."""
OPERATORS: Final = 3
"""The version of what operators write: `Replicas` and `Evaluation`."""
ROUTERS: Final = 1
"""The version of what routers write: a ledger that knows no later one takes it."""
REVIEWING: Final = 4
"""The version of what a router writes once it has a `Review`: `Spool.needs` says so."""
NANO: Final = 1_000_000_000
"""Money is whole numbers of billionths: sums are exact, and 9 billion of a currency fit 64 bits."""
MAX_EVENT_BYTES: Final = 1024 * 1024
"""With captured text; without it an event has about 800 bytes."""


class Struct(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Frozen; what has its default is not written."""


class Try(Struct, frozen=True, kw_only=True):
    """One backend that was left for the next, or tried again; `reason` is the metric's label."""

    backend: str
    reason: str


class Text(Struct, frozen=True, kw_only=True):
    """
    What was asked and answered, as far as the policy lets it be kept.

    Hash: `prompt` and `answer` are SHA-256 in hex of the text, to see the same text again.
    """

    how: Literal["Hash", "Full"]
    prompt: str = ""
    answer: str = ""
    cut: bool = False
    """True if one of them was longer than is kept."""
    keep_s: int = 0
    """How long it may be kept, in seconds."""


class Request(Struct, frozen=True, kw_only=True, tag_field="type", tag="request"):
    """
    One routed request: the decision and its outcome, written when it is over.

    They are one event because one is of no use without the other, and two cost twice. Times since
    the request came in are in microseconds, of a clock that never goes back; `at_ms` is Unix time.
    """

    decision: str
    """The id that the caller got in x-pointsman-decision-id; unique over all routers."""
    at_ms: int
    policy: str
    revision: str
    rule: str
    operation: str = "chat/completions"
    request_id: str = ""
    """As the caller gave it in x-request-id; empty if it did not."""
    caller: str = ""
    team: str = ""

    task: str = ""
    """Empty where the analysis was not sure."""
    complexity: str = ""
    domain: str = ""
    language: str = ""
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    """Why the task and language are what they are. Words are of the analysis' own lists; those that
    told the domain are left out."""
    context_tokens: int = 0
    """Estimated, before a model was asked."""
    tools: bool = False
    images: bool = False
    stream: bool = False
    data_class: str = ""
    """The strictest that key, rule, caller, policy and text gave it; empty is Public."""

    candidates: tuple[str, ...] = ()
    """Backends in the order of trying."""
    skipped: tuple[Try, ...] = ()
    """Backends of the rule that could not take the request, and why."""
    choice: Choice | None = None
    """Of the policy's predictor; None where it has none."""
    left: tuple[Try, ...] = ()
    """Attempts without an answer, in their order."""
    backend: str = ""
    """Who answered, or was tried last; empty if none was."""
    model: str = ""
    """What that backend was asked for."""

    status: int
    """What the caller got; 499 if it left before."""
    outcome: str
    """`Ok`, or why there was no complete answer; the metric's label."""
    duration_us: int = 0
    first_token_us: int = 0
    """0 for an answer that was not streamed."""
    overhead_us: int = 0
    """The router's own time."""
    held_us: int = 0
    """Waited for a server of the backend."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Part of input_tokens."""
    reasoning_tokens: int = 0
    """Part of output_tokens."""
    estimated: bool = False
    """True if the backend did not state its tokens."""
    cost_nano: int = 0
    """By the prices that were valid when it came in, in billionths of `currency`."""
    baseline_nano: int = 0
    """What the policy's baseline would have cost for the same tokens; 0 without a baseline."""
    currency: str = ""

    response_id: str = ""
    """`id` of the answer."""
    reported_model: str = ""
    fingerprint: str = ""
    """`system_fingerprint` of the answer."""
    finish: str = ""
    """`finish_reason` of the answer's last choice."""
    text: Text | None = None


Verdict = Literal["good_fit", "underpowered", "overprovisioned", "failed"]
"""vLLM Semantic Router's words for how a model fitted the request."""


class Feedback(Struct, frozen=True, kw_only=True, tag_field="type", tag="feedback"):
    """What somebody said about one answer; at least one of the fields after `caller` is set."""

    id: str
    at_ms: int
    decision: str = ""
    response_id: str = ""
    """Either of the two says which answer is meant."""
    caller: str = ""
    """Who said it: has to be who got the answer."""
    score: float | None = None
    """0 to 1."""
    good: bool | None = None
    verdict: Verdict | None = None
    comment: str = ""
    demonstration: str = ""
    """The answer that should have been."""
    signal: Literal["", "Retry", "Abandoned"] = ""
    """Not said but seen: the same question again, a stream that its reader left."""


WINDOW_MS: Final = 300_000
"""Of `Replicas`."""


class Replicas(Struct, frozen=True, kw_only=True, tag_field="type", tag="replicas"):
    """
    What the replicas of one backend took in one window, where they are paid by the hour.

    The same account and window again, whoever measured it, is the same event: the first counts.
    """

    account: str
    """Whose replicas: the ModelBackend's uid, so that two clusters do not meet."""
    backend: str
    from_ms: int
    """When the window began: a whole multiple of WINDOW_MS."""
    replica_ms: int = 0
    """Of all replicas together, starting ones too."""
    watched_ms: int = 0
    """How much of the window somebody was looking. In the rest only what was still there afterwards
    is counted: what came and went meanwhile is not known, and not made up."""
    idle_ms: int = 0
    """Part of replica_ms: of more replicas than requests."""
    cost_nano: int = 0
    """By the prices that were valid, in billionths of `currency`."""
    idle_nano: int = 0
    """Part of cost_nano."""
    currency: str = ""


class Evaluation(Struct, frozen=True, kw_only=True, tag_field="type", tag="evaluation"):
    """
    What one answer to a golden prompt was worth.

    The same id again is the same event: the first counts. It holds no text of prompt or answer.
    """

    id: str
    at_ms: int
    """When it was answered."""
    suite: str
    content: str
    """The hash of the suite's content: results of another one cannot be compared."""
    backend: str
    """Who answered, as a router says; else as it was named."""
    model: str = ""
    """What was asked for."""
    task: str
    prompt: str
    """Its name in the suite."""
    run: int = 0
    score: float | None = None
    """0 to 1; None if `missing` says why."""
    missing: Literal["", "Refused", "TimedOut", "Unreadable", "Error"] = ""
    latency_us: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    """Of all its calls, also a judge's, in billionths of `currency`."""
    currency: str = ""
    reported_model: str = ""
    fingerprint: str = ""


MAX_REVIEW_BYTES: Final = 400 * 1024
"""Of a text in a `Review`, as it stands in the event: both of them fit it."""


class Review(Struct, frozen=True, kw_only=True, tag_field="type", tag="review"):
    """
    An answered request that a person shall look at: Flag and Escalate.

    Held ones do not come this way: their caller waits for them. The same id again is the same one.
    """

    id: str
    """The request's decision."""
    at_ms: int
    request_hash: str
    """SHA-256 in hex of what the caller sent; what a person decides is bound to it."""
    mode: Literal["Flag", "Escalate"]
    priority: Literal["Low", "Normal", "High"] = "Normal"
    reason: str = ""
    """Rule, LowConfidence or DataClass, a colon, and its name."""
    policy: str
    revision: str = ""
    rule: str = ""
    caller: str
    team: str = ""
    backend: str = ""
    model: str = ""
    operation: str = "chat/completions"
    stream: bool = False
    request: str = ""
    """JSON; empty where `cut`."""
    answer: str = ""
    """JSON of a whole answer, also of a streamed one; empty where there is none."""
    cut: bool = False
    """True if a text was over MAX_REVIEW_BYTES, and is left out."""
    keep_s: int
    """How long it may be kept, in seconds."""


Event = Request | Feedback | Replicas | Evaluation | Review

_encoder = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


class EventError(ValueError):
    """A line is no event of this version; the text says where, and holds none of the line."""


encode = _encoder.encode
"""One event as JSON, without a line end."""


def decode(line: bytes) -> Event:
    """Raises EventError on anything that is not one event of this version."""
    if len(line) > MAX_EVENT_BYTES:
        raise EventError(f"longer than {MAX_EVENT_BYTES:,} bytes")
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError as error:
        where = str(error).rpartition(" - at `")[2].rstrip("`") if " - at `" in str(error) else "$"
        raise EventError(f"not an event of version {SCHEMA} or before, at {where}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EventError("not JSON") from None
