"""What an engine says of its own work: the gauges of running and waiting requests at /metrics.

Sources: vLLM docs, usage/metrics.md; SGLang docs, references/production_metrics.md; llama.cpp,
tools/server/README.md. Ollama tells nothing, a Custom server nothing that we know of.
"""

import re
from collections.abc import Mapping
from typing import Final

from pointsman.api.v1alpha1 import Engine
from pointsman.operator.plan.scaling import EngineReport

_VLLM: Final = ("vllm:num_requests_running", "vllm:num_requests_waiting")
GAUGES: Final[Mapping[Engine, tuple[str, str]]] = {
    Engine.SIMULATOR: _VLLM,
    Engine.VLLM: _VLLM,
    Engine.SGLANG: ("sglang:num_running_reqs", "sglang:num_queue_reqs"),
    Engine.LLAMA_CPP: ("llamacpp:requests_processing", "llamacpp:requests_deferred"),
}
"""(running, waiting) by engine."""

MOST_REQUESTS: Final = 1e9
"""Of one server; more is no count."""


def report_of(text: str, engine: Engine) -> EngineReport | None:
    """The counts in a page of metrics, all label sets added; None unless both are there."""
    running, waiting = (_total(text, name) for name in GAUGES[engine])
    if running is None or waiting is None:
        return None
    return EngineReport(waiting=waiting, running=running)


def _total(text: str, name: str) -> int | None:
    found = re.findall(rf"^{re.escape(name)}(?:\{{.*\}})? +(\S+)", text, re.MULTILINE)
    try:
        total = sum(map(float, found))
    except ValueError:
        return None
    return round(total) if found and 0 <= total <= MOST_REQUESTS else None
