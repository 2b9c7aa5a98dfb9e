"""Histograms of the data plane as OTLP metrics, cumulative since the router's start."""

from typing import Final, cast

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.util.types import AttributeValue

from pointsman.router.serve.genai import Family, Measures

_UNSET: Final = cast(float, None)
"""Of a field that the protocol lets be absent; the SDK's types do not say so."""


def metrics_of(
    measures: Measures,
    resource: Resource,
    scope: InstrumentationScope,
    *,
    from_ns: int,
    now_ns: int,
) -> MetricsData:
    """Of what has values. Other threads may add some meanwhile."""
    found = [_metric(f, from_ns, now_ns) for f in measures.families if f.series]
    scoped = ScopeMetrics(scope=scope, metrics=found, schema_url="")
    return MetricsData([ResourceMetrics(resource, scope_metrics=[scoped], schema_url="")])


def _metric(family: Family, from_ns: int, now_ns: int) -> Metric:
    points = []
    for key, series in list(family.series.items()):
        counts = list(series.counts)  # copied at once: the count is their sum whatever is added
        points.append(
            HistogramDataPoint(
                attributes=_attributes(family, key),
                start_time_unix_nano=from_ns,
                time_unix_nano=now_ns,
                count=sum(counts),
                sum=series.total,
                bucket_counts=counts,
                explicit_bounds=family.bounds,
                min=_UNSET,
                max=_UNSET,
            )
        )
    data = Histogram(points, AggregationTemporality.CUMULATIVE)
    return Metric(family.name, family.text, family.unit, data)


def _attributes(family: Family, key: tuple[str, ...]) -> dict[str, AttributeValue]:
    if not key:
        return {"otel.metric.overflow": True}
    return {label: value for label, value in zip(family.labels, key, strict=True) if value}
