"""PURE: which resolved addresses nobody dials for a URL that a resource names.

Guarantees that no URL, redirect of a name or embedded IPv4 address reaches link-local or metadata
services. Private ranges are allowed: in-house gateways live there.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_METADATA = frozenset(
    map(
        ip_address,
        (
            *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
            *("fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1"),
            "fd00:100::100:200",
        ),
    )
)
"""AWS/GCP/Azure, Alibaba, Azure's wire server, Oracle; over IPv6 GCP, Oracle, Scaleway, Akamai,
Alibaba."""
_AWS_LOCAL = IPv6Network("fd00:ec2::/32")
"""Instance metadata, the pods' credentials (EKS), names, time."""
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
"""For local use (RFC 8215): by any of RFC 6052's layouts that begin there."""
_LAST_BITS = (IPv6Network("64:ff9b::/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("::/96"))
"""NAT64's well-known prefix, translated (RFC 7915) and compatible addresses."""
_THIS_NETWORK = IPv4Network("0.0.0.0/8")


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses a packet to this address may end at."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield address.teredo[1]
    elif address in _NAT64_LOCAL:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
        # An address of another layout has zeros for most of these bits.
        others = (_split(address, before) for before in (16, 8, 0))
        yield from (one for one in others if one not in _THIS_NETWORK)
    elif any(address in network for network in _LAST_BITS):
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _split(address: IPv6Address, before: int) -> IPv4Address:
    """RFC 6052, 2.2: with so many bits before the eight of zero that begin the second half."""
    first, second = divmod(int(address), 1 << 64)
    after = 32 - before
    high, low = first & ((1 << before) - 1), second >> (56 - after)
    return IPv4Address(high << after | low & ((1 << after) - 1))


def why_refused(text: str, *, allow_loopback: bool) -> str:  # noqa: PLR0911 - a table
    """Empty if `text`, an IP address, may be dialed; otherwise the reason why not."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "is no IP address"
    if address.is_loopback:
        return "" if allow_loopback else "is a loopback address"
    if address.is_unspecified:
        return "is the unspecified address"
    if address in _METADATA or address in _AWS_LOCAL:
        return "is a metadata service"
    if address.is_link_local:
        return "is a link-local address"
    if address.is_multicast or str(address) == "255.255.255.255":
        return "is a multicast or broadcast address"
    if isinstance(address, IPv6Address):
        inner = (why_refused(str(v4), allow_loopback=allow_loopback) for v4 in _embedded(address))
        return next(filter(None, inner), "")
    if address in _THIS_NETWORK:
        return "is in 0.0.0.0/8, which ends at this host"
    return ""
