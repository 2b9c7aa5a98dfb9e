"""Where people come from: flags of the ledger's process, each off until it is set.

Guarantees that a `PeopleSettings` value is usable and safe: a header has proxies that may send it,
OpenID Connect has its address and its way back over TLS, and a local person is on loopback only.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pointsman.ledger.people.person import Role
from pointsman.ledger.people.roles import Grant, is_name, read_grant

Network = IPv4Network | IPv6Network
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """One provider."""

    issuer: str
    """Its URL, as it says itself; a slash at the end may be missing here, or be one too many."""
    client_id: str
    client_secret_file: Path | None = None
    """None: a public client, which PKCE alone protects."""
    name_claim: str = "email"
    groups_claim: str = "groups"
    scopes: str = "openid email profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """All sources may be on at once; none: nobody is let in, and there is no console."""

    identity_header: str = ""
    groups_header: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    people_file: Path | None = None
    oidc: OidcSettings | None = None
    local_person: str = ""
    """Everybody on this machine is this operator."""
    roles: tuple[Grant, ...] = ()
    console_url: str = ""
    """Scheme, host and port that browsers see; empty: what their request says."""
    session_key_file: Path | None = None
    """Signs sessions; None: a key of this process, so they end with it."""
    session_hours: float = 8.0
    """A working day; then one signs in again."""

    def __post_init__(self) -> None:
        """ValueError where a value means nothing or would let in who should not be."""
        if bool(self.identity_header) != bool(self.trusted_proxies):
            raise ValueError("--identity-header and --trusted-proxy need each other")
        if self.groups_header and not self.identity_header:
            raise ValueError("--groups-header needs --identity-header")
        if (self.identity_header or self.oidc) and not self.roles:
            raise ValueError("--role is needed, such as --role operator=platform-team")
        if not 0 < self.session_hours <= 168:
            raise ValueError("--session-hours must be over 0, and at most 168")
        if self.console_url and not _is_origin(self.console_url):
            raise ValueError("--console-url is written as https://pointsman.example.com")
        if self.local_person and not is_name(self.local_person):
            raise ValueError("--local-person is a name of 1 to 128 printable characters")
        if self.oidc is not None:
            if not self.console_url:
                raise ValueError("--oidc-issuer needs --console-url, where the provider sends back")
            if not self.oidc.client_id:
                raise ValueError("--oidc-issuer needs --oidc-client-id")
            for flag, url in (
                ("--oidc-issuer", self.oidc.issuer), ("--console-url", self.console_url),
            ):  # fmt: skip
                if not is_safe(url):
                    raise ValueError(f"{flag} has to be https, off loopback")

    @property
    def any(self) -> bool:
        """Whether somebody can be let in."""
        sources = (self.identity_header, self.people_file, self.oidc, self.local_person)
        return any(sources)

    @property
    def has_pages(self) -> bool:
        """Whether a browser can be let in: a bearer token is nothing that one sends."""
        return any((self.identity_header, self.oidc, self.local_person))


def is_safe(url: str) -> bool:
    """Whether it is https, or http on this machine."""
    parts = _parts(url)
    if parts is None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _is_origin(url: str) -> bool:
    parts = _parts(url)
    if parts is None:
        return False
    rest = parts.path.rstrip("/") or parts.query or parts.fragment or parts.username
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not rest


def _parts(url: str) -> SplitResult | None:
    """None for what is no URL: half an address in brackets, a port that none can be."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


Flag = Callable[[str, object, str, Callable[[str], object]], None]


def add_flags(parser: ArgumentParser, flag: Flag) -> None:
    """To the ledger's parser. Flags that may come again: their words may have commas in them."""
    parser.add_argument(
        "--trusted-proxy", action="append", metavar="CIDR",
        help="Network whose identity header is believed; may come again. Default: none.",
    )  # fmt: skip
    parser.add_argument(
        "--role", action="append", metavar="ROLE=GROUP",
        help="Who may what: operator=platform-team, viewer=*; may come again. Default: none.",
    )  # fmt: skip
    flag("identity-header", "", "Header with a person's name, such as X-Forwarded-User.", str)
    flag("groups-header", "", "Header with their groups, by commas.", str)
    flag("people", "", "File of personal tokens: lines `name role sha256hex`.", str)
    flag("oidc-issuer", "", "URL of an OpenID Connect provider that signs people in.", str)
    flag("oidc-client-id", "", "What the provider knows this ledger by.", str)
    flag("oidc-client-secret-file", "", "File with the secret that goes with it.", str)
    flag("oidc-name-claim", "email", "Claim that is a person's name.", str)
    flag("oidc-groups-claim", "groups", "Claim with their groups.", str)
    flag("oidc-scopes", "openid email profile", "Scopes that are asked for.", str)
    flag("console-url", "", "Where browsers find the console: https://pointsman.example.com.", str)
    flag("session-key-file", "", "File that signs sessions; needed by several replicas.", str)
    flag("session-hours", 8.0, "Then people sign in again.", float)
    flag("local-person", "", "Everybody on this machine is this operator; loopback only.", str)


def read_people_settings(given: Namespace, environment: Mapping[str, str]) -> PeopleSettings:
    """Of parsed flags. ValueError names the one that means nothing."""
    proxies = _many(given.trusted_proxy, environment.get("POINTSMAN_LEDGER_TRUSTED_PROXY", ""))
    roles = _many(given.role, environment.get("POINTSMAN_LEDGER_ROLE", ""))
    oidc = OidcSettings(
        issuer=given.oidc_issuer,
        client_id=given.oidc_client_id,
        client_secret_file=_path(given.oidc_client_secret_file),
        name_claim=given.oidc_name_claim,
        groups_claim=given.oidc_groups_claim,
        scopes=given.oidc_scopes,
    )
    return PeopleSettings(
        identity_header=given.identity_header,
        groups_header=given.groups_header,
        trusted_proxies=tuple(map(_network, proxies)),
        people_file=_path(given.people),
        oidc=oidc if oidc.issuer else None,
        local_person=given.local_person,
        roles=tuple(map(read_grant, roles)),
        console_url=given.console_url.rstrip("/"),
        session_key_file=_path(given.session_key_file),
        session_hours=given.session_hours,
    )


def local_role() -> Role:
    """Of who is on this machine: it is theirs."""
    return Role.OPERATOR


def _many(given: list[str] | None, text: str) -> list[str]:
    """Flags, else what the environment says, by commas."""
    return given if given is not None else [word for word in text.split(",") if word.strip()]


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip())
    except ValueError:
        raise ValueError(f"--trusted-proxy is written as 10.0.0.0/8, not {text!r}") from None
