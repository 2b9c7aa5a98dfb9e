"""`make bench`: a whole fleet on a real control plane, and a shell beside it.

Both charts, three routers and the support desk's backends in namespace `models`. Where there is no
terminal it stays until Ctrl-C or SIGTERM.
"""

import argparse
import signal
import sys

from tests.bench import Bench, BenchBroken, BuildFailed, CommandFailed, NoNamespace
from tests.bench.__main__ import say, stay
from tests.e2e.fleet import CALLER_KEY, install

NAMESPACE = "models"


def main() -> int:
    """1 if the bench cannot be built or started."""
    argparse.ArgumentParser(
        prog="python -m tests.e2e",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Bench() as bench:
            fleet = install(bench, NAMESPACE)
            fleet.apply_example("02-support-desk")
            fleet.wait_ready("mb", "rp")
            bench.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")
            say(bench.kubectl("get", "mb,rp,pods", "-n", NAMESPACE))
            say(f"KUBECONFIG={bench.kubeconfig}; base URLs: {', '.join(fleet.routers())}")
            say(f"OPENAI_API_KEY={CALLER_KEY}")
            return stay(bench)
    except (BuildFailed, NoNamespace, BenchBroken, CommandFailed) as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
