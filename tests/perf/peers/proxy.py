"""A proxy that runs, and what all need to start one: a port, a first answer, its processes.

Guarantees that a proxy which never answers is an error within a deadline, not a slow one.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.perf.processes import Child, family, started

QUIET = ("sh", "-c", 'exec "$0" "$@" >/dev/null 2>&1')
"""Before a command that writes a line for each request, or for each client that goes."""
_START_S = 60.0
_LOOK_S = 0.005
_BODY = (
    b'{"model":"m","messages":[{"role":"user","content":"Where?"}],"max_tokens":8,"stream":false}'
)
_ASKED = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\n"
    b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n"
) % len(_BODY)


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that runs."""

    name: str
    port: int
    pids: list[int]
    start_s: float = 0.0
    """From its start until a chat request is answered."""
    header: str = ""
    """That each request has to have."""


Start = Callable[[str, list[int]], AbstractContextManager[Proxy]]
"""Given the core and the backends' ports."""


def free_port() -> int:
    """Of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as here:
        port: int = here.getsockname()[1]
        return port


def until_answers(name: str, port: int, child: Child, header: str = "") -> None:
    """Wait until a chat request through the proxy is answered."""
    end_s = time.monotonic() + _START_S
    more = f"{header}\r\n".encode() if header else b""
    asked = b"%b%b\r\n%b" % (_ASKED, more, _BODY)
    said = b"nothing"
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as there:
                there.sendall(asked)
                said = there.recv(200)
                if said.startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        if child.poll() is not None:
            raise RuntimeError(f"{name} ended with {child.returncode} before it answered")
        if time.monotonic() > end_s:
            raise RuntimeError(f"{name} did not answer within {_START_S:g} s, last: {said!r}")
        time.sleep(_LOOK_S)


@contextmanager
def answering(
    name: str, core: str, port: int, *command: str, header: str = "", **environment: str
) -> Iterator[Proxy]:
    """Start it and wait for its first answer."""
    began_s = time.monotonic()
    with started(core, *command, **environment) as child:
        until_answers(name, port, child, header)
        took_s = time.monotonic() - began_s
        yield Proxy(name, port, family(child.pid), took_s, header)
