"""OpenTelemetry's exporters for one collector, made again when the file of headers changes.

Guarantees that an export fails instead of raising, that a redirect is no success, and that headers
that cannot be read leave those in force that could.
"""

import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from pointsman.router.otlp.points import metrics_of
from pointsman.router.otlp.spans import Spans
from pointsman.router.serve.genai import Measures
from pointsman.router.serve.tracing import Finished
from pointsman.router.settings_otlp import Otlp, read_headers

_log = logging.getLogger(__name__)
_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)
_DEFAULT_NAME: Final = "pointsman-router"


class Exports:
    """Both signals; used by one thread."""

    def __init__(self, settings: Otlp) -> None:
        self.problem = ""
        """What an exporter said last."""
        self._settings = settings
        self._resource = _resource(settings)
        self._scope = InstrumentationScope("pointsman.router", version("pointsman"))
        self._spans = Spans(self._resource, self._scope)
        self._headers: dict[str, str] | None = None
        self._unread = ""
        """Why the file of headers could not be read, if it could not."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._note)
        self._refresh()

    def send_spans(self, batch: Sequence[Finished]) -> bool:
        """True if the collector has them."""

        def send() -> bool:
            spans = [span for finished in batch for span in self._spans.of(finished)]
            return self._traces.export(spans) is SpanExportResult.SUCCESS

        return self._tried(send)

    def send_metrics(self, measures: Measures, from_ns: int, now_ns: int) -> bool | None:
        """True if the collector has them; None if there are none yet."""
        if not any(family.series for family in measures.families):
            return None

        def send() -> bool:
            data = metrics_of(measures, self._resource, self._scope, from_ns=from_ns, now_ns=now_ns)
            return self._metrics.export(data) is MetricExportResult.SUCCESS

        return self._tried(send)

    def stop(self) -> None:
        """End pauses between attempts, from any thread; nothing can be sent after that."""
        self._shut_down()
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._note)

    def _tried(self, send: Callable[[], bool]) -> bool:
        try:
            self._refresh()
            return send()
        except Exception as error:  # noqa: BLE001 - counted by the caller, and logged here
            self.problem = repr(error)
            _log.exception("otlp-failed")
            return False

    def _refresh(self) -> None:
        """Make exporters with the headers of now, if they are other ones."""
        settings = self._settings
        headers = self._read_headers()
        if headers == self._headers:
            return
        if self._headers is not None:
            self._shut_down()
        self._headers = headers
        ca_file = str(settings.ca_file) if settings.ca_file else None
        base = settings.endpoint.rstrip("/")
        self._traces = OTLPSpanExporter(
            f"{base}/v1/traces", certificate_file=ca_file, headers=headers, session=_Session()
        )
        self._metrics = OTLPMetricExporter(
            f"{base}/v1/metrics", certificate_file=ca_file, headers=headers, session=_Session()
        )

    def _read_headers(self) -> dict[str, str]:
        path = self._settings.headers_file
        try:
            headers = read_headers(path) if path is not None else {}
        except (OSError, ValueError) as error:
            if str(error) != self._unread:
                _log.warning("otlp-headers", extra={"reason": str(error)})
            self._unread = str(error)
            return self._headers or {}
        self._unread = ""
        return headers

    def _shut_down(self) -> None:
        self._traces.shutdown()  # type: ignore[no-untyped-call]
        self._metrics.shutdown()

    def _note(self, record: logging.LogRecord) -> bool:
        """Keeps what an exporter says instead of logging it with each batch."""
        self.problem = record.getMessage()
        return False


class _Session(requests.Session):  # type: ignore[misc] # it ships no types
    """
    Takes redirects for failures, and no other certificates than it was told.

    HTTPS_PROXY is for providers: the collector, mostly a Service, is asked directly. Nor is a
    .netrc or REQUESTS_CA_BUNDLE looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.hooks["response"].append(_no_redirect)


def _no_redirect(answer: requests.Response, *_: object, **__: object) -> None:
    """The exporters take every status below 400 for a success."""
    if 300 <= answer.status_code < 400:
        answer.close()
        raise requests.RequestException(f"redirected with status {answer.status_code}")


def _resource(settings: Otlp) -> Resource:
    """OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME count where the settings say nothing."""
    given = {
        "service.version": version("pointsman"),
        "service.instance.id": settings.instance,
        "k8s.pod.name": settings.pod,
        "k8s.namespace.name": settings.namespace,
        SERVICE_NAME: settings.service_name,
    }
    found = Resource.create({name: value for name, value in given.items() if value})
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: _DEFAULT_NAME}))
    return found
