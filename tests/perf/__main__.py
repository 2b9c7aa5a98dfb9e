"""`make figures`: every measured number of the README, one command after the other."""

import os
import subprocess
import sys

COMMANDS = (
    "tests.perf.analysis",
    "tests.perf.router",
    "tests.perf.memory",
    "tests.perf.propagation",
)


def main() -> int:
    """Run each command; the first that fails gives the exit status."""
    size = "QUICK=1" if os.environ.get("QUICK") else "full size"
    for module in COMMANDS:
        print(f"\n== python -m {module} ({size})", flush=True)
        status = subprocess.run([sys.executable, "-m", module], check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
