"""What a data plane needs of the ledger that keeps reviews."""

from typing import Protocol

from pointsman.events.reviews import Answering, Decided, Ended, Opened, Opening, Taken


class Away(Exception):
    """The ledger does not answer, or not as it should; the text says how."""


class Barred(Exception):
    """Nobody may run it: not approved, answered before, or forgotten."""


class Full(Exception):
    """As many requests of the policy are held as it allows."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("full")
        self.retry_after_s = retry_after_s


class Reviews(Protocol):
    """Each raises Away within seconds, if the ledger does not answer."""

    async def find(self, caller: str, policy: str, request_hash: str) -> Opened | None:
        """The review that the same request attaches to."""

    async def open(self, opening: Opening) -> Opened:
        """The new one, or the one that was there. Raises Full."""

    async def decided(self, ids: tuple[str, ...], wait_s: float) -> Ended:
        """Those that have ended, as soon as one has."""

    async def end(self, review: str) -> Decided | None:
        """Its deadline has passed: how it really is; None if nobody knows it."""

    async def read(self, review: str, caller: str) -> Decided | None:
        """As its caller may see it; None if it is not this caller's."""

    async def take(self, review: str, holder: str) -> Taken | None:
        """The request, for its holder alone; None while another has it. Raises Barred."""

    async def answer(self, review: str, answering: Answering) -> None:
        """Keep what came of it; the first one stays."""

    async def delivered(self, review: str) -> None:
        """Its caller has the answer."""

    async def close(self) -> None:
        """Nothing is asked any more."""
