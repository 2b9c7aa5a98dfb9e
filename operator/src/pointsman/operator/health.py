"""Health, metrics and propagation over HTTP, from a thread: a blocked loop cannot say it is well.

/healthz fails when the loop's heartbeat is old or the resync is overdue; /readyz while the process
neither leads nor waits its turn to lead, for example beside an older release. Of more than MOST
connections the oldest is cut: strangers take neither the process's memory nor a probe's place.
"""

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import generate_latest

from pointsman.operator import metrics
from pointsman.operator.errors import Broken

log = logging.getLogger("pointsman.health")

MOST: Final = 64
"""Each is a thread. Kubelets and a Prometheus have a handful."""


@dataclass(slots=True)
class Vitals:
    """Written by the loop, read by the thread; monotonic seconds."""

    max_age_s: float
    max_resync_age_s: float
    heartbeat_s: float = field(default_factory=time.monotonic)
    resync_s: float | None = None
    """None while this process does not lead."""
    ready: bool = False
    refused: str = ""
    """Why this process may not even wait its turn: readiness fails, liveness does not."""
    outdated: str = ""
    """The cluster's kinds are older than this operator, and were from its start: the same."""

    @property
    def unready(self) -> str:
        """Why a rollout has to wait, or an empty string."""
        return self.refused or self.outdated or ("" if self.ready else "NotReady")

    def trouble(self, now_s: float) -> str:
        """Why the process should be restarted, or an empty string."""
        if now_s - self.heartbeat_s > self.max_age_s:
            return f"LoopBlocked: no heartbeat for {now_s - self.heartbeat_s:.0f} s"
        if self.resync_s is not None and now_s - self.resync_s > self.max_resync_age_s:
            return f"ResyncOverdue: none for {now_s - self.resync_s:.0f} s"
        return ""


class _Server(ThreadingHTTPServer):
    """`process_request` is called in its own thread, all else in that of each connection."""

    daemon_threads = True
    request_queue_size = 2 * MOST
    """With the usual 5 a few that come at once wait for seconds."""

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: dict[Any, None] = {}
        self._lock = threading.Lock()
        super().__init__(("", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._connections) >= MOST:
                oldest = next(iter(self._connections))
                del self._connections[oldest]
                with suppress(OSError):  # it may be closed by now
                    oldest.shutdown(socket.SHUT_RDWR)
            self._connections[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A connection that breaks off is no news."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("answering met a bug", exc_info=error)


class HealthServer:
    """
    Serves until closed; raises Broken if the port cannot be had.

    `programmed` is called in this server's thread; a TimeoutError of it is a 503.
    """

    def __init__(
        self, port: int, vitals: Vitals, programmed: Callable[[], dict[str, object]]
    ) -> None:
        answers: dict[str, Callable[[], tuple[int, str, bytes]]] = {
            "/healthz": lambda: _plain(vitals.trouble(time.monotonic())),
            "/readyz": lambda: _plain(vitals.unready),
            "/metrics": lambda: (
                200,
                "text/plain; version=0.0.4",
                generate_latest(metrics.REGISTRY),
            ),
            "/debug/programmed": lambda: _json(programmed),
        }

        class Handler(BaseHTTPRequestHandler):
            timeout = 10
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer = answers.get(self.path.partition("?")[0])
                status, content, body = answer() if answer else (404, "text/plain", b"not found\n")
                self.send_response(status)
                self.send_header("content-type", content)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Probes are no news."""

        try:
            self._server = _Server(port, Handler)
        except OSError as error:
            raise Broken(f"port {port} for health: {error.strerror}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    @property
    def port(self) -> int:
        """The port, also when any free one was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def _json(told: Callable[[], object]) -> tuple[int, str, bytes]:
    try:
        return 200, "application/json", json.dumps(told()).encode()
    except TimeoutError:
        return _plain("LoopBusy: the controllers did not answer in time")


def _plain(trouble: str) -> tuple[int, str, bytes]:
    return (503 if trouble else 200, "text/plain", f"{trouble or 'ok'}\n".encode())
