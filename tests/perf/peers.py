"""The proxies that are compared: installed once outside the tree, started in front of two backends.

nginx is Debian's package; sglang-router and vllm-router are PyPI's, locked by version and hash in
peers.lock. Guarantees that what is not there is said aloud, never left out in silence.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.perf.generator import cache
from tests.perf.processes import family, line, started

LOCK = Path(__file__).parent / "peers.lock"
_START_S = 30.0
_NGINX = """
daemon off; worker_processes 1; user root; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream models {{ least_conn; {servers} keepalive 2048; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; tcp_nodelay on; keepalive_requests 100000000;
    location / {{ proxy_pass http://models; proxy_http_version 1.1; proxy_buffering off;
                  proxy_set_header Connection ""; client_body_buffer_size 64k; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that runs."""

    name: str
    port: int
    pids: list[int]


Start = Callable[[str, list[int]], AbstractContextManager[Proxy]]


def nginx_path() -> str | None:
    """nginx, installed first if it is missing and this is root on Debian."""
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing Debian's nginx-light ...", flush=True)
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        for step in (("update",), ("install", "-y", "--no-install-recommends", "nginx-light")):
            subprocess.run(
                ["apt-get", "-qq", *step],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=300,
                env=os.environ | quiet,
            )
        path = shutil.which("nginx", path="/usr/sbin")
    return path


def peers_folder() -> Path | None:
    """The `bin` of a virtual environment with the locked peers; None if it cannot be made."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    home = cache() / "peers" / digest
    if not (home / "complete").exists():
        print("installing sglang-router and vllm-router ...", flush=True)
        pip = [f"{home}/bin/python", "-m", "pip", "install", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [*pip, "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)],
        ):
            done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                print(done.stderr[-500:])
                return None
        (home / "complete").touch()
    return home / "bin"


def locked_versions() -> dict[str, str]:
    """Of the peers in the lock."""
    pins = [row.split()[0].partition("==") for row in LOCK.read_text().splitlines() if "==" in row]
    return {name: version for name, _, version in pins if name.endswith("-router")}


def free_port() -> int:
    """Of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as here:
        port: int = here.getsockname()[1]
        return port


def until_answers(name: str, port: int) -> None:
    """Wait until a GET through the proxy is answered."""
    end_s = time.monotonic() + _START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as there:
                there.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                if there.recv(12) == b"HTTP/1.1 200":
                    return
        except OSError:
            pass
        if time.monotonic() > end_s:
            raise RuntimeError(f"{name} did not answer within {_START_S:g} s")
        time.sleep(0.05)


def nginx(path: str) -> Start:
    """One worker."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            servers = " ".join(f"server 127.0.0.1:{p};" for p in ports)
            text = _NGINX.format(folder=folder, servers=servers, port=port)
            Path(folder, "conf").write_text(text)
            command = (path, "-p", folder, "-e", "stderr", "-c", f"{folder}/conf")
            with started(core, *command) as child:
                until_answers("nginx", port)
                yield Proxy("nginx", port, family(child.pid))

    return start


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
        with (
            tempfile.TemporaryDirectory() as home,
            started(core, *command, HOME=home, HF_HUB_OFFLINE="1") as child,
        ):
            until_answers(name, port)
            yield Proxy(name, port, family(child.pid))

    return start


def ours(kind: str) -> Start:
    """The data plane with the table of plane.py."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        command = (sys.executable, "-m", "tests.perf.plane", kind, *map(str, ports))
        with started(core, *command) as child:
            yield Proxy(kind, int(line(child)), [child.pid])

    return start


def available(wanted: list[str]) -> dict[str, Start]:
    """How to start each proxy; those that are missing are said aloud."""
    found: dict[str, Start] = {}
    if "nginx" in wanted:
        path = nginx_path()
        if path is None:
            print("!! nginx is not installed (apt-get install nginx-light): NO ratio to it")
        else:
            found["nginx"] = nginx(path)
    names = [name for name in wanted if name in locked_versions()]
    if names:
        folder = peers_folder()
        if folder is None:
            print(f"!! not installed: {', '.join(names)}: NO ratio to them")
        else:
            found |= {name: rust_router(folder, name) for name in names}
    return found | {kind: ours(kind) for kind in wanted if kind in ("plain", "tasks")}
