"""Lives of an operator that dies after its n-th write, as by SIGKILL: no cleanup, no goodbye.

Each life is a fork of this process, which has loaded the code once. The file LIVES has a byte for
each life that died of its writes; an operator that ends in another way ends this process too.
"""

import asyncio
import os
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.logs import configure
from pointsman.operator.running import run
from pointsman.operator.settings import parse_settings

DIED_OF_WRITES = 9
WRITES = (2, 1, 2, 3)
"""Every start writes the manifest once, with its new epoch: one write is no progress, two are."""


class DyingApi(Api):
    """Its last act is write number `left`, the Lease's not counted."""

    left: ClassVar[int]

    async def _write(self, verb: str, kind: Kind, name: str, **more: Any) -> Object:
        done = await super()._write(verb, kind, name, **more)
        DyingApi.left -= kind.name != "Lease"
        if DyingApi.left == 0:
            os._exit(DIED_OF_WRITES)
        return done


def main() -> int:
    configure("INFO")
    settings, lives = parse_settings(), Path(os.environ["LIVES"])
    for writes in cycle(WRITES):
        child = os.fork()
        if child == 0:
            DyingApi.left = writes
            asyncio.run(run(settings, api_class=DyingApi))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != DIED_OF_WRITES:
            return code or 1
        with lives.open("ab") as file:
            file.write(b".")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    raise SystemExit(main())
