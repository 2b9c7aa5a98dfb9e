"""An OpenID provider: Authlib's server with PKCE over aiohttp, so that another hand judges ours.

`person` is who signs in next; `wrong` says what is wrong with the next token; `slash` is what the
issuer ends with.
"""

import base64
import functools
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from aiohttp import web
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "pointsman", "a-secret-of-the-client"


@functools.cache
def made_key(kid: str) -> RSAKey:
    """One for all tests: they take long to make."""
    return RSAKey.generate_key(2048, {"kid": kid})


class _Client:
    """The ledger, as the provider knows it."""

    def __init__(self, redirect_uri: str, client_id: str, secret: str) -> None:
        self._redirect_uri = redirect_uri
        self._client_id, self._secret = client_id, secret

    def get_client_id(self) -> str:
        return self._client_id

    def get_default_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self._secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint == "token" and method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class _Code:
    """One that was handed out."""

    def __init__(self, code: str, payload: OAuth2Payload, user: Mapping[str, Any]) -> None:
        data = payload.data
        self.code, self.user = code, user
        self._redirect_uri, self._scope = data["redirect_uri"], data["scope"]
        self.nonce: str | None = data.get("nonce")
        self.code_challenge = data.get("code_challenge")
        self.code_challenge_method = data.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return str(self._redirect_uri)

    def get_scope(self) -> str:
        return str(self._scope)

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Provider:
    """On a free port of loopback, while the block lasts."""

    def __init__(
        self, redirect_uri: str, slash: str = "", client_id: str = CLIENT, secret: str = SECRET
    ) -> None:
        self._slash = slash
        self.person: dict[str, Any] = {"email": "rae@example.com", "groups": ["reviewers"]}
        self.wrong = ""
        self.told: dict[str, Any] = {}
        """What it says of itself otherwise."""
        self.url = ""
        self.issuer = ""
        self.codes: dict[str, _Code] = {}
        self.key = made_key("1")
        self.published = self.key
        self._server = _server(self, _Client(redirect_uri, client_id, secret))
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._described)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> "Provider":
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.issuer = self.url + self._slash
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _described(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer if self.wrong != "issuer" else "https://evil.example.com",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "code_challenge_methods_supported": ["S256"],
            }
            | self.told
        )

    async def _keys(self, _: web.Request) -> web.Response:
        if self.wrong == "keys":
            return web.Response(body=b'{"keys": ' + b"[" * 100_000)
        return web.json_response({"keys": [self.published.as_dict(private=False)]})

    async def _authorize(self, request: web.Request) -> web.Response:
        """Everybody who comes is `person`, and agrees."""
        asked = _Asked(request, dict(request.query))
        grant = self._server.get_authorization_grant(asked)
        answer: web.Response = self._server.create_authorization_response(
            asked, grant_user=self.person, grant=grant
        )
        return answer

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        answer: web.Response = self._server.create_token_response(_Asked(request, form))
        return answer

    def signed(self, header: Mapping[str, Any], claims: dict[str, Any]) -> str:
        """The ID token, with what is `wrong`."""
        bad: dict[str, dict[str, Any]] = {
            "audience": {"aud": ["another"]},
            "nonce": {"nonce": "another"},
            "expired": {"exp": int(time.time()) - 120},
            "from": {"iss": "https://evil.example.com"},
            "slash": {"iss": f"{self.issuer}/"},
        }
        claims = claims | bad.get(self.wrong, {})
        if self.wrong == "key":
            return jwt.encode(dict(header), claims, made_key("2"))
        if self.wrong == "shared":
            return _by_shared(self.published.as_pem(private=False), claims)
        if self.wrong == "header":
            parts = (b'{"alg":"RS256","kid":"1","crit":1}', b"{}", b"")
            return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        if self.wrong == "unsigned":
            words = jwt.encode(dict(header), claims, self.key).split(".")
            return f"eyJhbGciOiJub25lIn0.{words[1]}."
        return jwt.encode(dict(header), claims, self.key)


def _by_shared(public: bytes, claims: dict[str, Any]) -> str:
    """By the public key as if it were a secret that both sides know; libraries refuse to."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "1"}, claims)]
    words = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(public, words, hashlib.sha256).digest()
    return (words + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


class _Asked(OAuth2Request):  # type: ignore[misc]
    """A request of aiohttp's, as Authlib reads one; it would refuse plain HTTP."""

    def __init__(self, request: web.Request, data: dict[str, str]) -> None:
        super().__init__(request.method, "https://provider" + request.path_qs)
        self.headers = request.headers
        self.payload = BasicOAuth2Payload(data)
        self._args, self._form = dict(request.query), data

    @property
    def args(self) -> dict[str, str]:
        return self._args

    @property
    def form(self) -> dict[str, str]:
        return self._form


def _server(provider: Provider, client: _Client) -> AuthorizationServer:  # noqa: C901 - four classes
    class Server(AuthorizationServer):  # type: ignore[misc]
        def query_client(self, client_id: str) -> _Client | None:
            return client if client_id == client.get_client_id() else None

        def save_token(self, token: object, request: object) -> None: ...

        def send_signal(self, name: str, *args: object, **kwargs: object) -> None: ...

        def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
            return request

        def handle_response(self, status: int, body: object, headers: Any) -> web.Response:
            text = body if isinstance(body, str) else json.dumps(body)
            return web.Response(status=status, text=text, headers=dict(headers))

    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
            provider.codes[code] = _Code(code, request.payload, provider.person)

        def query_authorization_code(self, code: str, _: _Client) -> _Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: _Code) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: _Code) -> Mapping[str, Any]:
            return authorization_code.user

    class Code(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, _: OAuth2Request) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def get_client_claims(self, _: _Client) -> dict[str, Any]:
            return {"iss": provider.issuer}

        def get_encode_header(self, _: _Client) -> dict[str, Any]:
            return {"alg": "RS256", "kid": provider.key.kid}

        def generate_user_info(self, user: dict[str, Any], _: str) -> dict[str, Any]:
            return {"sub": "1", **user}

        def encode_id_token(self, token: Mapping[str, Any], request: OAuth2Request) -> str:
            claims = self.get_compatible_claims(request)
            claims |= self.get_authorization_code_claims(request.authorization_code)
            claims |= self.generate_user_info(request.user, token["scope"])
            return provider.signed(self.get_encode_header(request.client), claims)

    server = Server()
    server.register_grant(Grant, [Code(require_nonce=True), CodeChallenge(required=True)])
    server.register_token_generator("default", BearerTokenGenerator(lambda **_: generate_token(42)))
    return server
