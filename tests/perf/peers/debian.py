"""nginx and haproxy, as Debian has them: one worker, kept connections, least connections, no log.

Guarantees that both are installed only where this is root and there is apt-get; else they are
missing, and who asked says so.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.perf.peers.proxy import Proxy, Start, answering, free_port

PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy"}
"""Program -> its package."""
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
_NGINX = """
daemon off; worker_processes 1; user root; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream models {{ least_conn; {servers} keepalive 2048; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; tcp_nodelay on; keepalive_requests 100000000;
    client_max_body_size 16m;
    location / {{ proxy_pass http://models; proxy_http_version 1.1; proxy_buffering off;
                  proxy_set_header Connection ""; client_body_buffer_size 64k; }}
  }}
}}
"""
_HAPROXY = """
global
  maxconn 8192
  nbthread 1
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  option http-no-delay
  http-reuse always
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend models
backend models
  balance leastconn
{servers}
"""


def found(program: str) -> str | None:
    """Its path; its package is installed first if it is missing and this is root on Debian."""
    path = shutil.which(program, path=_PATH)
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        package = PACKAGES[program]
        print(f"installing Debian's {package} ...", flush=True)
        for step in (("update",), ("install", "-y", "--no-install-recommends", package)):
            subprocess.run(
                ["apt-get", "-qq", *step],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=300,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
        path = shutil.which(program, path=_PATH)
    return path


def version(program: str) -> str | None:
    """What the program says of itself; None if it is not there."""
    path = shutil.which(program, path=_PATH)
    if path is None:
        return None
    done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return number[0] if number else None


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
            with answering("nginx", core, port, *command) as proxy:
                yield proxy

    return start


def haproxy(path: str) -> Start:
    """One thread."""

    @contextmanager
    def start(core: str, ports: list[int]) -> Iterator[Proxy]:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            servers = "\n".join(f"  server m{p} 127.0.0.1:{p}" for p in ports)
            Path(folder, "conf").write_text(_HAPROXY.format(servers=servers, port=port))
            command = (path, "-db", "-q", "-f", f"{folder}/conf")
            with answering("haproxy", core, port, *command) as proxy:
                yield proxy

    return start


STARTS = {"nginx": nginx, "haproxy": haproxy}
