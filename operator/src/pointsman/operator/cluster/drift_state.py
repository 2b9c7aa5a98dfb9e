"""What is known of a backend's drift, in one ConfigMap beside it.

It belongs to the ModelBackend and goes with it. Written under its resourceVersion: of two operators
one is told that the other was first. Another's ConfigMap of that name is left alone.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pointsman.api import names
from pointsman.evaluation.drift.errors import BadState
from pointsman.operator.cluster.client import Object
from pointsman.operator.cluster.kinds import CONFIG_MAP, Kind
from pointsman.operator.errors import Stalled
from pointsman.operator.plan.drifting.record import Record, dump, load
from pointsman.operator.plan.objects import labels_of, meta, name_of

KEY: Final = "record"
MAX_BYTES: Final = 720 * 1024
"""Of the record; in base64 a ConfigMap still holds it."""


class Keeps(Protocol):
    """What is asked of an API server; local mode has a memory."""

    namespace: str

    async def get(self, kind: Kind, name: str, /) -> Object | None:
        """None if there is none."""

    async def create(self, kind: Kind, body: Object, /) -> Object:
        """Raises Conflict if there is one."""

    async def replace(self, kind: Kind, body: Object, /) -> Object:
        """Raises Conflict if it is another by now."""


@dataclass(frozen=True, slots=True)
class Stored:
    """`lost` says why there is no record although something is stored."""

    item: Object | None
    record: Record | None
    lost: str = ""


async def read_record(api: Keeps, backend: str) -> Stored:
    """Raises ReconcileError; Stalled if the name is somebody else's."""
    item = await api.get(CONFIG_MAP, names.drift_name(backend))
    if item is None:
        return Stored(None, None)
    if labels_of(item).get(names.LABEL_DRIFT) != backend:
        raise Stalled(f'ConfigMap "{name_of(item)}" belongs to someone else')
    text = (item.get("binaryData") or {}).get(KEY, "")
    try:
        record = await asyncio.to_thread(load, base64.b64decode(text, validate=True))
    except (BadState, binascii.Error) as error:
        return Stored(item, None, f"what was stored cannot be read ({error})")
    return Stored(item, record)


async def write_record(
    api: Keeps, backend: Mapping[str, Any], before: Object | None, record: Record
) -> Object:
    """The ConfigMap as it is now. Raises ReconcileError: Conflict if somebody else was first."""
    data = await asyncio.to_thread(dump, record)
    if len(data) > MAX_BYTES:
        raise Stalled(f"the record of drift has {len(data)} bytes, over {MAX_BYTES}")
    about, name = meta(backend), name_of(backend)
    item: Object = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "metadata": {
            "name": names.drift_name(name),
            "namespace": api.namespace,
            "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_DRIFT: name},
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.MODEL_BACKEND,
                    "name": name,
                    "uid": about.get("uid"),
                    "controller": True,
                }
            ],
        },
        "binaryData": {KEY: base64.b64encode(data).decode()},
    }
    if before is None:
        return await api.create(CONFIG_MAP, item)
    item["metadata"]["resourceVersion"] = meta(before)["resourceVersion"]
    return await api.replace(CONFIG_MAP, item)
