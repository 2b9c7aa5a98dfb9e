"""What a collector gets, and what happens when it is away, slow, or sends elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trustme
from prometheus_client import CollectorRegistry

from pointsman.router.otlp.sender import Sender
from pointsman.router.serve.dial import service_place
from pointsman.router.serve.tracing import Call, Finished, Trace
from pointsman.router.settings_otlp import Otlp
from pointsman.router.wire.trace_context import read_context
from tests.router.control.router import PATIENCE_S
from tests.support.collector import Collector, Point, collecting, nobody

BASE_S = 1000.0


class _Track:
    """What a call reads of a track."""

    class _Backend:
        name = "small"
        model = "tiny"

    of = (None, _Backend())
    provider = "self_hosted"


def finished(number: int = 1, *, calls: int = 1) -> Finished:
    """A request that took 2 s, its attempts half of one each."""
    trace = Trace(read_context(b""), trace_id=number, span_id=7)
    for index in range(calls):
        place = service_place("127.0.0.1", 8000)
        call = Call(_Track(), place, 8 + index, BASE_S + index)  # type: ignore[arg-type]
        call.ended_s = call.begun_s + 0.5
        call.outcome = "Ok" if index == calls - 1 else "Http503"
        trace.calls.append(call)
    return Finished(
        trace,
        received_s=BASE_S,
        ended_s=BASE_S + 2,
        committed_s=None,
        wall_s=1_800_000_002.0,
        operation="chat/completions",
        decision="d-1",
        status=200,
        outcome="Ok",
        attempts=calls,
        policy="desk",
        revision="r1",
        rule="default",
        model="auto",
        passed=(),
        spilled=(),
        event=None,
    )


@contextmanager
def sending(url: str, **settings: object) -> Iterator[tuple[Sender, Callable[..., float]]]:
    """A sender that sends at once, and a look at its metrics."""
    registry = CollectorRegistry()
    given = {"every_s": 0.02, "metrics_every_s": 0.05, **settings}
    sender = Sender(registry, Otlp(endpoint=url, **given))  # type: ignore[arg-type]

    def metric(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"pointsman_router_otlp_{name}", labels) or 0.0

    try:
        yield sender, metric
    finally:
        sender.close(PATIENCE_S)


def until(holds: Callable[[], object]) -> None:
    """Wait for a thread."""
    by_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < by_s
        time.sleep(0.005)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that takes everything."""
    with collecting() as found:
        yield found


def test_spans_arrive_as_they_were(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, times, kinds, parents, and what the process says of itself."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with sending(collector.url, pod="router-0", namespace="demo", instance="router-0") as (s, _):
        s.put(finished(15, calls=2))
        collector.until(lambda c: len(c.spans) == 3)
    server, first, second = collector.spans
    assert {span.trace for span in collector.spans} == {f"{15:032x}"}
    assert (server.kind, server.parent, server.id) == ("SERVER", "", f"{7:016x}")
    assert [(one.kind, one.parent) for one in (first, second)] == [("CLIENT", server.id)] * 2
    assert (server.start_ns, server.end_ns) == (
        1_800_000_000_000_000_000,
        1_800_000_002_000_000_000,
    )
    assert second.start_ns - server.start_ns == pytest.approx(1e9, abs=1000)
    assert second.end_ns - second.start_ns == pytest.approx(5e8, abs=1000)
    assert [span.failed for span in collector.spans] == [False, True, False]
    assert first.attributes["error.type"] == "Http503"
    assert "error.type" not in second.attributes
    assert (
        server.resource.items()
        >= {
            "service.name": "pointsman-router",
            "service.instance.id": "router-0",
            "k8s.pod.name": "router-0",
            "k8s.namespace.name": "demo",
            "deployment.environment.name": "test",
        }.items()
    )


@pytest.mark.parametrize(
    ("flag", "variable", "name"), [("desk", "other", "desk"), ("", "other", "other")]
)
def test_the_flag_names_the_service_before_the_environment(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, flag: str, variable: str, name: str
) -> None:
    """Without both it is pointsman-router."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", variable)
    with sending(collector.url, service_name=flag) as (sender, _):
        sender.put(finished())
        collector.until(lambda c: c.spans)
    assert collector.spans[0].resource["service.name"] == name


def test_histograms_arrive_with_their_buckets(collector: Collector) -> None:
    """Cumulative; a series past the bound says so; without values nothing is sent."""
    with sending(collector.url) as (sender, _):
        family = sender.traces.measures.first_token
        key = ("chat", "openai", "big", "big-2026")
        family.observe(key, 0.003)
        family.observe(key, 20.0)
        collector.until(lambda c: c.metrics)
        family.observe(key, 0.003)
        family.observe((), 1.0)
    (metric,) = collector.metrics
    assert metric == "gen_ai.server.time_to_first_token"
    named, overflow = collector.metrics[metric]
    assert overflow.attributes == {"otel.metric.overflow": True}
    assert named == Point(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "big",
            "gen_ai.response.model": "big-2026",
        },
        3,
        named.sum,
        family.bounds,
        (0, 2, *[0] * 14, 1),
    )
    assert named.sum == pytest.approx(20.006)
    last = collector.raw_metrics[-1]
    assert (last.unit, last.histogram.aggregation_temporality) == ("s", 2)
    assert not last.histogram.data_points[0].HasField("max")


def test_a_collector_that_hangs_delays_nobody(collector: Collector) -> None:
    """What comes meanwhile is kept up to the bound, then dropped; the end is bounded."""
    collector.hang.set()
    with sending(collector.url, queue=20, batch=8) as (sender, metric):
        sender.put(finished())
        collector.until(lambda c: c.requests)
        began_s = time.monotonic()
        for number in range(1000):
            sender.put(finished(number + 1))
        assert time.monotonic() - began_s < 1.0
        assert metric("waiting") == 20
        assert metric("dropped_total", reason="QueueFull") == 2000 - 18
        began_s = time.monotonic()
        sender.close(0.3)
        assert 0.3 <= time.monotonic() - began_s < 1.0
        assert metric("dropped_total", reason="Exit") == 20
        collector.hang.clear()


def test_a_hanging_collector_is_given_up_by_the_deadline_of_the_exporter(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_EXPORTER_OTLP_TIMEOUT; what it did not take is dropped, what comes later arrives."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    collector.hang.set()
    with sending(collector.url) as (sender, metric):
        sender.put(finished())
        until(lambda: metric("dropped_total", reason="Export") == 2)
        assert metric("failures_total", signal="traces") == 1
        collector.hang.clear()
        sender.put(finished(2))
        until(lambda: metric("sent_total") == 2)
        assert metric("waiting") == 0


@pytest.mark.parametrize("status", [301, 400, 404])
def test_what_a_collector_refuses_is_counted(
    collector: Collector, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A redirect, too, after which nobody has anything; told once with its reason."""
    caplog.set_level(logging.WARNING, "pointsman")  # `pointsman up` in a test before is quieter
    collector.status = status
    with sending(collector.url) as (sender, metric):
        for number in range(3):
            sender.put(finished())
            until(partial(lambda n: metric("dropped_total", reason="Export") == 2 * n, number + 1))
        assert {path for path, _, _ in collector.requests} == {"/v1/traces"}
        collector.status = 200
        sender.put(finished())
        until(lambda: metric("sent_total") == 2)
    told = [record for record in caplog.records if record.getMessage() == "otlp-away"]
    assert len(told) == 1
    assert str(status) in vars(told[0])["reason"]
    assert not [r for r in caplog.records if r.name.startswith("opentelemetry")]


def test_headers_come_from_a_file_that_may_change(collector: Collector, tmp_path: Path) -> None:
    """A line that is none changes nothing, and is not shown."""
    path = tmp_path / "headers"
    path.write_text("Authorization: Bearer one\n\nx-scope: desk\n")
    with sending(collector.url, headers_file=path) as (sender, _):
        for number, written in enumerate(("", "authorization: Bearer two\n", "no header\n"), 1):
            if written:
                path.write_text(written)
            sender.put(finished())
            collector.until(partial(lambda n, c: len(c.spans) == 2 * n, number))
    heads = [headers for target, headers, _ in collector.requests if target == "/v1/traces"]
    assert [h["authorization"] for h in heads] == ["Bearer one", "Bearer two", "Bearer two"]
    assert [h.get("x-scope") for h in heads] == ["desk", None, None]


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the file, whatever other programs trust; compression is as the environment says."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "wrong"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    ca, other, chain = trustme.CA(), trustme.CA(), tmp_path / "chain"
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    for name, authority in (("good", ca), ("wrong", other)):
        authority.cert_pem.write_to_path(str(tmp_path / name))
    with collecting(str(chain)) as collector:
        url = collector.url.replace("http:", "https:")
        with sending(url, ca_file=tmp_path / "wrong") as (sender, metric):
            sender.put(finished())
            until(lambda: metric("dropped_total", reason="Export") == 2)
            assert collector.requests == []
        with sending(url, ca_file=tmp_path / "good") as (sender, metric):
            sender.put(finished())
            until(lambda: metric("sent_total") == 2)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "good"))
        with sending(url) as (sender, metric):
            sender.put(finished())
            until(lambda: metric("sent_total") == 2)
        assert collector.requests[0][1]["content-encoding"] == "gzip"
        assert len(collector.spans) == 4


@pytest.mark.parametrize("deadline_s", [0.0, 0.2])
def test_nobody_listens(deadline_s: float) -> None:
    """The end comes, and says what was lost: once, also if a call is just under way."""
    with sending(nobody()) as (sender, metric):
        sender.put(finished())
        began_s = time.monotonic()
        sender.close(deadline_s)
        assert time.monotonic() - began_s < 1.0
        sender._thread.join(20.0)
        lost = [metric("dropped_total", reason=why) for why in ("Export", "Exit")]
        assert sum(lost) == 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_for_providers_is_not_asked(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have to know the cluster's Services, and would see their traces."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, nobody())
        monkeypatch.setenv(name.lower(), nobody())
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    ca, chain, trusted = trustme.CA(), tmp_path / "chain", tmp_path / "ca"
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    ca.cert_pem.write_to_path(str(trusted))
    with collecting(str(chain) if tls else "") as collector:
        url = collector.url.replace("http:", "https:") if tls else collector.url
        with sending(url, ca_file=trusted if tls else None) as (sender, metric):
            sender.put(finished())
            until(lambda: metric("sent_total") + metric("dropped_total", reason="Export") == 2)
            assert metric("sent_total") == 2
