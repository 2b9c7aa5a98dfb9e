"""An edit under traffic in `pointsman up`: requests go elsewhere first, then servers go."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.local.running import DEADLINE_S, Up, is_alive, model_servers, up, wait_until_gone

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(sys.platform != "linux", reason="not run: processes are found in /proc"),
]

BACKEND = """\
apiVersion: pointsman.dev/v1alpha1
kind: ModelBackend
metadata: {name: %s}
spec:
  model: %s
  deployment: {engine: Simulator, args: [--ttft=1ms, --tokens-per-second=8, --output-tokens=%d]}
---
"""
POLICY = """\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: desk}
spec:
  modelNames: [auto]
  default: {targets: [{backendRef: {name: %s}}]}
"""
TOKENS = 80
"""Of a whole answer: ten seconds, twice what a server has to end in once it is asked to."""


def write(file: Path, text: str) -> None:
    """At once, as editors do."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def client(running: Up) -> openai.OpenAI:
    return openai.OpenAI(base_url=running.url, api_key="k", max_retries=0, timeout=DEADLINE_S)


def streaming(sdk: openai.OpenAI) -> Iterator[str]:
    """The words of one long answer, as they come."""
    for event in sdk.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], stream=True
    ):
        if event.choices and event.choices[0].delta.content:
            yield event.choices[0].delta.content


def server(running: Up, model: str) -> int:
    """Of the one backend with this model."""
    (found,) = (
        pid
        for pid in model_servers(running.process.pid)
        if f"\0{model}\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return found


def asked(sdk: openai.OpenAI) -> str:
    """The backend that answers; raises where none does."""
    raw = sdk.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=1
    )
    return raw.headers["x-pointsman-backend"]


def test_a_policy_moves_and_its_old_backend_goes_in_one_edit(tmp_path: Path) -> None:
    """Nobody is refused, and who still gets an answer of the old one gets all of it."""
    file = tmp_path / "fleet.yaml"
    old, new = (BACKEND % (name, f"model-{name}", TOKENS) for name in ("old", "new"))
    write(file, old + new + POLICY % "old")
    with up(str(file), "--port", "0") as running, client(running) as sdk:
        running.wait_for("ready")
        words = streaming(sdk)
        next(words)
        leaving, kept = server(running, "model-old"), server(running, "model-new")
        write(file, new + POLICY % "new")
        while asked(sdk) == "old":
            running.read()
        running.wait_for("backend old: removed")
        assert [asked(sdk) for _ in range(20)] == ["new"] * 20
        assert is_alive(leaving), "it still answers"
        assert len(list(words)) > TOKENS / 2
        wait_until_gone([leaving])
        assert model_servers(running.process.pid) == [kept]
    assert running.process.returncode == 0


def test_a_backend_changes_under_traffic(tmp_path: Path) -> None:
    """The server with the new arguments answers before the one with the old ones is asked to go."""
    file = tmp_path / "fleet.yaml"
    write(file, BACKEND % ("one", "m", TOKENS) + POLICY % "one")
    with up(str(file), "--port", "0") as running, client(running) as sdk:
        running.wait_for("ready")
        leaving = server(running, "m")
        words = streaming(sdk)
        next(words)
        write(file, BACKEND % ("one", "m", TOKENS + 1) + POLICY % "one")
        while len(model_servers(running.process.pid)) == 1:
            asked(sdk)
        running.wait_for("backend one: Ready", times=2)
        assert [asked(sdk) for _ in range(20)] == ["one"] * 20
        assert is_alive(leaving), "it still answers"
        assert len(list(words)) > TOKENS / 2
        wait_until_gone([leaving])
        assert len(model_servers(running.process.pid)) == 1
    assert running.process.returncode == 0


def test_the_session_ends_while_a_server_leaves(tmp_path: Path) -> None:
    """It waits for nobody whose request is cut, and leaves no process behind."""
    file = tmp_path / "fleet.yaml"
    both = BACKEND % ("old", "m", 2000) + BACKEND % ("new", "m", 1)
    write(file, both + POLICY % "old")
    with up(str(file), "--port", "0") as running, client(running) as sdk:
        running.wait_for("ready")
        words = streaming(sdk)
        next(words)
        servers = model_servers(running.process.pid)
        write(file, BACKEND % ("new", "m", 1) + POLICY % "new")
        running.wait_for("backend old: removed")
        for _ in range(2):
            os.kill(running.process.pid, signal.SIGTERM)
            running.wait_for("stopping")
        with pytest.raises(openai.APIError, match="the router was shut down"):
            list(words)
        assert running.process.wait(timeout=DEADLINE_S) == 128 + signal.SIGTERM
        wait_until_gone(servers)
