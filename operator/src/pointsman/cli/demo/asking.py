"""Asks the demo's ledger, once it has everything that was sent."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec

from pointsman.ledger.summary import Line, Summary

SETTLE_S: Final = 30.0
"""How long the last events may take: the router sends them twice a second."""
_PAUSE_S: Final = 0.2


class NotSettled(Exception):
    """The ledger does not have everything; the text says what it has."""


class Asking:
    """One ledger's summaries of the last day."""

    def __init__(self, url: str) -> None:
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(10))

    async def close(self) -> None:
        """Give back the connection."""
        await self._session.close()

    async def lines(self, *by: str) -> list[Line]:
        """Sums by these. Raises aiohttp.ClientError."""
        asked = {"since": "24h", "by": ",".join(by)}
        async with self._session.get("/v1/summary", params=asked) as answer:
            answer.raise_for_status()
            return msgspec.json.decode(await answer.read(), type=Summary).lines

    async def settled(self, requests: int, rated: int) -> Sequence[Line]:
        """Sums by policy, once so many requests and ratings are in them. Raises NotSettled."""
        have = "nothing"
        try:
            async with asyncio.timeout(SETTLE_S):
                while True:
                    found = await self._try()
                    seen = sum(line.requests for line in found)
                    said = sum(line.quality.n for line in found if line.quality)
                    if seen == requests and said == rated:
                        return found
                    have = f"{seen} of {requests} requests and {said} of {rated} ratings"
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise NotSettled(f"the ledger has {have} after {SETTLE_S:g} s") from None

    async def _try(self) -> list[Line]:
        try:
            return await self.lines("policy")
        except aiohttp.ClientError:  # it is starting
            return []
