"""`pointsman-simulator`: reads the flags, prints where it listens, serves until SIGTERM.

Exits 0 after a drain, 2 for flags that mean nothing, 1 when it cannot listen or read its key.
"""

from __future__ import annotations

import asyncio
import sys

from pointsman.process.loop import loop_factory
from pointsman.simulator.serving import serve
from pointsman.simulator.settings import parse


def main() -> int:
    """Serve one simulated model; the exit code."""
    settings = parse()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(settings, lambda line: print(line, flush=True)))
    except OSError as error:
        print(f"pointsman-simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
