"""vLLM's names, read by the official Prometheus parser."""

from __future__ import annotations

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from tests.simulator.running import MODEL, Simulator, chat, post, send, simulated, until


async def scrape(simulator: Simulator) -> dict[str, float]:
    """Every sample by its name and its own labels."""
    answer = await send(simulator.port, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("model_name") == MODEL
            assert labels.pop("engine") == "0"
            found[":".join([sample.name, *labels.values()])] = sample.value
    return found


async def test_finished_requests_are_counted() -> None:
    """Instant, streamed and timed requests count alike; refused ones do not."""
    async with simulated(output_tokens=10) as simulator:
        await post(simulator.port, chat())
        await post(simulator.port, chat(stream=True))
        await post(simulator.port, chat(max_tokens=4))
        await post(simulator.port, chat(max_tokens=-1))
        await post(simulator.port, {"model": "m", "input": "abc"}, "/v1/embeddings")
        found = await scrape(simulator)
    assert found["vllm:request_success_total:stop"] == 3
    assert found["vllm:request_success_total:length"] == 1
    assert found["vllm:request_success_total:abort"] == 0
    assert found["vllm:generation_tokens_total"] == 24
    assert found["vllm:prompt_tokens_total"] == 3 * 5 + 1
    assert found["vllm:time_to_first_token_seconds_count"] == 4
    assert found["vllm:time_to_first_token_seconds_bucket:+Inf"] == 4
    assert found["vllm:e2e_request_latency_seconds_count"] == 4
    assert found["vllm:num_requests_running"] == 0
    assert found["vllm:kv_cache_usage_perc"] == 0
    assert found["simulator:unexpected_errors_total"] == 0


async def test_running_and_waiting_are_shown() -> None:
    """What an autoscaler scales on, and the cache in use."""
    async with simulated(ttft_s=3600, max_concurrency=2) as simulator:
        tasks = [asyncio.create_task(post(simulator.port, chat())) for _ in range(5)]
        await until(lambda: simulator.server.slots.waiting == 3)
        found = await scrape(simulator)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert found["vllm:num_requests_running"] == 2
    assert found["vllm:num_requests_waiting"] == 3
    assert found["vllm:kv_cache_usage_perc"] == found["vllm:gpu_cache_usage_perc"]
    assert 0 < found["vllm:kv_cache_usage_perc"] < 1


async def test_the_time_to_first_token_is_measured() -> None:
    """The sum is at least what was declared, waiting included."""
    async with simulated(ttft_s=0.05, max_concurrency=1) as simulator:
        await asyncio.gather(*(post(simulator.port, chat()) for _ in range(2)))
        found = await scrape(simulator)
    assert found["vllm:time_to_first_token_seconds_sum"] >= 0.05 + 0.1 - 0.005
    assert found["vllm:time_to_first_token_seconds_bucket:0.04"] == 0
