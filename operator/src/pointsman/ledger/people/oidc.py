"""OpenID Connect: authorization code with PKCE, against one provider.

Guarantees that a person is signed in only by an ID token that this provider signed for this ledger,
for the very login that this browser began, and that has not expired. Refuses everything else.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from pointsman.ledger.people.errors import BadPeople, Forbidden, ProviderAway
from pointsman.ledger.people.settings import OidcSettings, is_safe

_T = TypeVar("_T")
PATIENCE_S: Final = 10.0
MAX_ANSWER: Final = 1024 * 1024
LEEWAY_S: Final = 60
"""Clocks differ by as much."""
LOGIN_S: Final = 600
"""A login that takes longer begins again."""
_KNOWN_S: Final = 3600.0
"""What the provider says of itself is asked anew after that, and when a key is not known."""
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Public keys only: a shared secret would let us sign what we ought to check."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser keeps, sealed, while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    until_s: int
    to: str


class Found(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class Oidc:
    """One provider; nothing is asked before somebody signs in."""

    def __init__(self, settings: OidcSettings, redirect_uri: str) -> None:
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._secret = _secret_of(settings)
        self._found: Found | None = None
        self._keys: KeySet | None = None
        self._until_s = 0.0
        self._session: aiohttp.ClientSession | None = None

    @property
    def issuer(self) -> str:
        """As it was configured."""
        return self._settings.issuer

    async def close(self) -> None:
        """Give back connections."""
        if self._session is not None:
            await self._session.close()

    async def begin(self, to: str, now_s: int) -> tuple[str, Login]:
        """Where to send the browser, and what it has to keep. Raises ProviderAway."""
        found = await self._provider()
        login = Login(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            until_s=now_s + LOGIN_S,
            to=to,
        )
        digest = hashlib.sha256(login.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._settings.scopes,
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in found.authorization_endpoint else "?"
        return f"{found.authorization_endpoint}{joint}{urlencode(asked)}", login

    async def end(
        self, query: Mapping[str, str], login: Login, now_s: int
    ) -> tuple[str, list[str]]:
        """Name and groups of who came back. Raises Forbidden and ProviderAway."""
        if not hmac.compare_digest(query.get("state", "").encode(), login.state.encode()):
            raise Forbidden("this sign-in was not begun here: begin again")
        if now_s >= login.until_s:
            raise Forbidden("this sign-in took too long: begin again")
        if "error" in query:
            raise Forbidden(f"the provider refused: {query['error'][:100]}")
        found = await self._provider()
        token = await self._redeem(found, query.get("code", ""), login)
        claims = await self._claims(token, login, now_s)
        return self._person(claims)

    async def _redeem(self, found: Found, code: str, login: Login) -> str:
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": login.verifier,
            "client_id": self._settings.client_id,
        }
        headers = {}
        if self._secret:
            headers["Authorization"] = _basic(self._settings.client_id, self._secret)
        status, body = await self._fetch("POST", found.token_endpoint, asked, headers)
        if status >= 500:
            raise ProviderAway(f"the provider answered {status}")
        if status != 200:
            raise Forbidden("the provider does not take this sign-in's code: begin again")
        return _decode(body, _Tokens).id_token

    async def _claims(self, token: str, login: Login, now_s: int) -> Mapping[str, object]:
        found, claims = await self._verified(token)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        client = self._settings.client_id
        until = claims.get("exp")
        good = (
            claims.get("iss") == found.issuer
            and client in audiences
            and (len(audiences) == 1 or claims.get("azp") == client)
            and claims.get("nonce") == login.nonce
            and isinstance(until, int | float)
            and now_s < until + LEEWAY_S
        )
        if not good:
            raise Forbidden("the provider's token is for somebody or something else: begin again")
        return claims

    async def _verified(self, token: str) -> tuple[Found, Mapping[str, object]]:
        """By a key of the provider's; keys may have been replaced since they were read."""
        for is_last in (False, True):
            found = await self._provider(anew=is_last)
            assert self._keys is not None
            try:
                claims: Mapping[str, object] = jwt.decode(
                    token, self._keys, algorithms=list(ALGORITHMS)
                ).claims
            except (JoseError, ValueError, TypeError):
                continue
            return found, claims
        raise Forbidden("the provider's token is not signed by the provider")

    def _person(self, claims: Mapping[str, object]) -> tuple[str, list[str]]:
        name = claims.get(self._settings.name_claim)
        if self._settings.name_claim == "email" and claims.get("email_verified") in (
            False,
            "false",
        ):
            raise Forbidden("the provider has not verified this e-mail address")
        groups = claims.get(self._settings.groups_claim, [])
        if not isinstance(name, str) or not name:
            raise Forbidden(f"the provider's token has no {self._settings.name_claim}")
        listed = groups if isinstance(groups, list) else [groups]
        return name, [group for group in listed if isinstance(group, str)]

    async def _provider(self, *, anew: bool = False) -> Found:
        if self._found is not None and time.monotonic() < self._until_s and not anew:
            return self._found
        issuer = self._settings.issuer.removesuffix("/")
        status, body = await self._fetch("GET", f"{issuer}/.well-known/openid-configuration")
        found = _decode(body, Found) if status == 200 else None
        if found is None or found.issuer not in (issuer, f"{issuer}/"):
            raise ProviderAway("the provider does not describe itself as it should")
        urls = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if not all(map(is_safe, urls)):
            raise ProviderAway("the provider names addresses without TLS")
        status, body = await self._fetch("GET", found.jwks_uri)
        try:
            self._keys = KeySet.import_key_set(msgspec.json.decode(body))
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ProviderAway("the provider's keys cannot be read") from error
        self._found, self._until_s = found, time.monotonic() + _KNOWN_S
        return found

    async def _fetch(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """No redirect is followed: what is asked for is where the provider said."""
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=True)  # HTTPS_PROXY
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                self._session.request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(MAX_ANSWER)
                while len(body) < MAX_ANSWER and not answer.content.at_eof():
                    body += await answer.content.read(MAX_ANSWER - len(body))
                return answer.status, body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ProviderAway("the provider does not answer") from error


def _basic(client_id: str, secret: str) -> str:
    """
    RFC 6749, section 2.3.1: each is written as in a form, so that both may have a colon.

    A space is %20, which who reads forms and who reads addresses take for the same.
    """
    return aiohttp.encode_basic_auth(quote(client_id, safe=""), quote(secret, safe=""))


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderAway("the provider's answer cannot be read") from None


def _secret_of(settings: OidcSettings) -> str:
    if settings.client_secret_file is None:
        return ""
    try:
        return settings.client_secret_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadPeople(f"--oidc-client-secret-file: {error}") from None
