"""An operator that is there again at once when it was killed: `python -m tests.faults.lives`.

Each life is a fork of this process, which has loaded the code once: a start takes tenths of a
second. PID_FILE has the id of the life that runs; one that ends by itself ends this process too.
"""

import asyncio
import os
import signal
from pathlib import Path

from pointsman.operator.logs import configure
from pointsman.operator.running import run
from pointsman.operator.settings import parse_settings


def main() -> int:
    """Until a life ends in another way than by SIGKILL."""
    configure("INFO")
    settings, file = parse_settings(), Path(os.environ["PID_FILE"])
    while True:
        child = os.fork()
        if child == 0:
            file.write_text(str(os.getpid()))
            asyncio.run(run(settings))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            return code or 1


if __name__ == "__main__":
    raise SystemExit(main())
