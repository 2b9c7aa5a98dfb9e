"""How a connection to a model server is opened: name, address check, TCP, TLS, in one deadline.

Guarantees that the address that was checked is the one that is dialed, that certificates and host
names are verified, TLS is 1.2 or later. Refuses link-local and metadata addresses.
"""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from pointsman.api.table import ExternalAddress
from pointsman.process.guard import why_refused
from pointsman.router.policy.retry import Fault, Kind
from pointsman.router.serve.limits import Limits
from pointsman.router.serve.place import Place

if TYPE_CHECKING:
    from pointsman.router.proxy import Proxy


class Undialed(Exception):
    """No connection; `fault` says why, in our words."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def service_place(host: str, port: int) -> Place:
    """An endpoint of a Service in the cluster."""
    after = f" HTTP/1.1\r\nhost: {_bracketed(host)}:{port}\r\n".encode("ascii")
    return Place(host, port, (host, port, ""), b"POST /v1", after)


@lru_cache(maxsize=1024)
def external_place(address: ExternalAddress) -> Place:
    """An OpenAI-compatible base URL; ValueError without a host or with another scheme."""
    url = urlsplit(address.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("its URL is not http(s) with a host")
    tls = url.scheme == "https"
    default = 443 if tls else 80
    port = url.port or default
    path, query = url.path.rstrip("/"), f"?{url.query}" if url.query else ""
    name = _bracketed(url.hostname)
    written = path + query + name
    if not written.isascii() or not written.isprintable() or " " in written:
        raise ValueError("its URL is not plain ASCII")
    host = name if port == default else f"{name}:{port}"
    bundle = hashlib.sha256((address.ca_bundle or "").encode()).hexdigest() if tls else "plain"
    return Place(
        url.hostname,
        port,
        (url.hostname, port, bundle),
        f"POST {path}".encode(),
        f"{query} HTTP/1.1\r\nhost: {host}\r\n".encode(),
        True,
        tls,
        address.ca_bundle,
    )


_MOST_SESSIONS: Final = 64
"""Hosts of one CA bundle whose last session is kept, some KiB each."""


class _Trust(ssl.SSLContext):
    """Resumes the last session with a host; event loops ask a context for nothing but `wrap_bio`.

    A session stands for a certificate that was verified for this name by these CAs. OpenSSL gives
    it up when its ticket is over, which is two hours at most for servers that follow OpenSSL.
    """

    sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        # Taken out: who watches the wire could tell that two connections with one ticket are of
        # one client (RFC 8446, C.4).
        session = session or self.sessions.pop(str(server_hostname), None)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def keep_session(transport: asyncio.BaseTransport) -> None:
    """For the next connection to this host; after an answer, since tickets follow the handshake."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None or not isinstance(tls.context, _Trust):
        return
    session, sessions = tls.session, tls.context.sessions
    if session is not None and session.has_ticket:
        sessions.pop(tls.server_hostname, None)
        sessions[tls.server_hostname] = session
        if len(sessions) > _MOST_SESSIONS:
            del sessions[next(iter(sessions))]


@lru_cache(maxsize=256)
def _trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Verifying; slow (reads the system's CAs), so it runs in a thread, once."""
    try:
        context = ssl.create_default_context(cadata=ca_bundle)
    except (ssl.SSLError, TypeError, ValueError) as error:  # TypeError: it is not ASCII
        detail = "its CA bundle holds no certificates in PEM"
        raise Undialed(Fault(Kind.ERROR, "TlsFailed", detail, retryable=False)) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.__class__ = _Trust  # all else is as each Python's defaults have it
    cast(_Trust, context).sessions = {}
    return context


def _check_literal(host: str, limits: Limits) -> None:
    """A proxy resolves names itself; an address that may not be dialed is not named to it."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        try:  # 2852039166 and 0xa9fea9fe are names to us, and an address to resolvers
            host = socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
        except OSError:
            return
    reason = why_refused(host, allow_loopback=limits.allow_loopback)
    if reason:
        raise Undialed(
            Fault(Kind.ERROR, "AddressRefused", f"its address {reason}", retryable=False)
        )


async def _through(
    proxy: "Proxy", place: Place, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]
) -> None:
    from pointsman.router.serve.tunnel import Untunneled, tunnel  # noqa: PLC0415 - few have one

    try:
        await tunnel(proxy, place.host, place.port, context, make)
    except Untunneled as error:
        raise Undialed(Fault(Kind.ERROR, "ProxyFailed", str(error))) from error


async def _addresses(place: Place, limits: Limits) -> list[str]:
    """The resolved addresses that may be dialed."""
    if not place.external:
        return [place.host]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Undialed(Fault(Kind.ERROR, "NameUnknown", "its name does not resolve")) from error
    resolved = dict.fromkeys(str(info[4][0]) for info in found)
    why = {a: why_refused(a, allow_loopback=limits.allow_loopback) for a in resolved}
    allowed = [address for address, reason in why.items() if not reason]
    if not allowed:
        reason = next(iter(why.values()), "does not exist")
        detail = f"its address {reason}"
        raise Undialed(Fault(Kind.ERROR, "AddressRefused", detail, retryable=False))
    return allowed


async def dial(
    place: Place,
    limits: Limits,
    make: Callable[[], asyncio.Protocol],
    proxy: "Proxy | None" = None,
) -> None:
    """Connect, so that the loop gives the transport to `make()`; raises Undialed."""
    try:
        async with asyncio.timeout(limits.connect_s):
            await _dial(place, limits, make, proxy)
    except TimeoutError as error:
        raise Undialed(Fault(Kind.ERROR, "ConnectTimeout", "no connection in time")) from error
    except ssl.SSLCertVerificationError as error:
        detail = f"its certificate is not trusted: {error.verify_message}"
        raise Undialed(Fault(Kind.ERROR, "TlsFailed", detail, retryable=False)) from error
    except ssl.CertificateError as error:
        detail = "its certificate is for another name"
        raise Undialed(Fault(Kind.ERROR, "TlsFailed", detail, retryable=False)) from error
    except ssl.SSLError as error:
        raise Undialed(Fault(Kind.ERROR, "TlsFailed", "the TLS handshake failed")) from error
    except ConnectionRefusedError as error:
        raise Undialed(Fault(Kind.ERROR, "ConnectRefused", "connection refused")) from error
    except OSError as error:
        raise Undialed(Fault(Kind.ERROR, "ConnectFailed", "no connection")) from error


async def _dial(
    place: Place, limits: Limits, make: Callable[[], asyncio.Protocol], proxy: "Proxy | None"
) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if place.tls:
        context = await loop.run_in_executor(None, _trust, place.ca_bundle)
        if proxy is not None and proxy.takes(place.host, place.port):
            _check_literal(place.host, limits)
            await _through(proxy, place, context, make)
            return
    addresses = await _addresses(place, limits)
    for number, address in enumerate(addresses, 1):
        try:
            await loop.create_connection(
                make,
                address,
                place.port,
                ssl=context,
                server_hostname=place.host if context else None,
            )
        except ssl.SSLError:
            raise
        except OSError:
            if number == len(addresses):
                raise
        else:
            return
