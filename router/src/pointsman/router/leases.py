"""Asks the ledger for slices of budgets, beside the requests.

Guarantees one question at a time, so that turns are in order, a deadline on each, and growing
pauses (0.5 to 10 s) while the ledger is away. What it granted before stays in use.
"""

import asyncio
import logging
import secrets
from dataclasses import replace
from typing import Final

import msgspec

from pointsman.events.leases import Answer, Asked
from pointsman.events.ship import Failed, Target, post
from pointsman.router.serve.budgets import Budgets

_log = logging.getLogger(__name__)
_TICK_S: Final = 1.0
_ASK_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 10.0
_answer = msgspec.json.Decoder(Answer).decode


class Leaser:
    """Of one router process; another one is another holder."""

    def __init__(self, budgets: Budgets, target: Target) -> None:
        self._budgets = budgets
        self._target = replace(target, timeout_s=_ASK_S)
        self._holder = secrets.token_hex(8)
        self._turn = 0
        self._wake = asyncio.Event()
        self.problem = ""
        """Why the ledger grants nothing now."""
        budgets.hurry = self._wake.set
        budgets.lender = True

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                while await self._ask():
                    pass
                failures = 0
            except Failed as failed:
                if not failures:
                    _log.warning("leases-away", extra={"reason": str(failed)})
                failures += 1
                self.problem = failed.reason
                pause_s = min(0.5 * 2 ** min(failures - 1, 8), _LONGEST_PAUSE_S)
                await asyncio.sleep(max(pause_s, min(failed.retry_after_s, _LONGEST_PAUSE_S)))
                continue
            self.problem = ""
            self._wake.clear()
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def give_back(self) -> None:
        """What is not in use, to other routers; for the end of the process."""
        try:
            while await self._ask(leaving=True):
                pass
        except Failed as failed:
            _log.warning("leases-kept", extra={"reason": str(failed)})

    async def _ask(self, *, leaving: bool = False) -> bool:
        """False if there was nothing to ask. Raises Failed."""
        wanted = self._budgets.questions(leaving=leaving)
        if not wanted:
            return False
        self._turn += 1
        asked = Asked(holder=self._holder, turn=self._turn, budgets=wanted)
        status, body = await asyncio.to_thread(
            post, self._target, "/v1/leases", msgspec.json.encode(asked)
        )
        if status != 200:
            raise Failed(f"Http{status}", body[:200].decode("utf-8", "replace"))
        try:
            slices = _answer(body).slices
            self._budgets.granted(wanted, slices)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise Failed("BadAnswer", str(error)) from None
        return len(wanted) > 0
