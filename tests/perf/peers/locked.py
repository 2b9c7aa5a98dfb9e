"""Peers that PyPI has: each lock is installed once into a virtual environment outside the tree.

sglang-router and vllm-router are in peers.lock, LiteLLM's proxy in litellm.lock, all by version and
hash. LiteLLM 1.82.7 and 1.82.8 stole credentials: the version here is another, it runs without this
environment's secrets, and where this is root in a network with nothing but the loopback.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.perf.generator import cache
from tests.perf.peers.proxy import QUIET, Proxy, Start, answering, free_port

_HERE = Path(__file__).parents[1]
ROUTERS = _HERE / "peers.lock"
LITELLM = _HERE / "litellm.lock"
_INSTALL_S = 580.0


def versions(lock: Path, ending: str) -> dict[str, str]:
    """Of the lock's packages whose names end so."""
    pins = [row.split()[0].partition("==") for row in lock.read_text().splitlines() if "==" in row]
    return {name: version for name, _, version in pins if name.endswith(ending)}


def installed(lock: Path) -> Path | None:
    """The `bin` of a virtual environment with what is locked; None if it cannot be made."""
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    home = cache() / "peers" / digest
    if not (home / "complete").exists():
        print(f"installing {lock.name} ...", flush=True)
        pip = [f"{home}/bin/python", "-m", "pip", "install", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [*pip, "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)],
        ):
            try:
                done = subprocess.run(
                    command, check=False, stderr=subprocess.PIPE, text=True, timeout=_INSTALL_S
                )
            except subprocess.TimeoutExpired:
                print(f"installing took longer than {_INSTALL_S:g} s")
                return None
            if done.returncode:
                print(done.stderr[-500:])
                return None
        (home / "complete").touch()
    return home / "bin"


def rust_router(folder: Path, name: str) -> Start:
    """sglang-router or vllm-router, in turn over the backends; the two take the same flags."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        port = free_port()
        urls = [f"http://127.0.0.1:{p}" for p in ports]
        module = f"{name.replace('-', '_')}.launch_router"
        command = (
            str(folder / "python"), "-m", module, "--worker-urls", *urls, "--policy", "round_robin",
            "--host", "127.0.0.1", "--port", str(port), "--log-level", "error",
            "--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()),
        )  # fmt: skip
        more = {"HF_HUB_OFFLINE": "1"}
        with (
            tempfile.TemporaryDirectory() as home,
            answering(name, core, port, *command, HOME=home, **more) as proxy,
        ):
            yield proxy

    return start


def litellm_settings(ports: list[int]) -> str:
    """
    Its configuration (YAML takes JSON).

    Prices, since its look at models without any takes 15 % of its time; no cooldown, which would
    turn its own slowness into refusals.
    """
    models = [
        {
            "model_name": "m",
            "litellm_params": {
                "model": "openai/m",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "api_key": "sk-bench",
                "input_cost_per_token": 1e-6,
                "output_cost_per_token": 2e-6,
            },
        }
        for port in ports
    ]
    settings = {
        "model_list": models,
        "router_settings": {"routing_strategy": "simple-shuffle", "disable_cooldowns": True},
        "litellm_settings": {"telemetry": False, "num_retries": 0, "request_timeout": 60},
        "general_settings": {"master_key": "sk-bench"},
    }
    return json.dumps(settings)


def litellm(folder: Path) -> Start:
    """LiteLLM's proxy with uvloop, one worker, no database."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        with tempfile.TemporaryDirectory() as home:
            port = free_port()
            Path(home, "config.yaml").write_text(litellm_settings(ports))
            own = {
                "HOME": home,
                "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOG": "ERROR",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            }
            clean = ("env", "-i", "PATH=/usr/bin:/bin", *(f"{k}={v}" for k, v in own.items()))
            command = (
                *QUIET, *clean, str(folder / "litellm"), "--config", f"{home}/config.yaml",
                "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1",
            )  # fmt: skip
            with answering("litellm", core, port, *command) as proxy:
                yield proxy

    return start
