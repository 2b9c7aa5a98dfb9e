"""`python -m tests.perf.router [--json PATH]`: what the router costs next to nginx; QUICK=1.

Direct, nginx (if installed) and the router (`plain`: rules on headers; `tasks`: also on the text,
so that each request is analyzed) over the same simulators, in interleaved rounds; medians of the
ratios inside a round. CPU is utime + stime of the proxy from /proc; it has one core to itself,
simulators and load share the other and bound requests/s.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

QUICK = bool(os.environ.get("QUICK"))
ROUNDS, SECONDS = (3, 1.5) if QUICK else (7, 5.0)
HZ = os.sysconf("SC_CLK_TCK")
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream models {{ least_conn; {servers} keepalive 2048; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}; tcp_nodelay on; keepalive_requests 100000000;
    location / {{ proxy_pass http://models; proxy_http_version 1.1; proxy_buffering off;
                  proxy_set_header Connection ""; client_body_buffer_size 64k; }}
  }}
}}
"""


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    kind: str
    connections: int
    simulator: tuple[str, ...]


FAST = ("--ttft", "0s", "--tokens-per-second", "0", "--max-concurrency", "100000")
SLOW = ("--ttft", "0s", "--tokens-per-second", "50", "--max-concurrency", "100000")
SCENARIOS = (
    Scenario("c32", "whole", 32, FAST),
    Scenario("c1", "whole", 1, FAST),
    Scenario("s128", "stream", 128, SLOW),
)


@dataclass(frozen=True)
class Sample:
    """One run of one proxy; `cpu_ms` for 1,000 answers, of a stream for 1,000 events."""

    scenario: str
    proxy: str
    per_s: float
    cpu_ms: float
    p50_us: float
    p99_us: float
    errors: int


def pin(pid: int, core: int) -> None:
    """Keep the proxy apart from the rest where there is more than one core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[0]} if core == 0 else set(cores[1:]))


def tree(pid: int) -> list[int]:
    """The process and its children."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_s(pids: list[int]) -> float:
    """CPU seconds so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / HZ


@contextmanager
def process(*arguments: str, core: int) -> Iterator["subprocess.Popen[str]"]:
    """A child that is ended and waited for."""
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        pin(child.pid, core)
        yield child
    finally:
        child.terminate()
        child.wait(10)
        if child.stdout is not None:
            child.stdout.close()


def line(child: "subprocess.Popen[str]") -> str:
    """The next line of its output."""
    assert child.stdout is not None
    text = child.stdout.readline().strip()
    if not text:
        raise RuntimeError(f"{child.args!r} ended early")
    return text


@contextmanager
def simulators(flags: tuple[str, ...]) -> Iterator[list[int]]:
    """Two model servers; their ports."""
    command = (sys.executable, "-m", "pointsman.simulator", "--model", "m", "--host", "127.0.0.1",
               "--port", "0", *flags)  # fmt: skip
    with ExitStack() as stack:
        children = [stack.enter_context(process(*command, core=1)) for _ in range(2)]
        yield [int(line(child).rpartition(":")[2]) for child in children]


@contextmanager
def nginx(ports: list[int]) -> Iterator[tuple[int, list[int]]]:
    """nginx with one worker; its port and processes."""
    with tempfile.TemporaryDirectory() as folder:
        port = ports[0] + 1 if ports[0] < 60_000 else ports[0] - 1000
        servers = " ".join(f"server 127.0.0.1:{p};" for p in ports)
        Path(folder, "conf").write_text(NGINX.format(folder=folder, servers=servers, port=port))
        path = shutil.which("nginx") or "/usr/sbin/nginx"
        with process(path, "-p", folder, "-e", "stderr", "-c", f"{folder}/conf", core=0) as child:
            until_listening(port)
            pids = tree(child.pid)
            for pid in pids:
                pin(pid, 0)
            yield port, pids


@contextmanager
def router(kind: str, ports: list[int]) -> Iterator[tuple[int, list[int]]]:
    """The data plane; its port and process."""
    command = (sys.executable, "-m", "tests.perf.plane", kind, *map(str, ports))
    with process(*command, core=0) as child:
        yield int(line(child)), [child.pid]


def until_listening(port: int) -> None:
    """Wait until a TCP connection is accepted; at most 5 s."""
    import socket

    end_s = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.02)
        else:
            return


def run(scenario: Scenario, proxy: str, port: int, pids: list[int]) -> Sample:
    """One measured window."""
    arguments = (str(port), str(scenario.connections), str(SECONDS), scenario.kind)
    with process(sys.executable, "-m", "tests.perf.load", *arguments, core=1) as load:
        assert line(load) == "go"
        before_s = cpu_s(pids)
        assert line(load) == "stop"
        used_s = cpu_s(pids) - before_s
        found = json.loads(line(load))
    count = found["chunks"] if scenario.kind == "stream" else found["answers"]
    return Sample(
        scenario.name,
        proxy,
        count / found["elapsed_s"],
        used_s * 1e6 / max(count, 1),
        found["p50_us"],
        found["p99_us"],
        found["errors"],
    )


def measure(scenario: Scenario) -> list[Sample]:
    """Interleaved rounds."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        ports = stack.enter_context(simulators(scenario.simulator))
        proxies: dict[str, tuple[int, list[int]]] = {"direct": (ports[0], [])}
        if has_nginx():
            proxies["nginx"] = stack.enter_context(nginx(ports))
        for kind in ("plain", "tasks"):
            proxies[kind] = stack.enter_context(router(kind, ports))
        for _ in range(ROUNDS):
            samples += [run(scenario, name, *where) for name, where in proxies.items()]
    return samples


def has_nginx() -> bool:
    """True if there is something to compare with."""
    return bool(shutil.which("nginx")) or Path("/usr/sbin/nginx").exists()


def rows(samples: list[Sample]) -> list[dict[str, object]]:
    """Medians, and medians of the ratios inside a round, for each scenario and proxy."""
    found: list[dict[str, object]] = []
    for scenario in dict.fromkeys(sample.scenario for sample in samples):
        here = [sample for sample in samples if sample.scenario == scenario]
        nginx_cpu = [sample.cpu_ms for sample in here if sample.proxy == "nginx"]
        direct = [sample.p50_us for sample in here if sample.proxy == "direct"]
        for proxy in dict.fromkeys(sample.proxy for sample in here):
            mine = [sample for sample in here if sample.proxy == proxy]
            row: dict[str, object] = {"scenario": scenario, "proxy": proxy, "rounds": len(mine)}
            for name in ("per_s", "cpu_ms", "p50_us", "p99_us"):
                row[name] = round(statistics.median(getattr(s, name) for s in mine), 2)
            row["errors"] = sum(sample.errors for sample in mine)
            added = [s.p50_us - d for s, d in zip(mine, direct, strict=True)]
            row["added_p50_us"] = round(statistics.median(added), 1)
            if nginx_cpu and proxy != "direct":
                ratios = [s.cpu_ms / n for s, n in zip(mine, nginx_cpu, strict=True) if n]
                row["x_nginx"] = round(statistics.median(ratios), 2) if ratios else None
            found.append(row)
    return found


def show(table: list[dict[str, object]]) -> None:
    """For people."""
    print(f"{'load':6}{'proxy':8}{'per s':>10}{'CPU ms/1k':>11}{'x nginx':>9}{'p50 us':>9}"
          f"{'p99 us':>9}{'added p50':>11}{'errors':>8}")  # fmt: skip
    for row in table:
        print(f"{row['scenario']:6}{row['proxy']:8}{row['per_s']:>10,.0f}{row['cpu_ms']:>11.1f}"
              f"{row.get('x_nginx') or '-':>9}{row['p50_us']:>9,.0f}{row['p99_us']:>9,.0f}"
              f"{row['added_p50_us']:>11,.0f}{row['errors']:>8}")  # fmt: skip
    print("per s: answers, of s128 streamed events; CPU for 1,000 of them.")


def main() -> int:
    """Measure and print; 1 if a request failed."""
    parser = argparse.ArgumentParser(description="The router's cost next to nginx.")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    print(f"{ROUNDS} interleaved rounds of {SECONDS:g} s, {os.cpu_count()} cores")
    if not has_nginx():
        print("!! nginx is not installed (apt-get install nginx-light): NO comparison with it")
    samples = [sample for scenario in SCENARIOS for sample in measure(scenario)]
    table = rows(samples)
    show(table)
    if arguments.json:
        data = {"figures": table, "samples": [asdict(sample) for sample in samples]}
        arguments.json.write_text(json.dumps(data, indent=1) + "\n")
    return 1 if any(sample.errors for sample in samples) else 0


if __name__ == "__main__":
    sys.exit(main())
