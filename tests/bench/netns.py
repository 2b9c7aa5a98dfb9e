"""The bench's own network: one namespace with a bridge, one more namespace per pod.

Guarantees: nothing the bench binds or dials is seen outside it, and every namespace and veth is
gone when its last process or descriptor is: no names are left behind. Root unshares directly;
others get a user namespace first, which Linux grants to single-threaded processes only.
"""

import contextlib
import ctypes
import ipaddress
import os
import threading
from collections.abc import Callable

from pyroute2 import IPRoute

BRIDGE = "cni0"
HOST_IP = "10.244.0.1"
PREFIX_BITS = 16
NODE_RANGE_BITS = 20
"""Each node's pods get a /20 of the bridge's /16: 4,094 addresses, up to 15 nodes."""

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNamespace(Exception):
    """This machine does not let us have a network namespace; the message says why."""


def unshare(flags: int) -> None:
    """unshare(2) for the calling thread."""
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def setns(descriptor: int, kind: int) -> None:
    """setns(2) for the calling thread."""
    if _libc.setns(descriptor, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def enter_new() -> Callable[[], None]:
    """Move the calling thread into a fresh bench network; the result moves it back.

    From a user namespace there is no way back, and the result does nothing.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            unshare(CLONE_NEWNET)
        except PermissionError:
            _become_root_in_user_namespace()
        _make_bridge()
    except OSError as error:
        os.close(before)
        raise NoNamespace(f"no network namespace: {error}") from error

    def leave() -> None:
        with contextlib.suppress(PermissionError):
            setns(before, CLONE_NEWNET)
        os.close(before)

    return leave


def _become_root_in_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:  # noqa: PTH123
            handle.write(text)


def _make_bridge() -> None:
    with IPRoute() as ip:
        ip.link("set", index=_index(ip, "lo"), state="up")
        ip.link("add", ifname=BRIDGE, kind="bridge")
        bridge = _index(ip, BRIDGE)
        ip.addr("add", index=bridge, address=HOST_IP, prefixlen=PREFIX_BITS)
        ip.link("set", index=bridge, state="up")


def pod_addresses(node_index: int) -> list[str]:
    """The pod IPs of one node, in the order they are given out."""
    network = ipaddress.IPv4Network((HOST_IP, PREFIX_BITS), strict=False)
    blocks = list(network.subnets(new_prefix=NODE_RANGE_BITS))
    return [str(address) for address in blocks[node_index + 1].hosts()]


class PodNetwork:
    """A pod's namespace: eth0 at `address`, its other end `veth` on the bridge.

    Every method blocks for milliseconds and may be called from any thread but an event loop's.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.veth = f"veth{int(ipaddress.ip_address(address)) & 0xFFFF:x}"
        self.descriptor = -1

    def open(self) -> None:
        """Make the namespace and wire it to the bridge; raises OSError."""
        failures: list[Exception] = []

        def inside() -> None:
            try:
                self._wire_inside()
            except Exception as error:  # noqa: BLE001 - carried to the caller's thread below
                failures.append(error)

        # A thread of its own: unshare moves only the calling thread, which then ends.
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if failures:
            self.close()
            raise OSError(f"pod network {self.address}: {failures[0]}") from failures[0]
        with IPRoute() as ip:
            ip.link("set", index=_index(ip, self.veth), master=_index(ip, BRIDGE), state="up")

    def _wire_inside(self) -> None:
        unshare(CLONE_NEWNET)
        self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with IPRoute() as ip:
            ip.link("set", index=_index(ip, "lo"), state="up")
            peer = {"ifname": self.veth, "net_ns_pid": os.getpid()}
            ip.link("add", ifname="eth0", kind="veth", peer=peer)
            eth0 = _index(ip, "eth0")
            ip.addr("add", index=eth0, address=self.address, prefixlen=PREFIX_BITS)
            ip.link("set", index=eth0, state="up")
            ip.route("add", dst="default", gateway=HOST_IP)

    def set_up(self, up: bool) -> None:
        """Plug the pod's cable in or pull it."""
        with IPRoute() as ip:
            ip.link("set", index=_index(ip, self.veth), state="up" if up else "down")

    def inode(self) -> int:
        """What /proc/<pid>/ns/net of every process in this namespace points to."""
        return os.fstat(self.descriptor).st_ino

    def close(self) -> None:
        """Delete the cable and let go of the namespace; it ends with its last process."""
        with contextlib.suppress(IndexError), IPRoute() as ip:
            ip.link("del", index=_index(ip, self.veth))
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _index(ip: IPRoute, name: str) -> int:
    return int(ip.link_lookup(ifname=name)[0])
