"""Whose the routing table and the Lease are: a ConfigMap of the chart's, so that they go with it.

Guarantees that a release which is uninstalled leaves nothing of its operator's behind, with no
finalizer: the garbage collector also takes what is written after its owner is gone. Without that
ConfigMap (an older chart) nothing has an owner, as before.
"""

import asyncio
import logging
from typing import Any

from pointsman.api import names
from pointsman.operator.cluster.client import Api
from pointsman.operator.cluster.kinds import CONFIG_MAP
from pointsman.operator.errors import Conflict, ReconcileError, Waiting
from pointsman.operator.plan.objects import meta, name_of

log = logging.getLogger("pointsman.owner")


def owner_name(release: str) -> str:
    """Name of the chart's ConfigMap."""
    return f"{release}-owner"


async def look_up(api: Api, release: str) -> None:
    """From now on, what `api` writes for the release belongs to its owner, if there is one."""
    found = await api.get(CONFIG_MAP, owner_name(release))
    api.owners[:] = [_reference(found)] if found else []


def _reference(owner: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
    }


async def adopt(api: Api, release: str) -> None:
    """Give what an older operator stored its owner; what somebody else changes meanwhile waits."""
    if not api.owners:
        log.warning("no owner", extra={"configmap": owner_name(release)})
        return
    for one in await api.list_metadata(CONFIG_MAP, f"{names.LABEL_TABLE}={release}"):
        if meta(one).get("ownerReferences"):
            continue
        item = await api.get(CONFIG_MAP, name_of(one))
        if item is None:
            continue
        try:
            await api.replace(CONFIG_MAP, item)
        except (Conflict, Waiting) as error:
            log.warning("not adopted", extra={"configmap": name_of(one), "error": str(error)})


async def own(api: Api, release: str) -> None:
    """Both, tried until they could be done: nothing may be written without its owner."""
    while True:
        try:
            await look_up(api, release)
            await adopt(api, release)
        except ReconcileError as error:
            log.warning("owner not read", extra={"reason": error.reason, "error": str(error)})
        else:
            return
        await asyncio.sleep(0.5)
