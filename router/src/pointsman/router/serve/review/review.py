"""What a person has to do with one request: which review it needs, and what its caller is told.

Guarantees that a request which goes on behind a verdict is not held a second time.
"""

from typing import TYPE_CHECKING, Final

from pointsman.api.table import Backend
from pointsman.events.reviews import Decided
from pointsman.routing.review import Need

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

APPROVED: Final = b"approved"
EDITED: Final = b"edited"
FLAGGED: Final = b"flagged"
ESCALATED: Final = b"escalated"
TIMED_OUT: Final = b"timed-out"
UNAVAILABLE: Final = b"unavailable"
_ID_LINE: Final = b"x-pointsman-review-id: %b\r\n"
_LINES: Final = b"x-pointsman-review: %b\r\n" + _ID_LINE


class Review:
    """Of one exchange. `told` is the word of the response header; empty while nothing is known."""

    __slots__ = (
        "fallback", "falls_back", "holder", "holds_answer", "id", "need", "opened", "rule", "told",
        "waited_s",
    )  # fmt: skip

    def __init__(self, need: Need, review: str) -> None:
        self.need = need
        self.id = review
        self.told = b""
        self.opened = False
        """The ledger has it."""
        self.waited_s = 0.0
        """For a person; no time of its request."""
        self.holder = review
        """Who takes it, once it is approved: of several that attached only one."""
        self.holds_answer = False
        """True while the answer of a model is to be held."""
        self.fallback: Backend | None = None
        """Who answers, because nobody has decided."""
        self.falls_back = False
        """True if that is whom the policy of then names."""
        self.rule = ""
        """The only one that it may take, where it was decided before."""

    @property
    def goes_on(self) -> bool:
        """True for an exchange behind a verdict."""
        return bool(self.told)

    def lines(self) -> bytes:
        """Header lines."""
        if self.told:
            return _LINES % (self.told, self.id.encode())
        return _ID_LINE % self.id.encode() if self.opened else b""

    def answered(self, exchange: "Exchange", body: bytes) -> None:
        """A whole good answer came, which is to be held."""
        raise NotImplementedError


def told_of(decided: Decided) -> bytes:
    """Of what a person let through."""
    return EDITED if decided.state == "Edited" else APPROVED
