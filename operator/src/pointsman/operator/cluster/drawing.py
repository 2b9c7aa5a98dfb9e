"""Asks the ledger for draws, and keeps what is remembered of one in a ConfigMap; no text is in it.

The ConfigMap belongs to the EvaluationSuite and goes with it. Another's of that name is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from pointsman.api import names
from pointsman.evaluation.suite.drawn import BadDraw, Remembered, dump, load
from pointsman.events.draws import MAX_TOLD_BYTES, Asked, Told
from pointsman.events.ship import Target, post
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import CONFIG_MAP
from pointsman.operator.cluster.ledger import body_of
from pointsman.operator.errors import Stalled, Waiting
from pointsman.operator.plan.objects import labels_of, meta, name_of

KEY: Final = "draw.json"
Ask = Callable[[Asked], Awaitable[Told]]
_told = msgspec.json.Decoder(Told)


class NotOurs(Stalled):
    """The name of the ConfigMap is somebody else's."""


def asking(target: Target | None) -> Ask | None:
    """How that ledger is asked: raises Waiting with what went wrong, and no text in it."""
    if target is None:
        return None

    async def ask(asked: Asked) -> Told:
        return await asyncio.to_thread(_ask, target, asked)

    return ask


def _ask(target: Target, asked: Asked) -> Told:
    sent = msgspec.json.encode(asked)
    body = body_of(lambda: post(target, "/v1/draws", sent, MAX_TOLD_BYTES))
    try:
        return _told.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Waiting("the ledger's answer is none") from None


async def read_draw(api: Api, suite: str) -> tuple[Object | None, Remembered | None]:
    """What is stored. Raises ReconcileError; NotOurs if the name is somebody else's."""
    item = await api.get(CONFIG_MAP, names.draw_name(suite))
    if item is None:
        return None, None
    if labels_of(item).get(names.LABEL_DRAW) != suite:
        raise NotOurs(f'ConfigMap "{name_of(item)}" belongs to someone else')
    try:
        return item, load(str((item.get("data") or {}).get(KEY, "")))
    except BadDraw:
        return item, None


async def write_draw(
    api: Api, suite: Mapping[str, Any], before: Object | None, known: Remembered
) -> Object:
    """The ConfigMap as it is now. Raises ReconcileError: Conflict if somebody else was first."""
    about, name = meta(suite), name_of(suite)
    item: Object = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "metadata": {
            "name": names.draw_name(name),
            "namespace": api.namespace,
            "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_DRAW: name},
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.EVALUATION_SUITE,
                    "name": name,
                    "uid": about.get("uid"),
                    "controller": True,
                }
            ],
        },
        "data": {KEY: dump(known)},
    }
    if before is None:
        return await api.create(CONFIG_MAP, item)
    item["metadata"]["resourceVersion"] = meta(before)["resourceVersion"]
    return await api.replace(CONFIG_MAP, item)
