"""PURE: a review and its states; each step gives the next one, or says why not.

Pending → Approved | Edited | Rejected | TimedOut | Withdrawn; what has ended never changes.

A claim is one person's for CLAIM_MS, and then free. A deadline that has passed has ended the
review, whoever notices. `rank` and `place_ms` are its place in the queue.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import replace

from pointsman.events.reviews import ENDED, TAKEN_MS, Mode, Priority, Stage, State
from pointsman.ledger.reviews.errors import (
    ClaimedBy,
    Ended,
    HashMismatch,
    NotApproved,
    NotClaimed,
    Taken,
)

CLAIM_MS: Final = 300_000
"""Long enough to read 30 pages of text; then somebody else may."""
ATTACH_MS: Final = 600_000
"""An SDK has given up retrying long before."""
RANKS: Final[dict[Priority, int]] = {"High": 0, "Normal": 1, "Low": 2}
RANK_ENDED: Final = 3
_UNHURRIED_MS: Final = 2**52
"""What has no deadline comes behind what has one."""
Verdict = Literal["approve", "edit", "reject"]
STATES: Final[dict[Verdict, State]] = {
    "approve": "Approved", "edit": "Edited", "reject": "Rejected",
}  # fmt: skip


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One row; its texts are another one. Times are Unix time in ms, 0 for none."""

    id: str
    request_hash: str
    mode: Mode
    stage: Stage
    rank: int
    place_ms: int
    priority: Priority
    reason: str
    policy: str
    revision: str
    rule: str
    caller: str
    team: str
    backend: str
    model: str
    operation: str
    stream: bool
    asynchronous: bool
    cut: bool
    fallback: bool
    """Whoever polls may run it once it has timed out."""
    context: str
    """The router's own."""
    created_ms: int
    deadline_ms: int
    until_ms: int
    """Retention."""
    state: State = "Pending"
    claimed_by: str = ""
    claimed_until_ms: int = 0
    decided_by: str = ""
    ended_ms: int = 0
    message: str = ""
    delivered_ms: int = 0
    taken_by: str = ""
    taken_until_ms: int = 0


class Texts(msgspec.Struct, frozen=True):
    """JSON, as far as there is any."""

    request: str
    answer: str = ""
    """The held one."""
    edited: str = ""
    """A reviewer's: of the request at the stage Request, else of the answer."""
    ran: str = ""
    """What was answered afterwards: to an approved request, or by the fallback."""


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reviewer says; `edited` is the whole request or answer as it shall be."""

    verdict: Verdict
    request_hash: str
    message: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    """The caller is told it with a refusal."""
    edited: str = ""


def place(priority: Priority, deadline_ms: int, created_ms: int) -> tuple[int, int]:
    """(rank, place_ms) of one that waits: by priority, then by deadline, then by age."""
    return RANKS[priority], deadline_ms or _UNHURRIED_MS + created_ms


def holder(review: Review, now_ms: int) -> str:
    """Who may decide; empty if nobody has claimed it."""
    return review.claimed_by if review.claimed_until_ms > now_ms else ""


def is_due(review: Review, now_ms: int) -> bool:
    """True if it waits past its deadline: it has to be ended before anything else is done."""
    return review.state == "Pending" and 0 < review.deadline_ms <= now_ms


def attaches(review: Review, now_ms: int) -> bool:
    """True if the same request once more gets this review instead of one of its own."""
    if review.mode != "Hold" or review.state == "Withdrawn" or review.delivered_ms:
        return False
    return review.state == "Pending" or now_ms < review.ended_ms + ATTACH_MS


def claimed(review: Review, by: str, now_ms: int) -> Review:
    """Held by this person from now on, again too. Raises Ended, ClaimedBy."""
    _waits(review)
    held = holder(review, now_ms)
    if held and held != by:
        raise ClaimedBy(held, review.claimed_until_ms)
    return replace(review, claimed_by=by, claimed_until_ms=now_ms + CLAIM_MS)


def released(review: Review, by: str, now_ms: int) -> Review:
    """Held by nobody. Raises Ended, NotClaimed, ClaimedBy."""
    _waits(review)
    _holds(review, by, now_ms)
    return replace(review, claimed_by="", claimed_until_ms=0)


def decided(review: Review, decision: Decision, by: str, now_ms: int) -> Review:
    """Over, as this person says. Raises Ended, HashMismatch, NotClaimed, ClaimedBy."""
    _waits(review)
    if decision.request_hash != review.request_hash:
        raise HashMismatch
    _holds(review, by, now_ms)
    state = STATES[decision.verdict]
    return replace(over(review, state, now_ms), decided_by=by, message=decision.message)


def over(review: Review, state: State, now_ms: int) -> Review:
    """Ended so; what has ended stays as it is."""
    if review.state in ENDED:
        return review
    return replace(
        review, state=state, ended_ms=now_ms, rank=RANK_ENDED, place_ms=-now_ms,
        claimed_by="", claimed_until_ms=0,
    )  # fmt: skip


def taken(review: Review, by: str, now_ms: int, *, answered: bool) -> Review:
    """This router runs the request, again too. Raises NotApproved, Taken."""
    if not _runs(review):
        raise NotApproved(review.state)
    if answered:
        raise Taken(review.taken_by, 0)
    if review.taken_until_ms > now_ms and review.taken_by != by:
        raise Taken(review.taken_by, review.taken_until_ms)
    return replace(review, taken_by=by, taken_until_ms=now_ms + TAKEN_MS)


def passed(review: Review, texts: Texts) -> tuple[str, str]:
    """(request, answer) that may go on: what was edited stands for what was there."""
    if review.state == "TimedOut" and review.fallback:
        return texts.request, texts.ran
    if review.state not in ("Approved", "Edited"):
        return "", ""
    final = texts.edited if review.state == "Edited" else ""
    if review.stage == "Request":
        return final or texts.request, texts.ran
    return "", final or texts.answer


def _runs(review: Review) -> bool:
    """Whether a model may be asked: by a reviewer's leave, or by the policy's at a time-out."""
    if review.state == "TimedOut":
        return review.fallback
    return review.stage == "Request" and review.state in ("Approved", "Edited")


def _waits(review: Review) -> None:
    if review.state in ENDED:
        raise Ended(review.state, review.decided_by)


def _holds(review: Review, by: str, now_ms: int) -> None:
    held = holder(review, now_ms)
    if not held:
        raise NotClaimed
    if held != by:
        raise ClaimedBy(held, review.claimed_until_ms)
