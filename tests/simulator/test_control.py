"""Tests see what the server saw, and steer it while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.running import chat, post, send, simulated


async def test_requests_are_kept_as_received() -> None:
    """Headers with case and order, the body up to 4 kB; control requests are not in it."""
    async with simulated() as simulator:
        body = chat("x" * 5000)
        path = "/v1/chat/completions"
        await send(simulator.port, "POST", path, body, {"X-Pointsman-Test": "1"})
        await send(simulator.port, "GET", "/health")
        first, second = (await send(simulator.port, "GET", "/simulator/requests")).json()
        assert (first["method"], first["path"]) == ("POST", path)
        assert ["X-Pointsman-Test", "1"] in first["headers"]
        assert first["headers"][0] == ["Host", "test"]
        assert first["body"].startswith('{"model": "qwen-light"')
        assert len(first["body"]) == 4096
        assert second["monotonic_s"] >= first["monotonic_s"]
        assert (await send(simulator.port, "DELETE", "/simulator/requests")).json() == []
        assert (await send(simulator.port, "GET", "/simulator/requests")).json() == []


async def test_only_the_last_thousand_are_kept() -> None:
    """A load test does not fill the memory."""
    async with simulated() as simulator:
        from pointsman.simulator.http_reading import Request

        for number in range(1200):
            request = Request("GET", f"/{number}", [], b"", keep_alive=True, chunks_allowed=True)
            simulator.server.log.add(request, float(number))
        kept = (await send(simulator.port, "GET", "/simulator/requests")).json()
    assert [kept[0]["path"], len(kept)] == ["/200", 1000]


async def test_settings_change_while_it_runs() -> None:
    """A model that gets worse: quality, truth and fingerprint follow; the rest stays."""
    async with simulated(quality={"Chat": 1.0, "Coding": 0.4}) as simulator:
        before = (await post(simulator.port, chat())).json()
        shown = await send(
            simulator.port, "PUT", "/simulator/settings",
            {"quality": {"Chat": 0.0}, "ttft": "1ms", "tokens_per_second": 5000,
             "output_tokens": 9, "max_concurrency": 3},
        )  # fmt: skip
        after = (await post(simulator.port, chat())).json()
        assert shown.json()["quality"] == {"Chat": 0.0, "Coding": 0.4}
        assert shown.json()["ttft"] == "0.001s"
        assert simulator.server.slots.limit == 3
    assert (before["simulator"]["correct"], after["simulator"]["correct"]) == (True, False)
    assert before["system_fingerprint"] != after["system_fingerprint"]
    assert after["system_fingerprint"] == shown.json()["system_fingerprint"]
    assert after["usage"]["completion_tokens"] == 9


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/simulator/settings", {"ttft": "fast"}, 400),
        ("PUT", "/simulator/settings", {"error_rate": 2}, 400),
        ("PUT", "/simulator/settings", {"quality": {"Cooking": 1}}, 400),
        ("PUT", "/simulator/settings", {"output_tokens": 0}, 400),
        ("PUT", "/simulator/settings", {"model": "other"}, 400),
        ("PUT", "/simulator/faults", {"mode": "Explode"}, 400),
        ("PUT", "/simulator/faults", {"mode": "Hang", "count": -2}, 400),
        ("PUT", "/simulator/faults", {"mode": "Drip", "delay": "slow"}, 400),
        ("PUT", "/simulator/faults", b"{", 400),
        ("POST", "/simulator/faults", {"mode": "Hang"}, 404),
        ("GET", "/simulator/other", None, 404),
    ],
)
async def test_refused_changes_change_nothing(
    method: str, path: str, body: Any, status: int
) -> None:
    """The message says what is wrong; settings and faults stay."""
    async with simulated() as simulator:
        before = (await send(simulator.port, "GET", "/simulator/settings")).json()
        assert (await send(simulator.port, method, path, body)).status == status
        assert (await send(simulator.port, "GET", "/simulator/settings")).json() == before
        faults = (await send(simulator.port, "GET", "/simulator/faults")).json()
    assert faults == {"mode": "None", "left": -1}


async def test_faults_can_be_taken_back() -> None:
    """DELETE is the same as mode None; the rest of the count is shown."""
    async with simulated() as simulator:
        await send(simulator.port, "PUT", "/simulator/faults", {"mode": "Error500", "count": 3})
        await post(simulator.port, chat())
        shown = (await send(simulator.port, "GET", "/simulator/faults")).json()
        assert shown == {"mode": "Error500", "left": 2}
        await send(simulator.port, "DELETE", "/simulator/faults")
        assert (await post(simulator.port, chat())).status == 200
