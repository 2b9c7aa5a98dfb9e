"""The end of `pointsman up`: held requests are finished, or cut with a word; nobody is orphaned."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from pointsman.local.processes import free_port
from tests.local.running import DEADLINE_S, Up, children, up, wait_until_gone

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(sys.platform != "linux", reason="not run: processes are found in /proc"),
]

STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"])
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""
STUBBORN_YAML = """
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: stubborn}
spec:
  model: stubborn-model
  deployment: {engine: Custom, image: x, port: %d, command: %s}
"""
YAML = """
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: slow}
spec:
  model: slow-model
  deployment: {engine: Simulator, args: [--ttft=1ms, --tokens-per-second=%d, --output-tokens=40]}
---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [auto]
  default: {targets: [{backendRef: {name: slow}}]}
"""


def fleet(folder: Path, *, tokens_per_second: int) -> str:
    """A folder with one model of that pace."""
    (folder / "fleet.yaml").write_text(YAML % tokens_per_second)
    return str(folder)


def model_servers(running: Up) -> list[int]:
    """They, and what they started themselves."""
    own = children(running.process.pid)
    return own + [grandchild for pid in own for grandchild in children(pid)]


def streaming(sdk: openai.OpenAI) -> Iterator[str]:
    """The words of one streamed answer, as they come."""
    for event in sdk.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], stream=True
    ):
        if event.choices and event.choices[0].delta.content:
            yield event.choices[0].delta.content


def client(running: Up) -> openai.OpenAI:
    return openai.OpenAI(base_url=running.url, api_key="k", max_retries=0, timeout=DEADLINE_S)


def ask_until_refused(newcomer: openai.OpenAI) -> None:
    """The word is out a moment before the door is shut."""
    while True:
        next(streaming(newcomer))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_what_runs(tmp_path: Path, number: signal.Signals) -> None:
    """The held stream ends whole, a newcomer gets a retryable 503, exit 0."""
    with up(fleet(tmp_path, tokens_per_second=8), "--port", "0") as running:
        running.wait_for("ready")
        pids = model_servers(running)
        with client(running) as sdk, client(running) as newcomer:
            words = streaming(sdk)
            next(words)
            os.kill(running.process.pid, number)
            running.wait_for("stopping")
            with pytest.raises(openai.InternalServerError) as refused:
                ask_until_refused(newcomer)
            assert refused.value.status_code == 503
            assert refused.value.code == "draining"
            assert "retry-after" in refused.value.response.headers
            assert len(list(words)) >= 30
        assert running.process.wait(timeout=DEADLINE_S) == 0
        running.read()
        assert not [line for line in running.lines if "cut" in line]
        wait_until_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """A word for the stream, 128 and the signal's number, and not even a stubborn server stays."""
    fleet(tmp_path, tokens_per_second=1)
    script, port = tmp_path / "stubborn.py", free_port()
    script.write_text(STUBBORN)
    (tmp_path / "stubborn.yaml").write_text(
        STUBBORN_YAML % (port, json.dumps([sys.executable, str(script), str(port)]))
    )
    with up(str(tmp_path), "--port", "0") as running:
        running.wait_for("ready")
        pids = model_servers(running)
        with client(running) as sdk:
            words = streaming(sdk)
            next(words)
            os.kill(running.process.pid, number)
            running.wait_for("stopping")
            os.kill(running.process.pid, number)
            with pytest.raises(openai.APIError, match="the router was shut down"):
                list(words)
        assert running.process.wait(timeout=DEADLINE_S) == 128 + number
        running.wait_for("1 unfinished request was cut")
        assert len(pids) == 4, "two model servers, what one of them started, and the ledger"
        wait_until_gone(pids)
