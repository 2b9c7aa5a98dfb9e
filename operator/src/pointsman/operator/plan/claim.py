"""Which release serves a namespace: the one whose operator's Deployment is the oldest in it.

Guarantees one answer for all operators that see the same Deployments, after every restart, with
nothing stored. A release that is uninstalled leaves the namespace to the next one.
"""

from collections.abc import Sequence
from typing import Final

from pointsman.operator.plan.objects import Json, labels_of, meta, name_of

OPERATORS: Final = "app.kubernetes.io/name=pointsman,app.kubernetes.io/component=operator"
"""The chart's labels of an operator's Deployment, whatever the release."""
LABEL_RELEASE: Final = "app.kubernetes.io/instance"


def older_release(deployments: Sequence[Json], *, release: str) -> str | None:
    """The release that serves instead of this one; an operator that has no Deployment yields."""
    living = [one for one in deployments if not meta(one).get("deletionTimestamp")]
    first = min(living, key=lambda one: (_created(one), name_of(one)), default=None)
    serving = labels_of(first).get(LABEL_RELEASE, "") if first is not None else release
    return None if serving == release else serving


def _created(item: Json) -> str:
    return str(meta(item).get("creationTimestamp") or "")
