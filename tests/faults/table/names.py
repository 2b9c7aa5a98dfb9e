"""A name server for the bench: what it is told, or what name servers do when they fail.

Pods and this process ask it at the bench's own address. It answers A questions; others are empty.
"""

import socket
import threading
from collections.abc import Mapping
from typing import Final, Literal, Self

from tests.bench.netns import HOST_IP

PORT: Final = 53
Mood = Literal["well", "NXDOMAIN", "SERVFAIL", "silent"]
_CODES: Final[Mapping[str, int]] = {"well": 0, "NXDOMAIN": 3, "SERVFAIL": 2}
_A: Final = 1
_TTL_S: Final = 1
_LOOK_S: Final = 0.2
"""So late does it notice that its block has ended."""


class NameServer:
    """A context manager; `mood` may be changed at any time, and `asked` counts questions."""

    def __init__(self, names: Mapping[str, str], *, host: str = HOST_IP, port: int = PORT) -> None:
        self.mood: Mood = "well"
        self.asked = 0
        self._names = dict(names)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(_LOOK_S)
        self._socket.bind((host, port))
        self.port = int(self._socket.getsockname()[1])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="names", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                question, who = self._socket.recvfrom(4096)
            except TimeoutError:  # nobody asks
                continue
            self.asked += 1
            answer = reply(question, self._names, self.mood)
            if answer is not None:
                self._socket.sendto(answer, who)


def reply(question: bytes, names: Mapping[str, str], mood: Mood) -> bytes | None:
    """One message of RFC 1035; None: nothing is said."""
    if mood == "silent" or len(question) < 12:
        return None
    name, end = _name(question)
    asked = question[12:end]
    kind = int.from_bytes(question[end - 4 : end - 2])
    known = names.get(name)
    code = _CODES[mood] if known is not None or mood != "well" else _CODES["NXDOMAIN"]
    records = b""
    if not code and known is not None and kind == _A:
        address = socket.inet_aton(known)
        records = b"\xc0\x0c\x00\x01\x00\x01" + _TTL_S.to_bytes(4) + b"\x00\x04" + address
    flags = (0x8180 | code).to_bytes(2)
    counts = b"\x00\x01" + (b"\x00\x01" if records else b"\x00\x00") + b"\x00\x00\x00\x00"
    return question[:2] + flags + counts + asked + records


def _name(question: bytes) -> tuple[str, int]:
    """The name asked for, and where the question ends."""
    labels, at = [], 12
    while question[at]:
        length = question[at]
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels).lower(), at + 5
