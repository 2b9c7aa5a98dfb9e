"""The one place where status is written, and only when it says something new."""

import logging
from collections.abc import Mapping
from typing import Any

from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.errors import Gone
from pointsman.operator.plan.crds import known

log = logging.getLogger("pointsman.status")


async def write_status(
    api: Api, kind: Kind, item: Mapping[str, Any], status: dict[str, Any]
) -> None:
    """
    Write unless it is stored already; an object that is gone needs none.

    Fields that an older CRD does not know are left out: with them nothing would be stored at all.
    Conflict if it was changed since it was read: the reconcile is to be done again.
    """
    if kind.name in api.older:
        status = known(status, api.older[kind.name], "status")
    if (item.get("status") or {}) == status:
        return
    try:
        await api.apply_status(kind, item, status)
    except Gone as error:
        log.debug("status not written", extra={"reason": error.reason})
