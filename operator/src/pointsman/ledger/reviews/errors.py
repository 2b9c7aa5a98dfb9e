"""Why a step of a review is refused. Each is told with its code; nothing was written.

ReviewError
├── Unknown       404  no such review, or of another caller
├── HashMismatch  409  the decision is about another request
├── NotClaimed    409  claim it first: nobody holds it
├── ClaimedBy     409  another person holds it, until then
├── Ended         409  it is over: approved, edited, rejected, timed out or withdrawn
├── NotApproved   409  nobody may run it: not approved, or its answer was approved already
├── Taken         409  another router runs it, or has answered
├── BadEdit       422  the text is no such request or answer, or not what the caller asked for
├── NotAllowed    403  the person's role is too low for it
└── Full          429  so many of the policy wait already
"""

from typing import ClassVar

from pointsman.events.reviews import State


class ReviewError(Exception):
    """The text is for people."""

    status: ClassVar[int] = 409

    @property
    def code(self) -> str:
        """For programs."""
        return type(self).__name__


class Unknown(ReviewError):
    """Also what others may not know of."""

    status = 404

    def __init__(self) -> None:
        super().__init__("no such review")


class HashMismatch(ReviewError):
    """The decision was made for other bytes."""

    def __init__(self) -> None:
        super().__init__("the decision is about another request: its request_hash differs")


class NotClaimed(ReviewError):
    """A claim is missing, or over."""

    def __init__(self) -> None:
        super().__init__("nobody holds it: claim it first; a claim ends after 5 minutes")


class ClaimedBy(ReviewError):
    """One at a time."""

    def __init__(self, by: str, until_ms: int) -> None:
        super().__init__(f"{by} holds it")
        self.by = by
        self.until_ms = until_ms


class Ended(ReviewError):
    """Ended ones never change."""

    def __init__(self, state: State, by: str) -> None:
        super().__init__(f"it has ended: {state}" + (f" by {by}" if by else ""))
        self.state: State = state
        self.by = by


class NotApproved(ReviewError):
    """There is nothing to run."""

    def __init__(self, state: State) -> None:
        super().__init__(f"only an approved or edited request runs, and it is {state}")
        self.state: State = state


class Taken(ReviewError):
    """Twice would be paid twice."""

    def __init__(self, by: str, until_ms: int) -> None:
        super().__init__("it is answered" if not until_ms else "another router runs it")
        self.by = by
        self.until_ms = until_ms


class BadEdit(ReviewError):
    """`where` is a path in the edited text."""

    status = 422

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where


class NotAllowed(ReviewError):
    """Somebody with that role may."""

    status = 403

    def __init__(self, least: str) -> None:
        super().__init__(f"this needs the role {least}")


class Full(ReviewError):
    """The bound is the policy's."""

    status = 429

    def __init__(self, policy: str, most: int) -> None:
        super().__init__(f"{most:,} requests of {policy} wait for a reviewer already")
