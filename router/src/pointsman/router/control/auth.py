"""Who may use the admin port: one ServiceAccount, shown by an audience-bound token.

Guarantees that a token counts only after TokenReview named that account and our audience; a
verdict is kept for a minute, and while the API server is away a token that was verified before
counts until it expires. Refuses everything else; tokens are kept as hashes only.
"""

import asyncio
import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from pointsman.api.names import ROUTER_AUDIENCE
from pointsman.router.control.kube import ApiError, Unreachable, decode

TRUST_S = 60.0
DISTRUST_S = 5.0
"""A refused token is not asked about again for this long."""
_REMEMBERED = 256
_ASKED_AT_ONCE = 4
_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"

Verdict = Literal["Allowed", "Unauthenticated", "Forbidden", "Unknown"]
"""Unknown: the API server could not be asked, and the token was never verified."""


class Poster(Protocol):
    """What is needed of a Kubernetes client."""

    async def post(self, path: str, body: bytes) -> bytes:
        """Body of a 2xx; ApiError or Unreachable otherwise."""


class _User(msgspec.Struct):
    username: str = ""


class _ReviewStatus(msgspec.Struct):
    authenticated: bool = False
    audiences: tuple[str, ...] = ()
    user: _User = msgspec.field(default_factory=_User)


class _Review(msgspec.Struct):
    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


class _Claims(msgspec.Struct):
    exp: float = 0.0


@dataclass(frozen=True, slots=True)
class _Remembered:
    verdict: Verdict
    fresh_until_s: float
    expires_at_s: float


class TokenAuth:
    """`clock` is wall time: tokens expire by it."""

    def __init__(
        self, client: Poster, allowed_user: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._allowed_user = allowed_user
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._gate = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def check(self, authorization: str) -> Verdict:
        """Judge the value of an Authorization header."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii():
            return "Unauthenticated"
        name = hashlib.sha256(token.encode()).digest()
        if verdict := self._fresh(name):
            return verdict
        async with self._gate:
            if verdict := self._fresh(name):
                return verdict
            try:
                verdict = await self._review(token)
            except (ApiError, Unreachable):
                return self._proven(name)
        self._remember(name, verdict, token)
        return verdict

    def _fresh(self, name: bytes) -> Verdict | None:
        known = self._remembered.get(name)
        now = self._clock()
        if known is None or now >= min(known.fresh_until_s, known.expires_at_s):
            return None
        return known.verdict

    def _proven(self, name: bytes) -> Verdict:
        """While nobody can be asked: what was allowed stays allowed until it expires."""
        known = self._remembered.get(name)
        if known and known.verdict == "Allowed" and self._clock() < known.expires_at_s:
            return "Allowed"
        return "Unknown"

    async def _review(self, token: str) -> Verdict:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [ROUTER_AUDIENCE]},
        }
        answer = await self._client.post(_REVIEWS, msgspec.json.encode(body))
        status = decode(answer, _Review).status
        if not status.authenticated or ROUTER_AUDIENCE not in status.audiences:
            return "Unauthenticated"
        return "Allowed" if status.user.username == self._allowed_user else "Forbidden"

    def _remember(self, name: bytes, verdict: Verdict, token: str) -> None:
        now = self._clock()
        fresh_until_s = now + (TRUST_S if verdict == "Allowed" else DISTRUST_S)
        self._remembered[name] = _Remembered(
            verdict, fresh_until_s, _expiry_s(token) or fresh_until_s
        )
        self._remembered.move_to_end(name)
        if len(self._remembered) > _REMEMBERED:
            del self._remembered[self._least(now)]

    def _least(self, now: float) -> bytes:
        """The oldest that lets nobody in: no guesses of strangers make the operator unknown."""
        known = self._remembered.items()
        idle = (n for n, one in known if one.verdict != "Allowed" or now >= one.expires_at_s)
        return next(idle, next(iter(self._remembered)))


def _expiry_s(token: str) -> float:
    """`exp` of a JWT that TokenReview has verified; 0 if it has none."""
    parts = token.split(".")
    if len(parts) != 3:
        return 0.0
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Claims).exp
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return 0.0
