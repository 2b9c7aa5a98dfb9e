"""PURE: the proxy of the environment, and which external hosts are asked through it.

Guarantees that what is wrong with HTTPS_PROXY or NO_PROXY is said at the start, and that no text,
repr or error holds the proxy's credentials. Refuses proxies that are themselves behind TLS.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote, urlsplit

_HOST = re.compile(r"\*?\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")


@dataclass(frozen=True, slots=True)
class Exempt:
    """One entry of NO_PROXY; `port` None holds for all."""

    domain: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is asked with CONNECT."""

    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)
    """The header line, empty where it has no user."""
    exempt: tuple[Exempt, ...] = ()
    all_exempt: bool = False

    def takes(self, host: str, port: int) -> bool:
        """True if this place is asked through it."""
        name = host.lower().rstrip(".")
        return not self.all_exempt and not any(_holds(one, name, port) for one in self.exempt)


def proxy_from(environment: Mapping[str, str]) -> Proxy | None:
    """None without HTTPS_PROXY (or https_proxy, which wins); ValueError where it means nothing."""
    told = environment.get("https_proxy") or environment.get("HTTPS_PROXY") or ""
    if not told.strip():
        return None
    host, port, authorization = _url(told.strip())
    entries = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    listed = [entry for entry in re.split(r"[,\s]+", entries.lower()) if entry]
    exempt = tuple(_entry(entry) for entry in listed if entry != "*")
    return Proxy(host, port, authorization, exempt, "*" in listed)


def _url(text: str) -> tuple[str, int, bytes]:
    """Host, port and header line; errors do not repeat the value, which may hold a password."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError("HTTPS_PROXY is no URL such as http://proxy.corp:3128") from None
    if url.scheme != "http":
        raise ValueError("HTTPS_PROXY must begin with http://: TLS to a proxy is not spoken")
    if not host or not host.isascii() or not host.isprintable() or " " in host or port == 0:
        raise ValueError("HTTPS_PROXY has no host, as in http://proxy.corp:3128")
    if url.path.strip("/") or url.query or url.fragment:
        raise ValueError("HTTPS_PROXY must end with its host and port")
    if url.username is None:
        return host, port or 80, b""
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
    return host, port or 80, b"proxy-authorization: Basic %b\r\n" % b64encode(pair)


def _entry(text: str) -> Exempt:
    port = None
    name, colon, digits = text.rpartition(":")
    if colon and name.count(":") == 0 and "/" not in text:
        if not digits.isascii() or not digits.isdecimal() or not 0 < int(digits) < 65_536:
            raise ValueError(f"NO_PROXY: {text!r} has no port")
        text, port = name, int(digits)
    bare = text.removeprefix("[").removesuffix("]")
    try:
        return Exempt(network=ip_network(bare, strict=False), port=port)
    except ValueError:
        pass
    if "/" in text or not _HOST.fullmatch(text):
        raise ValueError(f"NO_PROXY: {text!r} is no host, domain, address or network")
    return Exempt(domain=text.removeprefix("*").strip("."), port=port)


def _holds(one: Exempt, name: str, port: int) -> bool:
    if one.port is not None and one.port != port:
        return False
    if one.network is None:
        return name == one.domain or name.endswith(f".{one.domain}")
    try:
        return ip_address(name) in one.network
    except ValueError:
        return False
