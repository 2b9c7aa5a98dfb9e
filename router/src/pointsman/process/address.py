"""Where a process listens."""

from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True, slots=True)
class Address:
    """Port 0 lets the system choose, for tests."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True if only this machine (or network namespace) can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_address(flag: str, text: str, usual_port: int) -> Address:
    """Of a flag's value such as `0.0.0.0:8080`; ValueError names the flag and shows one."""
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise ValueError(f"{flag} must be written as 0.0.0.0:{usual_port} or [::]:{usual_port}")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))
