"""How long a verdict on a token counts."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from pointsman.router.control.auth import TRUST_S, TokenAuth
from pointsman.router.control.kube import Unreachable

OPERATOR = "system:serviceaccount:demo:pointsman-operator"
_AUDIENCE = "pointsman-router"


def _jwt(expires_at_s: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires_at_s}).encode()).decode()
    return f"head.{claims.rstrip('=')}.signature"


@dataclass
class _Reviews:
    status: dict[str, Any] = field(
        default_factory=lambda: {
            "authenticated": True,
            "audiences": [_AUDIENCE],
            "user": {"username": OPERATOR},
        }
    )
    away: bool = False
    asked: int = 0
    now_s: float = 1000.0

    async def post(self, path: str, body: bytes) -> bytes:
        assert path.endswith("/tokenreviews")
        assert json.loads(body)["spec"]["audiences"] == [_AUDIENCE]
        self.asked += 1
        if self.away:
            raise Unreachable("injected")
        return json.dumps({"status": self.status}).encode()

    def auth(self) -> TokenAuth:
        return TokenAuth(self, OPERATOR, clock=lambda: self.now_s)


async def test_a_verdict_is_asked_for_once_a_minute() -> None:
    """Each stream and each probe shows the same token."""
    reviews = _Reviews()
    auth, bearer = reviews.auth(), f"Bearer {_jwt(9000)}"

    verdicts = [await auth.check(bearer) for _ in range(3)]
    reviews.now_s += TRUST_S
    verdicts.append(await auth.check(bearer))

    assert (verdicts, reviews.asked) == (["Allowed"] * 4, 2)


async def test_a_verdict_never_outlives_the_token() -> None:
    """Also with the API server away: then until its expiry, and no longer."""
    reviews = _Reviews()
    auth, bearer = reviews.auth(), f"Bearer {_jwt(1500)}"
    assert await auth.check(bearer) == "Allowed"
    reviews.away = True

    reviews.now_s = 1499
    late = await auth.check(bearer)
    reviews.now_s = 1500
    expired = await auth.check(bearer)

    assert (late, expired) == ("Allowed", "Unknown")


async def test_a_token_without_expiry_counts_while_its_verdict_is_fresh() -> None:
    """Nobody knows how long it would."""
    reviews = _Reviews()
    auth = reviews.auth()
    assert await auth.check("Bearer opaque") == "Allowed"
    reviews.away = True

    fresh = await auth.check("Bearer opaque")
    reviews.now_s += TRUST_S
    stale = await auth.check("Bearer opaque")

    assert (fresh, stale) == ("Allowed", "Unknown")


async def test_a_withdrawn_token_is_noticed_within_a_minute() -> None:
    """And is not trusted again when the API server goes away after that."""
    reviews = _Reviews()
    auth, bearer = reviews.auth(), f"Bearer {_jwt(9000)}"
    assert await auth.check(bearer) == "Allowed"
    reviews.status = {"authenticated": False}
    reviews.now_s += TRUST_S

    withdrawn = await auth.check(bearer)
    reviews.away = True
    reviews.now_s += TRUST_S
    away = await auth.check(bearer)

    assert (withdrawn, away) == ("Unauthenticated", "Unknown")


async def test_an_answer_without_our_audience_is_refused() -> None:
    """An API server that ignores audiences would accept any token of the account."""
    reviews = _Reviews()
    reviews.status = {"authenticated": True, "user": {"username": OPERATOR}}

    assert await reviews.auth().check("Bearer any") == "Unauthenticated"


async def test_what_is_remembered_is_bounded() -> None:
    """Guessing tokens costs the router no memory; one guess is asked once in a few seconds."""
    reviews = _Reviews(status={"authenticated": False})
    auth = reviews.auth()
    for number in range(1000):
        await auth.check(f"Bearer guess-{number}")
    asked = reviews.asked
    await auth.check("Bearer guess-999")

    assert reviews.asked == asked
    assert len(auth._remembered) <= 256


async def test_guesses_of_strangers_make_nobody_unknown() -> None:
    """Who was let in is while the API server is away, however many tokens were tried before."""
    reviews = _Reviews()
    auth, bearer = reviews.auth(), f"Bearer {_jwt(9000)}"
    assert await auth.check(bearer) == "Allowed"
    reviews.status = {"authenticated": False}
    for number in range(1000):
        assert await auth.check(f"Bearer {number}") == "Unauthenticated"
    reviews.away, reviews.now_s = True, reviews.now_s + 2 * TRUST_S

    assert await auth.check(bearer) == "Allowed"
