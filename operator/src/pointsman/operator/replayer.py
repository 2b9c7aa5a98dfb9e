"""`python -m pointsman.operator.replayer`: one replay, a Job on standard input, Replayed on output.

A process of its own, with a bound on its memory, so that it holds up nobody: cluster/replaying.py
begins it and may end it.
"""

import os
import resource
import sys
from typing import Final

import msgspec

from pointsman.operator.plan.rollout.rerouting import Job, replay

NICE: Final = 10
"""Behind the operator."""
MOST_BYTES: Final = 512 * 1024 * 1024
"""10,000 requests with the longest names, and two policies, take a quarter of it."""


def main() -> None:
    """Raises on anything that is no Job: whoever began it reads the last line."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(replay(job)))


if __name__ == "__main__":
    main()
