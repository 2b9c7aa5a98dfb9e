"""Sends spans and metrics to a collector, from a thread of its own.

Guarantees that no request waits for a collector: what comes while as many spans wait as may is
dropped and counted, and so is a batch that the collector did not take within the exporter's
deadline. Loads OpenTelemetry's SDK in its thread. The end takes no longer than `close` is given.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointsman.router.serve.tracing import Finished, Tracing
from pointsman.router.settings_otlp import Otlp

if TYPE_CHECKING:
    from pointsman.router.otlp.exports import Exports

_log = logging.getLogger(__name__)
_PREFIX: Final = "pointsman_router_otlp_"


class Sender(Collector):
    """Running once made; `traces` is what the data plane gives its requests to."""

    def __init__(self, registry: CollectorRegistry, settings: Otlp) -> None:
        self.traces = Tracing(self.put, time.time, sample=settings.sample)
        self.dropped = {"QueueFull": 0, "Export": 0, "Exit": 0}
        """Why -> spans that no collector gets; each is counted by one thread alone."""
        self.failures = {"traces": 0, "metrics": 0}
        """Signal -> exports that failed."""
        self.sent = 0
        """Spans that the collector took."""
        self._settings = settings
        self._from_ns = time.time_ns()
        self._queue: deque[Finished] = deque()
        self._put = self._taken = 0
        """Spans that went into the queue, and that are done with: each is one thread's to count."""
        self._wake = threading.Event()
        self._stop = self._closed = False
        self._counting = threading.Lock()
        self._away: set[str] = set()
        """Signals whose last export failed."""
        self._exports: Exports | None = None
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()
        registry.register(self)

    @property
    def waiting(self) -> int:
        """Spans that were not sent yet, those that are being sent included."""
        return self._put - self._taken

    def put(self, finished: Finished) -> None:
        """Keep the spans of a request, or drop and count them."""
        spans = finished.spans
        if self._put - self._taken + spans > self._settings.queue:
            self.dropped["QueueFull"] += spans
            return
        self._queue.append(finished)
        self._put += spans
        if self._put - self._taken >= self._settings.batch:
            self._wake.set()

    def close(self, deadline_s: float) -> None:
        """Send what waits; what is not sent by then is dropped and counted."""
        if self._closed:
            return
        self._stop = True
        self._wake.set()
        self._thread.join(deadline_s)
        with self._counting:
            self._closed = True
            left = self.waiting
        if self._exports is not None:
            self._exports.stop()
        if left:
            self.dropped["Exit"] += left
        lost = {reason: count for reason, count in self.dropped.items() if count}
        if lost:
            _log.warning("otlp-dropped", extra={"spans": lost})

    def _run(self) -> None:
        try:
            from pointsman.router.otlp.exports import Exports  # noqa: PLC0415 - takes 0.2 s

            exports = self._exports = Exports(self._settings)
        except Exception:  # noqa: BLE001 - the data plane serves on; what comes is dropped, counted
            _log.exception("otlp-failed")
            return
        settings = self._settings
        metrics_at_s = time.monotonic() + settings.metrics_every_s
        while True:
            self._wake.wait(settings.every_s)
            self._wake.clear()
            stopping = self._stop
            self._send_spans(exports)
            if stopping or time.monotonic() >= metrics_at_s:
                metrics_at_s = time.monotonic() + settings.metrics_every_s
                sent = exports.send_metrics(self.traces.measures, self._from_ns, time.time_ns())
                if sent is not None:
                    self._tell("metrics", exports, done=sent)
            if stopping:
                return

    def _send_spans(self, exports: "Exports") -> None:
        while self._queue and not self._closed:
            batch: list[Finished] = []
            spans = 0
            while self._queue and spans < self._settings.batch:
                batch.append(self._queue.popleft())
                spans += batch[-1].spans
            done = self._tell("traces", exports, done=exports.send_spans(batch))
            with self._counting:
                if self._closed:  # whoever closed has counted it as lost
                    return
                if done:
                    self.sent += spans
                else:
                    self.dropped["Export"] += spans
                self._taken += spans

    def _tell(self, signal: str, exports: "Exports", *, done: bool) -> bool:
        """Count, and log where it changes."""
        if not done:
            self.failures[signal] += 1
            if signal not in self._away:
                self._away.add(signal)
                told = {"signal": signal, "reason": exports.problem}
                _log.warning("otlp-away", extra=told)
        elif signal in self._away:
            self._away.discard(signal)
            _log.info("otlp-back", extra={"signal": signal})
        return done

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        dropped = CounterMetricFamily(
            _PREFIX + "dropped", "Spans that no collector gets.", labels=["reason"]
        )
        for reason, count in self.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        failures = CounterMetricFamily(
            _PREFIX + "failures", "Exports that a collector did not take.", labels=["signal"]
        )
        for signal, count in self.failures.items():
            failures.add_metric([signal], count)
        yield failures
        yield CounterMetricFamily(_PREFIX + "sent", "Spans that a collector took.", self.sent)
        yield GaugeMetricFamily(_PREFIX + "waiting", "Spans that were not sent yet.", self.waiting)
        yield CounterMetricFamily(
            _PREFIX + "untraced", "Requests that met a bug here.", self.traces.failures
        )
