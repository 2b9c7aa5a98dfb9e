"""The engines' own counts, read from pages as they print them."""

import pytest

from pointsman.api.v1alpha1 import Engine
from pointsman.operator.plan.gauges import report_of
from pointsman.operator.plan.scaling import EngineReport

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a/b"} 3.0
vllm:num_requests_running{engine="1",model_name="a/b"} 4.0
vllm:num_requests_waiting{engine="0",model_name="a}b"} 2.0
vllm:num_requests_waiting{engine="1",model_name="a/b"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 90.0
"""
SGLANG = """\
sglang:num_running_reqs{model_name="m",tp_rank="0"} 5.0
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 6.0
"""
LLAMA_CPP = """\
llamacpp:requests_processing 1
llamacpp:requests_deferred 2
"""


@pytest.mark.parametrize(
    ("engine", "page", "report"),
    [
        (Engine.VLLM, VLLM, EngineReport(waiting=2, running=7)),
        (Engine.SGLANG, SGLANG, EngineReport(waiting=6, running=5)),
        (Engine.LLAMA_CPP, LLAMA_CPP, EngineReport(waiting=2, running=1)),
    ],
)
def test_an_engine_is_read(engine: Engine, page: str, report: EngineReport) -> None:
    """All label sets of a name are added; a longer name is another one."""
    assert report_of(page, engine) == report


@pytest.mark.parametrize(
    "page",
    [
        "",
        SGLANG,
        VLLM.replace("waiting{", "pending{"),
        VLLM.replace(" 2.0", " two"),
        VLLM.replace(" 2.0", " NaN"),
        VLLM.replace(" 2.0", " +Inf"),
        VLLM.replace(" 2.0", " -3.0"),
    ],
)
def test_what_is_no_count_is_no_answer(page: str) -> None:
    """Zero would scale a server down that only names its gauges differently."""
    assert report_of(page, Engine.VLLM) is None
