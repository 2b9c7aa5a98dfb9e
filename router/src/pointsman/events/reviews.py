"""PURE: what routers and the ledger say to each other about requests that people look at.

Guarantees bounds for every text, name and time. A review has the id of its request's decision; what
a person decides is bound to `request_hash`, SHA-256 in hex of what the caller sent.

State      how it came about                        what the caller gets
Pending    opened; nobody has decided               nothing yet (Flag, Escalate: it has its answer)
Approved   a reviewer let it through                the answer, or the request goes to its model
Edited     a reviewer wrote another text            that one
Rejected   a reviewer refused it                    403 with the reviewer's message
TimedOut   its deadline passed                      what the policy says
Withdrawn  its caller left                          nothing
"""

from typing import Annotated, Final, Literal

import msgspec

MAX_TEXT_BYTES: Final = 1024 * 1024
"""Of one request, or one answer, as JSON."""
MAX_OPENING_BYTES: Final = 3 * 1024 * 1024
"""JSON in JSON: quotes and backslashes are written twice."""
MAX_IDS: Final = 1_000
MAX_WAIT_S: Final = 20.0
MAX_WITHIN_MS: Final = 86_400_000
MAX_WEBHOOKS: Final = 4
MAX_CONTEXT: Final = 2_048
TAKEN_MS: Final = 60_000
"""Who took an approved request has so long to answer, or to take it again."""

Mode = Literal["Flag", "Hold", "Escalate"]
Stage = Literal["Request", "Answer"]
Priority = Literal["Low", "Normal", "High"]
State = Literal["Pending", "Approved", "Edited", "Rejected", "TimedOut", "Withdrawn"]
ENDED: Final[frozenset[State]] = frozenset(
    ("Approved", "Edited", "Rejected", "TimedOut", "Withdrawn")
)

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._-]+\Z")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Name = Annotated[str, msgspec.Meta(max_length=253, pattern=r"^[^\x00]*\Z")]
Json = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_BYTES)]


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a review is told; `name` is the signing key's: the Secret's name, a dot, its key."""

    name: Annotated[str, msgspec.Meta(max_length=507, pattern=r"^[a-z0-9][A-Za-z0-9._-]*\Z")]
    url: Annotated[str, msgspec.Meta(max_length=2_048, pattern=r"^https?://[^\s]+\Z")]


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/reviews: a held request. Times are spans: the ledger's clock counts."""

    id: Id
    request_hash: Hash
    stage: Stage
    priority: Priority = "Normal"
    reason: Name
    """Rule, LowConfidence or DataClass, a colon, and its name."""
    policy: Name
    revision: Name = ""
    rule: Name = ""
    caller: Name
    team: Name = ""
    backend: Name = ""
    """Who answered."""
    model: Name = ""
    operation: Name = "chat/completions"
    stream: bool = False
    asynchronous: bool = False
    within_ms: Annotated[int, msgspec.Meta(ge=1_000, le=MAX_WITHIN_MS)]
    """Until its deadline."""
    keep_ms: Annotated[int, msgspec.Meta(ge=0, le=400 * 86_400_000)]
    """Until it is forgotten; not before its deadline."""
    max_held: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    """Of this policy, waiting at once."""
    webhooks: Annotated[tuple[Webhook, ...], msgspec.Meta(max_length=MAX_WEBHOOKS)] = ()
    fallback: bool = False
    """After its deadline another backend answers: who polls may take it as if it were approved."""
    context: Annotated[str, msgspec.Meta(max_length=MAX_CONTEXT, pattern=r"^[^\x00]*\Z")] = ""
    """The router's own, given back to who takes the request."""
    request: Json
    answer: Json = ""
    """Whole, as JSON also where the caller asked for a stream; empty for the stage Request."""


class Opened(msgspec.Struct, frozen=True):
    """201 for a new one, 200 for the one that was there: `review` is its id."""

    review: str
    state: State
    deadline_ms: int
    """Unix time."""


class Waiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/reviews/decided: which of them have ended, as soon as one has."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=MAX_IDS)]
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_S)] = MAX_WAIT_S


class Decided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one; the texts are what the reviewer let pass."""

    id: str
    state: State
    request_hash: str
    stage: Stage
    deadline_ms: int = 0
    by: str = ""
    message: str = ""
    request: str = ""
    """Of an approved or edited one of the stage Request."""
    answer: str = ""
    """Of an approved or edited one, once there is one."""
    backend: str = ""


class Ended(msgspec.Struct, frozen=True):
    """8 MiB at most: ask again for the rest. `unknown`: never opened, or forgotten."""

    decided: tuple[Decided, ...]
    unknown: tuple[str, ...] = ()


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/reviews/ID/take: `holder` runs the approved request."""

    holder: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class Taken(msgspec.Struct, frozen=True):
    """The holder's alone until then (Unix time)."""

    request: str
    until_ms: int
    context: str = ""


class Answering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /v1/reviews/ID/answer: what the approved request was answered. The first one counts."""

    holder: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    answer: Json
    backend: Name = ""


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    POST /v1/reviews/ID/end: a wish; the answer is a Decided, how it really is.

    TimedOut before the deadline, as the ledger's clock has it, leaves it Pending.
    """

    state: Literal["TimedOut", "Withdrawn"]
