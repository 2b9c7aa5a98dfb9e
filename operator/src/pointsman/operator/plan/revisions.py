"""Revisions of a policy: immutable, content-hashed ControllerRevisions.

A revision is made when, and only when, a spec is accepted; the one with the highest number is the
last accepted. Going back to an older spec raises that revision's number, its data never changes.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pointsman.api import names
from pointsman.operator.plan.objects import Json, controller_of, labels_of, name_of

KEEP: Final = 10
"""Revisions kept beside the active one: the default revisionHistoryLimit of a Deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One accepted spec of a policy."""

    name: str
    policy: str
    number: int
    spec: Json


def revision_name(policy: str, spec: Json) -> str:
    """`<policy>-<10 hex>`: equal specs have equal names, whatever the order of their keys."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{policy}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def read_revisions(items: Iterable[Json], *, policy: str, uid: str) -> tuple[Revision, ...]:
    """The policy's revisions, oldest first; those of an earlier policy of that name are ignored."""
    found = [
        Revision(
            name=name_of(item),
            policy=policy,
            number=int(item.get("revision") or 0),
            spec=item["data"],
        )
        for item in items
        if labels_of(item).get(names.LABEL_POLICY) == policy
        and controller_of(item).get("uid") == uid
        and isinstance(item.get("data"), Mapping)
    ]
    return tuple(sorted(found, key=lambda revision: (revision.number, revision.name)))


def last_accepted(revisions: Sequence[Revision]) -> Revision | None:
    """The revision with the highest number, or None if nothing was ever accepted."""
    return revisions[-1] if revisions else None


def next_number(revisions: Sequence[Revision], name: str) -> int | None:
    """The number that makes `name` the last accepted revision; None if it is already."""
    newest = last_accepted(revisions)
    if newest is None:
        return 1
    return None if newest.name == name else newest.number + 1


def render_revision(
    *, namespace: str, policy: str, uid: str, name: str, number: int, spec: Json,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The ControllerRevision of an accepted spec, owned by its policy; annotations say why."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                names.LABEL_MANAGED_BY: names.MANAGED_BY,
                names.LABEL_POLICY: policy,
            },
            **({"annotations": dict(annotations)} if annotations else {}),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.ROUTING_POLICY,
                    "name": policy,
                    "uid": uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "revision": number,
        "data": dict(spec),
    }


def to_collect(
    revisions: Sequence[Revision], *, in_force: Collection[str | None], limit: int = KEEP
) -> tuple[str, ...]:
    """Names of revisions to delete: all but the newest `limit` and those in force."""
    others = [revision.name for revision in revisions if revision.name not in in_force]
    return tuple(others[: max(0, len(others) - limit)])
