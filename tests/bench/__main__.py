"""The bench for developers.

python -m tests.bench build         build the control plane into the cache
python -m tests.bench up            a cluster and a shell in it, until the shell ends
python -m tests.bench run CMD ...   run a command inside a fresh cluster; its exit status is ours
"""

import argparse
import os
import signal
import subprocess
import sys

from tests.bench import Bench, BenchBroken, BuildFailed, NoNamespace
from tests.bench.build import build


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("do", choices=["build", "up", "run"])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    parser.add_argument("--nodes", type=int, default=1)
    options = parser.parse_args()
    # Without this SIGTERM would skip the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.do == "build":
            print(build())
            return 0
        with Bench(nodes=options.nodes) as bench:
            say(f"bench up after {bench.start_seconds:.1f} s; KUBECONFIG={bench.kubeconfig}")
            if options.do == "run":
                return subprocess.run(
                    options.command, env=bench.environment(), check=False
                ).returncode
            return stay(bench)
    except (BuildFailed, NoNamespace, BenchBroken) as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def stay(bench: Bench) -> int:
    """A shell where there is a terminal; otherwise until Ctrl-C or SIGTERM."""
    if sys.stdin.isatty():
        return subprocess.run(
            [os.environ.get("SHELL", "/bin/sh")], env=bench.environment(), check=False
        ).returncode
    while True:
        signal.pause()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
