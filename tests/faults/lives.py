"""An operator that is there again at once when it was killed: `python -m tests.faults.lives`.

Each life is a fork of this process, which has loaded the code once: a start takes tenths of a
second. PID_FILE has the id of the life that runs. One that lost its Lease, as is due when the API
server is away for long, is followed too, as a kubelet would; any other end ends this process.
"""

import asyncio
import importlib
import os
import signal
from pathlib import Path

from pointsman.operator.logs import configure
from pointsman.operator.running import run
from pointsman.operator.settings import parse_settings

LEASE_LOST = 3
"""As `exit_now` of the operator's Lease ends a process."""


def main() -> int:
    """Until a life ends in another way than by SIGKILL."""
    configure("INFO")
    for late in ("client", "config"):
        importlib.import_module(f"kubernetes.aio.{late}")
    settings, file = parse_settings(), Path(os.environ["PID_FILE"])
    while True:
        child = os.fork()
        if child == 0:
            file.write_text(str(os.getpid()))
            asyncio.run(run(settings))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (-signal.SIGKILL, LEASE_LOST):
            return code or 1


if __name__ == "__main__":
    raise SystemExit(main())
