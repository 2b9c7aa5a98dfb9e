"""Events of our kinds, as `kubectl describe` and `kubectl events` show them.

The name follows from what happened and when, or to which version of the object: one that is posted
twice is there once.
"""

import hashlib
from typing import Any, Final, Literal

from pointsman.api import names
from pointsman.operator.plan.objects import Json, meta, name_of

CONTROLLER: Final = f"{names.GROUP}/operator"
MAX_NOTE: Final = 1024


def event_of(
    item: Json,
    *,
    kind: Literal["Normal", "Warning"],
    reason: str,
    note: str,
    instance: str,
    now: str,
    about_kind: str = names.MODEL_BACKEND,
    action: str = "Scale",
    of_version: bool = False,
) -> dict[str, Any]:
    """
    An events.k8s.io/v1 Event about `item`; `now` is RFC 3339 in UTC, in whole seconds.

    `of_version`: whoever reads the same version of it, and tells the same, tells it once.
    """
    about = meta(item)
    when = about.get("resourceVersion") if of_version else now
    digest = hashlib.sha256(f"{about.get('uid')} {when} {reason} {note}".encode()).hexdigest()
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{name_of(item)}.{digest[:16]}",
            "namespace": about.get("namespace"),
        },
        "eventTime": now.replace("Z", ".000000Z"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": action,
        "reason": reason,
        "type": kind,
        "note": note[:MAX_NOTE],
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": about_kind,
            "namespace": about.get("namespace"),
            "name": name_of(item),
            "uid": about.get("uid"),
            "resourceVersion": about.get("resourceVersion"),
        },
    }
