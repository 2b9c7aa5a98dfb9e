"""`pointsman-operator` that dies after its first write, as SIGKILL would: no cleanup, no goodbye."""

import os
import sys
from typing import Any

from pointsman.operator import running
from pointsman.operator.__main__ import main
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import Kind


class DyingApi(Api):
    """The first write that is not the Lease's is the last thing that this process does."""

    async def _write(self, verb: str, kind: Kind, path: str, **more: Any) -> Object:
        done = await super()._write(verb, kind, path, **more)
        if kind.name != "Lease":
            os._exit(9)
        return done


if __name__ == "__main__":
    running.Api = DyingApi  # type: ignore[misc]
    sys.exit(main())
