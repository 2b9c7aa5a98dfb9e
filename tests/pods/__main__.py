"""Real pods for tests and developers.

python -m tests.pods [OPTION ...]   install, build, run the tests of real pods; options of pytest
python -m tests.pods --up           a cluster of two nodes and a shell in it, until the shell ends
python -m tests.pods --run CMD ...  run a command inside a fresh cluster; its exit status is ours

Needs Linux and root. Where real pods cannot run, or POINTSMAN_UNTIL is over, it says so and ends
with 3, which `.ci/run` lets pass.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import BenchBroken, BuildFailed, NoNamespace
from tests.bench.__main__ import say, stay
from tests.bench.build import CONTROL_PLANE, NODE, PAUSE, build
from tests.pods import machine
from tests.pods.cluster import PodsBench
from tests.pods.conftest import VARIABLE
from tests.pods.images import build_images
from tests.until import UNTIL, is_late

HERE = Path(__file__).parent
NOT_RUN = 3


def _be_in_time() -> None:
    if is_late(time.time()):
        raise machine.NoPods(f"it is later than {UNTIL}")


def main(arguments: list[str]) -> int:
    """The exit status of pytest, or of the command."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _be_in_time()
        machine.prepare()
        images = build_images()
        if arguments[:1] in (["--up"], ["--run"]):
            with PodsBench(nodes=2, images=images) as bench:
                say(f"up after {bench.start_seconds:.1f} s; KUBECONFIG={bench.kubeconfig}")
                if arguments[0] == "--up":
                    return stay(bench)
                return subprocess.run(
                    arguments[1:], env=bench.environment(), check=False
                ).returncode
        for program in (CONTROL_PLANE, NODE, PAUSE):
            build(program)
    except machine.NoPods as error:
        say(f"not run: no real pods: {error}")
        return NOT_RUN
    except (BuildFailed, NoNamespace, BenchBroken) as error:
        say(f"pods: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    chosen = (
        arguments
        if any(Path(one.split("::")[0]).exists() for one in arguments)
        else [str(HERE), *arguments]
    )
    command = [sys.executable, "-m", "pytest", "-q", *chosen]
    return subprocess.run(command, env=os.environ | {VARIABLE: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
