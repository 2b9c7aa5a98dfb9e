"""A reverse proxy that signs one person in, as oauth2-proxy does for many.

It removes identity headers that it is sent and adds its own; everything else passes as it is.
"""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final

USER, GROUPS = "X-Forwarded-User", "X-Forwarded-Groups"
FLAGS: Final = (
    f"--identity-header={USER}",
    f"--groups-header={GROUPS}",
    "--trusted-proxy=127.0.0.1/32",
    "--role=operator=platform",
    "--role=reviewer=reviewers",
    "--role=viewer=readers",
)
_HOPS: Final = ("connection", "keep-alive", "transfer-encoding", "content-length")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream = ("", 0)
    identity: tuple[str, str] = ("", "")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """The name is the base class's."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gone = (*_HOPS, USER.lower(), GROUPS.lower())
        headers = {k: v for k, v in self.headers.items() if k.lower() not in gone}
        headers |= dict(zip((USER, GROUPS), self.server.identity, strict=True))
        connection = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815 - the base class's

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Proxy:
    """One person's; `url` while the block lasts."""

    def __init__(self, upstream: int, name: str, groups: str, host: str = "127.0.0.1") -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.upstream = (host, upstream)
        self._server.identity = (name, groups)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
