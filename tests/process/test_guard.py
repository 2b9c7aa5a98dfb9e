"""Addresses that are never dialed."""

import pytest

from pointsman.process.guard import why_refused


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.1.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1",
     "255.255.255.255", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "::", "ff02::1",
     "::ffff:169.254.169.254", "::ffff:127.0.0.1", "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe",
     "::169.254.169.254", "127.0.0.1", "127.9.9.9", "::1", "localhost", "", "2130706433",
     "168.63.129.16", "::ffff:168.63.129.16", "192.0.0.192", "fd00:ec2::23", "fd00:ec2::253",
     "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9fe:a9:fe00:808:808",
     "64:ff9b:1:a9:fe:a9fe:808:808", "64:ff9b:1:1:a9:fea9:fe08:808",
     "64:ff9b:1:7f00:0:100:808:808", "::ffff:0:a9fe:a9fe", "fd00:c1::a9fe:a9fe", "fd00:42::42",
     "fd00:a9fe:a9fe::1", "fd00:100::100:200"],
)  # fmt: skip
def test_refused(address: str) -> None:
    """With a reason; also in the forms that wrap an IPv4 address."""
    assert why_refused(address, allow_loopback=False)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "2606:4700::1111",
     "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::808:808", "64:ff9b:1::a00:1",
     "64:ff9b:1:1::a00:1", "64:ff9b:1:808:8:800:808:808"],
)  # fmt: skip
def test_allowed(address: str) -> None:
    """Public and private ones: in-house gateways live there."""
    assert why_refused(address, allow_loopback=False) == ""


def test_loopback_is_allowed_where_asked_for() -> None:
    """Local mode; nothing else becomes allowed by it."""
    assert why_refused("127.0.0.1", allow_loopback=True) == ""
    assert why_refused("::1", allow_loopback=True) == ""
    assert why_refused("169.254.169.254", allow_loopback=True)
