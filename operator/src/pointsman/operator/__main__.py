"""`pointsman-operator`: ends with 0 when asked to, 1 when a restart helps, 3 on a lost Lease."""

import asyncio
import logging
import sys
from collections.abc import Sequence

from pointsman.operator.errors import ReconcileError
from pointsman.operator.logs import configure
from pointsman.operator.settings import parse_settings
from pointsman.process.starting import importing

log = logging.getLogger("pointsman.operator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one operator process."""
    settings = parse_settings(arguments)
    configure(settings.log_level)
    with importing():
        from pointsman.operator.controllers.queue import leaves  # noqa: PLC0415
        from pointsman.operator.running import run  # noqa: PLC0415
    try:
        asyncio.run(run(settings))
    except* ReconcileError as group:
        for error in leaves(group):
            reason = getattr(error, "reason", "Broken")
            log.critical("exit", extra={"reason": reason, "error": str(error)})
        return_code = 1
    else:
        return_code = 0
    return return_code


if __name__ == "__main__":
    sys.exit(main())
