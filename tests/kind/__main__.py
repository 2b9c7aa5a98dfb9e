"""`make e2e-kind`: a kind cluster with our images, tests/e2e on it, and its end.

Needs a Docker engine; without one it says what is missing and ends with 2. More arguments are
pytest's: `python -m tests.kind -k answers`. `--build` only builds kind, from its Go module.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.build import BuildFailed, Program, build
from tests.e2e.anywhere import VARIABLE
from tests.kind import plan

ROOT: Final = Path(__file__).parents[2]
KIND: Final = Program(
    "kind", ".", ("go.mod", "go.sum", "main.go"), sources=Path(__file__).parent / "go"
)


def docker_error() -> str | None:
    """What `docker info` complains about; None where an engine answers."""
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    text = done.stderr.strip().splitlines()
    return text[-1] if done.returncode and text else None


def run(step: plan.Step, environment: dict[str, str]) -> int:
    """Its exit status; 124 when it was ended for being late."""
    print(f"kind: {step.says} ...", file=sys.stderr, flush=True)
    try:
        return subprocess.run(
            step.command, check=False, timeout=step.seconds, env=environment, cwd=ROOT
        ).returncode
    except subprocess.TimeoutExpired:
        print(f"kind: {step.says}: not done in {step.seconds} s", file=sys.stderr)
        return 124


def main(arguments: list[str]) -> int:
    """0 only if every step and every test passed."""
    try:
        if arguments == ["--build"]:
            print(build(KIND))
            return 0
        if why := plan.lacking(shutil.which, docker_error() if shutil.which("docker") else None):
            print(f"not run: {why}", file=sys.stderr)
            return 2
        kind = build(KIND)
    except BuildFailed as error:
        print(f"kind: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="pointsman-kind-") as name:
        folder = Path(name)
        (folder / "kind.yaml").write_text(plan.NODES)
        environment = os.environ | {VARIABLE: str(folder / "kubeconfig")}
        images = plan.Step(
            "building the images", (sys.executable, "-m", "tests.images", "build", name), 1800
        )
        try:
            for step in (images, *plan.steps(kind, folder), plan.tests(sys.executable, arguments)):
                if status := run(step, environment):
                    return status
            return 0
        finally:
            run(plan.delete(kind), environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
