"""The one place where status is written, and only when it says something new."""

import logging
from collections.abc import Mapping
from typing import Any

from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Conflict, Gone

log = logging.getLogger("pointsman.status")


async def write_status(
    api: Api, kind: Kind, item: Mapping[str, Any], status: dict[str, Any]
) -> None:
    """Write unless it is stored already; an object that is gone or was made anew needs none."""
    if (item.get("status") or {}) == status:
        return
    try:
        await api.apply_status(kind, item, status)
    except (Gone, Conflict) as error:
        log.debug("status not written", extra={"reason": error.reason})
