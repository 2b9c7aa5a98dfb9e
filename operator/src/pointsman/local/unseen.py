"""A shadow's pairs and its judge, where router and leader are one process."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from pointsman.api.pairs import Pairs
from pointsman.operator.cluster.doors import UNANSWERED, Verdict, asked_nobody, read_verdict
from pointsman.router.errors import Problem
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.pinned import Desk

_HERE = "local"


class Unseen:
    """What `Doors` is in a cluster."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._desk = Desk(plane)

    async def pairs(self, policy: str) -> dict[str, Pairs | None]:
        """Of this process."""
        found = self._plane.live.pairs(policy)
        return {_HERE: found}

    async def ask(
        self, backend: str, messages: Sequence[Mapping[str, str]], max_tokens: int
    ) -> Verdict | None:
        """By the pinned route, without its port."""
        body = {"model": backend, "messages": messages, "max_tokens": max_tokens}
        try:
            found = await self._desk.ask(
                "POST", "/v1/chat/completions", {}, msgspec.json.encode(body), backend
            )
        except Problem:
            return None
        if found.status == HTTPStatus.OK:
            return read_verdict(found.body)
        return None if asked_nobody(found.status) else UNANSWERED
