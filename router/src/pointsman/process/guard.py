"""PURE: which resolved addresses nobody dials for a URL that a resource names.

Guarantees that no URL, redirect of a name or embedded IPv4 address reaches link-local or metadata
services. Private ranges are allowed: in-house gateways live there.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_METADATA = frozenset(
    map(
        ip_address,
        ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254"),
    )
)
"""AWS/GCP/Azure, Alibaba, Azure's wire server, Oracle, GCP over IPv6."""
_AWS_LOCAL = IPv6Network("fd00:ec2::/32")
"""Instance metadata, the pods' credentials (EKS), names, time."""
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""Well-known, and for local use (RFC 8215)."""
_THIS_NETWORK = IPv4Network("0.0.0.0/8")


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address a packet to this address may end at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64) or int(address) >> 32 == 0:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


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
        inner = _embedded(address)
        if inner is not None:
            return why_refused(str(inner), allow_loopback=allow_loopback)
    elif address in _THIS_NETWORK:
        return "is in 0.0.0.0/8, which ends at this host"
    return ""
