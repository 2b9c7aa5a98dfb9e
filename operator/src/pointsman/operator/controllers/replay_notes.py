"""Writes on a candidate's revision what its replay said, for whoever reads it later."""

import json
import logging
from collections.abc import Iterable, Mapping

from pointsman.api.names import ANNOTATION_REPLAY
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api
from pointsman.operator.errors import ReconcileError
from pointsman.operator.plan.objects import Json, annotations_of
from pointsman.operator.plan.rollout.record import Record
from pointsman.operator.plan.rollout.telling import replay_fields

log = logging.getLogger("pointsman.replaying")


async def note_replays(api: Api, items: Mapping[str, Json], records: Iterable[Record]) -> None:
    """`items`: stored revisions by name. One that cannot be written is written next time."""
    for record in records:
        name, replayed = record.rollout.candidate, record.rollout.replayed
        item = items.get(name)
        if replayed is None or item is None:
            continue
        said = json.dumps(replay_fields(replayed), sort_keys=True)
        annotations = annotations_of(item)
        if annotations.get(ANNOTATION_REPLAY) == said:
            continue
        about = {**item["metadata"], "annotations": {**annotations, ANNOTATION_REPLAY: said}}
        try:
            await api.replace(kinds.CONTROLLER_REVISION, {**item, "metadata": about})
        except ReconcileError as error:
            log.warning("replay not noted", extra={"revision": name, "reason": error.reason})
