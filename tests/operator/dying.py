"""An operator that dies after its n-th write, as by SIGKILL: no cleanup, no goodbye."""

import asyncio
import os
from typing import Any

from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.logs import configure
from pointsman.operator.running import run
from pointsman.operator.settings import parse_settings


class DyingApi(Api):
    """Its last act is write number DIE_AFTER_WRITES, the Lease's not counted."""

    left = int(os.environ["DIE_AFTER_WRITES"])

    async def _write(self, verb: str, kind: Kind, path: str, **more: Any) -> Object:
        done = await super()._write(verb, kind, path, **more)
        DyingApi.left -= kind.name != "Lease"
        if DyingApi.left == 0:
            os._exit(9)
        return done


if __name__ == "__main__":
    configure("INFO")
    asyncio.run(run(parse_settings(), api_class=DyingApi))
