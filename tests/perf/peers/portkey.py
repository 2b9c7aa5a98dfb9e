"""Portkey's gateway, of npm: installed once by the lock of tests/perf/portkey, outside the tree.

Its lock holds back one of its dependencies, @hono/node-server: with the newest its own range allows
every stream fails with status 500.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.perf.peers.proxy import QUIET, Proxy, Start, answering, free_port
from tests.sdk.node import NoNode, installed

PROJECT = Path(__file__).parents[1] / "portkey"


def version() -> str:
    """As locked."""
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    found: str = lock["packages"]["node_modules/@portkey-ai/gateway"]["version"]
    return found


def folder() -> Path | None:
    """Where it is installed; None, and the reason is printed, if it cannot be."""
    try:
        return installed(PROJECT)
    except NoNode as error:
        print(error)
        return None


def routing(ports: list[int]) -> str:
    """The header that tells it to share requests among the backends."""
    targets = [
        {"provider": "openai", "api_key": "sk-bench", "custom_host": f"http://127.0.0.1:{port}/v1"}
        for port in ports
    ]
    return json.dumps({"strategy": {"mode": "loadbalance"}, "targets": targets})


def portkey(there: Path) -> Start:
    """One process of Node."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        node = shutil.which("node")
        assert node, "it was there when it was installed"
        port = free_port()
        program = there / "node_modules/@portkey-ai/gateway/build/start-server.js"
        header = f"x-portkey-config: {routing(ports)}"
        command = (*QUIET, node, str(program), f"--port={port}", "--headless")
        with answering(
            "portkey", core, port, *command, header=header, NODE_ENV="production"
        ) as proxy:
            yield proxy

    return start
