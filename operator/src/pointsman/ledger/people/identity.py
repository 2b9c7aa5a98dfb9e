"""Who sends a request: a trusted proxy's header, a personal token, a session, or this machine.

Guarantees that an identity header counts only from the proxies that may send it, and is refused and
counted from anywhere else; and that nothing is changed for another site: a browser that sends a
form from there is refused, whatever identity its request carries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

from aiohttp import web

from pointsman.ledger.people.errors import BadToken, Forbidden
from pointsman.ledger.people.person import Person
from pointsman.ledger.people.roles import is_name, role_of
from pointsman.ledger.people.sessions import Sealing, Session
from pointsman.ledger.people.settings import PeopleSettings, local_role
from pointsman.ledger.people.tokens import Tokens
from pointsman.process.sites import is_local

Turned = Literal["ForgedHeader", "CrossSite", "BadToken", "NoRole", "BadForm"]
"""Why somebody was refused, as the metric has it."""
SAFE: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class People:
    """`turned` counts who was refused."""

    settings: PeopleSettings
    sealing: Sealing
    clock_s: Callable[[], float]
    turned: Callable[[Turned], None] = field(default=lambda _: None)
    tokens: Tokens | None = None

    def of(self, request: web.Request) -> Person | None:
        """None: not signed in. Raises Forbidden and BadToken."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shows_token = self.tokens is not None and scheme.lower() == "bearer"
        by_header = self._by_header(request)
        if by_header is None and shows_token:
            return self._by_token(token.strip())
        if request.method not in SAFE and self.is_foreign(request):
            self.turned("CrossSite")
            raise Forbidden("this was sent by another site's page, and nothing was done")
        return by_header or self._by_session(request) or self._by_machine(request)

    def session(self, request: web.Request) -> Session | None:
        """What the browser shows, if it still counts."""
        cookie = request.cookies.get(self.cookie(request), "")
        return self.sealing.session(cookie, int(self.clock_s())) if cookie else None

    def cookie(self, request: web.Request, name: str = "pointsman") -> str:
        """Of the session, or another; over TLS one that no other host and no plain page can set."""
        return f"__Host-{name}" if self.is_https(request) else name

    def is_https(self, request: web.Request) -> bool:
        """As the browser sees it."""
        if self.settings.console_url:
            return self.settings.console_url.startswith("https://")
        if self.is_trusted(request):
            return request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
        return request.scheme == "https"

    def is_foreign(self, request: web.Request) -> bool:
        """Whether a browser says that another site's page sent this. Programs say nothing."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        origin = request.headers.get("Origin", "")
        return site != "same-origin" or (bool(origin) and origin not in self._origins(request))

    def is_trusted(self, request: web.Request) -> bool:
        """Whether the peer is one of the proxies."""
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        try:
            address = ip_address(str(peer[0]).partition("%")[0]) if peer else None
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address is not None and any(
            address in network for network in self.settings.trusted_proxies
        )

    def _origins(self, request: web.Request) -> tuple[str, ...]:
        if self.settings.console_url:
            return (_origin(self.settings.console_url),)
        hosts = [request.headers.get("Host", "")]
        if self.is_trusted(request):
            hosts += request.headers.getall("X-Forwarded-Host", [])
        scheme = "https" if self.is_https(request) else "http"
        return tuple(f"{scheme}://{host}".lower() for host in hosts)

    def _by_header(self, request: web.Request) -> Person | None:
        header = self.settings.identity_header
        names = request.headers.getall(header, []) if header else []
        if not names:
            return None
        groups_header = self.settings.groups_header
        lines = request.headers.getall(groups_header, []) if groups_header else []
        if not self.is_trusted(request) or len(names) > 1 or len(lines) > 1:
            self.turned("ForgedHeader")
            raise Forbidden(f"{header} is believed from the trusted proxy only, and once")
        if not names[0]:
            return None
        groups = [group.strip() for line in lines for group in line.split(",")]
        return self.admit(names[0], groups)

    def admit(self, name: str, groups: list[str]) -> Person:
        """A person whom an identity source vouches for. Raises Forbidden if no group has a role."""
        role = role_of(self.settings.roles, groups)
        if role is None or not is_name(name):
            self.turned("NoRole")
            raise Forbidden("none of your groups has a role here; --role gives one")
        return Person(name, role)

    def _by_token(self, token: str) -> Person:
        assert self.tokens is not None
        person = self.tokens.of(token)
        if person is None:
            self.turned("BadToken")
            raise BadToken("the bearer token is nobody's")
        return person

    def _by_session(self, request: web.Request) -> Person | None:
        if self.settings.oidc is None:
            return None
        session = self.session(request)
        return session.person if session is not None else None

    def _by_machine(self, request: web.Request) -> Person | None:
        """A name that leads here from elsewhere is refused: its page would act for this person."""
        if not self.settings.local_person:
            return None
        if not is_local(request.headers.get("Host", "")):
            self.turned("CrossSite")
            raise Forbidden("on this machine the console answers to 127.0.0.1 and localhost only")
        return Person(self.settings.local_person, local_role())


def _origin(url: str) -> str:
    """As browsers write it: lower case, no usual port."""
    parts = urlsplit(url.lower())
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (
        f":{parts.port}" if parts.port not in (None, usual) else ""
    )
