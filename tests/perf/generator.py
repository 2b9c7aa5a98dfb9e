"""Load and mock backend, a small Go program of this folder, built into a cache outside the tree.

Guarantees: the same sources and toolchain give the same path; a half-written binary is never seen.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.build import BuildFailed, find_go
from tests.perf.processes import line, started

SOURCES = Path(__file__).parent / "go"
MARGIN_S = 20.0
"""How long a load may take beyond its window: dialing and sorting."""


def cache() -> Path:
    """Where what was built and installed stays."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "pointsman"


def build() -> Path:
    """The program's path; builds it first when the cache has none."""
    go, version = find_go()
    digest = hashlib.sha256(version.encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    binary = cache() / "perf" / digest.hexdigest() / "perf"
    if binary.exists():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    half = binary.with_name(f"perf.{os.getpid()}")
    print("building the load generator ...", flush=True)
    done = subprocess.run(
        [go, "build", "-trimpath", "-o", half, "."],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"},
    )
    if done.returncode:
        raise BuildFailed(f"go build ended with {done.returncode}\n{done.stderr[-2000:]}")
    half.rename(binary)
    return binary


@contextmanager
def mock(binary: Path, core: str, *flags: str) -> Iterator[list[int]]:
    """The backend; its two ports."""
    with started(core, str(binary), "mock", *flags) as child:
        yield [int(port) for port in line(child).split()]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a load saw in its window; all that is counted was compared byte for byte."""

    answers: int
    chunks: int
    longs: int
    errors: int
    error_samples: list[str] | None
    redials: int
    elapsed_s: float
    p50_us: float
    p99_us: float
    gap_p99_us: float
    load_cpu_s: float


def load(
    binary: Path,
    core: str,
    port: int,
    flags: dict[str, object],
    counters: Callable[[], tuple[float, ...]] = tuple,
) -> tuple[Seen, tuple[float, ...]]:
    """One window, and what each of the counters grew in it."""
    arguments = [f"-{name}={value}" for name, value in flags.items()]
    with started(core, str(binary), "load", "-port", str(port), *arguments) as child:
        if line(child, MARGIN_S) != "go":
            raise RuntimeError("the load did not start")
        before = counters()
        if line(child, 60 + MARGIN_S) != "stop":
            raise RuntimeError("the load did not stop")
        grown = tuple(after - was for after, was in zip(counters(), before, strict=True))
        return Seen(**json.loads(line(child, MARGIN_S))), grown
