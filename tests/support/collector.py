"""An OTLP/HTTP collector: takes what exporters send, decodes it by OpenTelemetry's own protocol.

In a thread, so that it serves processes and event loops alike. It may be told to hang, to refuse,
or to send elsewhere.
"""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Span:
    """One, as it came; ids in hex, `parent` empty for a root."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    flags: int
    failed: bool
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One histogram of a metric."""

    attributes: dict[str, Any]
    count: int
    sum: float
    bounds: tuple[float, ...]
    buckets: tuple[int, ...]


@dataclass
class Collector:
    """What came; the mode is what is done with what comes next."""

    port: int = 0
    status: int = 200
    """What is answered."""
    hang: threading.Event = field(default_factory=threading.Event)
    """While it is set nothing is answered."""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """(path, headers in lower case, body without compression), also of those that were refused."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Span]:
        """In the order of coming."""
        found = []
        for path, _, body in list(self.requests):
            if path == "/v1/traces":
                for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                    resource = _read(part.resource.attributes)
                    for scope in part.scope_spans:
                        found += [_span(span, resource) for span in scope.spans]
        return found

    @property
    def metrics(self) -> dict[str, list[Point]]:
        """What the last export of each metric said."""
        found: dict[str, list[Point]] = {}
        for metric in self.raw_metrics:
            found[metric.name] = [_point(point) for point in metric.histogram.data_points]
        return found

    @property
    def raw_metrics(self) -> list[Metric]:
        """All, in the order of coming."""
        return [
            metric
            for path, _, body in list(self.requests)
            if path == "/v1/metrics"
            for part in ExportMetricsServiceRequest.FromString(body).resource_metrics
            for scope in part.scope_metrics
            for metric in scope.metrics
        ]

    def until(self, holds: Callable[["Collector"], object]) -> None:
        """Wait; in a thread."""
        by_s = time.monotonic() + PATIENCE_S
        while not holds(self):
            assert time.monotonic() < by_s, self.spans
            time.sleep(0.01)


def _read(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    assert len({pair.key for pair in pairs}) == len(pairs)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    which = value.WhichOneof("value")
    assert which is not None
    if which == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, which)


def _span(span: WireSpan, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        state=span.trace_state,
        flags=span.flags,
        failed=span.status.code == 2,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_read(span.attributes),
        resource=resource,
    )


def _point(point: HistogramDataPoint) -> Point:
    assert point.count == sum(point.bucket_counts)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert 0 < point.start_time_unix_nano <= point.time_unix_nano
    bounds, buckets = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    return Point(_read(point.attributes), point.count, point.sum, bounds, buckets)


@contextmanager
def collecting(certificate: str = "") -> Iterator[Collector]:
    """Listens on a free port of 127.0.0.1; over TLS with the chain and key of a file."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.requests.append((self.path, headers, body))
            while collector.hang.is_set():
                time.sleep(0.01)
            self.send_response(collector.status)
            if 300 <= collector.status < 400:
                self.send_header("location", f"{collector.url}/elsewhere")
            answer = (
                ExportTraceServiceResponse()
                if self.path == "/v1/traces"
                else ExportMetricsServiceResponse()
            ).SerializeToString()
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that went while it hung."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.hang.clear()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


def nobody() -> str:
    """A URL where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"
