"""vLLM's metrics under vLLM's names, as Prometheus text.

Guarantees the names and labels (`model_name`, `engine`) an autoscaler or dashboard made for vLLM
reads. Counts the requests that reached the model, as vLLM does; refused ones are not in it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# The first buckets of vLLM's own time_to_first_token_seconds and e2e_request_latency_seconds.
TTFT_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
                  7.5, 10.0, 20.0, 40.0, 80.0)  # fmt: skip
E2E_BUCKETS_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
                 120.0, 240.0)  # fmt: skip


class Histogram:
    """A Prometheus histogram of seconds."""

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class Metrics:
    """What the server has done so far."""

    prompt_tokens: int = 0
    generation_tokens: int = 0
    finished: dict[str, int] = field(default_factory=lambda: {"stop": 0, "length": 0, "abort": 0})
    ttft: Histogram = field(default_factory=lambda: Histogram(TTFT_BUCKETS_S))
    e2e: Histogram = field(default_factory=lambda: Histogram(E2E_BUCKETS_S))
    unexpected_errors: int = 0

    def finish(self, reason: str) -> None:
        """Count one ended request; a tool call is a `stop`, as vLLM counts it."""
        self.finished["stop" if reason == "tool_calls" else reason] += 1


def render(
    metrics: Metrics, *, model: str, running: int, waiting: int, cache_usage: float
) -> bytes:
    """The text of /metrics. `cache_usage` is a share in [0, 1], whatever vLLM's name says."""
    name = model.replace("\\", "\\\\").replace('"', '\\"')
    label = f'engine="0",model_name="{name}"'
    lines: list[str] = []

    def add(metric: str, kind: str, meaning: str, *samples: tuple[str, float]) -> None:
        lines.append(f"# HELP {metric} {meaning}")
        lines.append(f"# TYPE {metric} {kind}")
        lines.extend(f"{metric}{suffix} {value}" for suffix, value in samples)

    one = f"{{{label}}}"
    add("vllm:num_requests_running", "gauge", "Requests in the batch.", (one, float(running)))
    add("vllm:num_requests_waiting", "gauge", "Requests in the queue.", (one, float(waiting)))
    for metric in ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"):
        add(metric, "gauge", "KV cache in use, 1 means full.", (one, cache_usage))
    add("vllm:prompt_tokens_total", "counter", "Prompt tokens.", (one, metrics.prompt_tokens))
    add("vllm:generation_tokens_total", "counter", "Tokens generated.",
        (one, metrics.generation_tokens))  # fmt: skip
    add("vllm:request_success_total", "counter", "Finished requests.",
        *((f'{{{label},finished_reason="{reason}"}}', n)
          for reason, n in metrics.finished.items()))  # fmt: skip
    add("vllm:time_to_first_token_seconds", "histogram", "Time to first token.",
        *_samples(metrics.ttft, label))  # fmt: skip
    add("vllm:e2e_request_latency_seconds", "histogram", "Time of a whole request.",
        *_samples(metrics.e2e, label))  # fmt: skip
    add("simulator:unexpected_errors_total", "counter", "Faults of the simulator itself.",
        (one, metrics.unexpected_errors))  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def _samples(histogram: Histogram, label: str) -> list[tuple[str, float]]:
    samples: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*histogram.bounds_s, "+Inf"), histogram.counts, strict=True):
        total += count
        samples.append((f'_bucket{{{label},le="{bound}"}}', total))
    samples.append((f"_sum{{{label}}}", histogram.sum_s))
    samples.append((f"_count{{{label}}}", total))
    return samples
