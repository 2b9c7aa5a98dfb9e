"""Questions to one backend through a router's admin port: the operator holds no provider's key.

Guarantees a deadline for each question, the wait for a router among it. A router that is away, or
whose table does not carry the backend yet, is waited for; another one is asked next.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from pointsman.api.names import HEADER_PIN, MAX_QUESTION_BYTES
from pointsman.evaluation.running.asking import Asker, Denied, Endpoint, Reply
from pointsman.evaluation.suite.outcome import Missing

WAIT_S: Final = 30.0
"""For a router that answers at all: a table is on its way, a token is being rotated."""
_PAUSE_S: Final = 0.5


def pinned(backend: str) -> Endpoint:
    """Where this backend is asked; a router is chosen for each question."""
    return Endpoint(url="", headers={HEADER_PIN: backend})


class PinnedAsker:
    """`ports` are admin ports of routers, `headers` what is shown there, both as they are now."""

    def __init__(
        self,
        asker: Asker,
        ports: Callable[[], Sequence[str]],
        headers: Callable[[], Mapping[str, str]],
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self._asker = asker
        self._ports = ports
        self._headers = headers
        self._wait_s = wait_s
        self._turn = 0

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Reply:
        """The reply of the endpoint's backend. Raises Denied if no router lets it be asked."""
        if len(msgspec.json.encode(body)) > MAX_QUESTION_BYTES:
            why = f"longer than the {MAX_QUESTION_BYTES:,} bytes that a router takes"
            return Reply(missing=Missing.REFUSED, why=why)
        end_s = time.monotonic() + self._wait_s
        denied = Denied("no router answers")
        while True:
            for port in self._in_turn():
                at = replace(
                    endpoint, url=f"{port}/v1", headers={**self._headers(), **endpoint.headers}
                )
                try:
                    reply = await self._asker.ask(at, body)
                except Denied as error:
                    denied = error
                    continue
                if reply.missing is Missing.ERROR and not reply.backend:
                    denied = Denied(reply.why)  # nobody was asked: the router did not answer
                    continue
                return reply
            if time.monotonic() + _PAUSE_S >= end_s:
                raise denied
            await asyncio.sleep(_PAUSE_S)

    def _in_turn(self) -> list[str]:
        """All, each time beginning with the next."""
        ports = list(self._ports())
        if not ports:
            return []
        self._turn = (self._turn + 1) % len(ports)
        return ports[self._turn :] + ports[: self._turn]
