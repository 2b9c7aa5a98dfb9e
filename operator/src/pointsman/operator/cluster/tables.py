"""The RoutingTable in ConfigMaps: blobs first, the manifest last, under its resourceVersion.

A crash anywhere leaves the old manifest with all its blobs, or the new one with all of its own.
Blobs go away only when nothing can need them: unreferenced, old, not of the last ten manifests.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from pointsman.api import names, table
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import CONFIG_MAP, Kind
from pointsman.operator.errors import Conflict
from pointsman.operator.plan.objects import annotations_of, labels_of, meta, name_of
from pointsman.operator.plan.reevaluating.record import Memory, dump_memories, load_memories
from pointsman.operator.plan.rollout.record import Record, dump_rollouts, load_rollouts
from pointsman.operator.plan.shifting import Shift, dump_shifts, load_shifts

ANNOTATION_HISTORY: Final = f"{names.GROUP}/recent-blobs"
"""JSON: for each of the last manifests, oldest first, the short hashes of its blobs."""
HISTORY: Final = 10
SHIFTS: Final = "shifts"
ROLLOUTS: Final = "rollouts"
LEARNED: Final = "learned"
"""Keys of the manifest's object."""
MAX_HISTORY_BYTES: Final = 192 * 1024
"""The API server takes 256 KiB of annotations; beyond that no manifest could be written at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """What is stored; `manifest` is None if there is none that can be read."""

    item: Object | None
    manifest: table.Manifest | None
    history: tuple[tuple[str, ...], ...]
    blobs: Mapping[str, Object]
    """Metadata of blob ConfigMaps by short hash."""
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    """Policies whose weights are between two revisions."""
    rollouts: Mapping[str, Record] = field(default_factory=dict)
    """Policies with a candidate, or with one that was."""
    learned: Mapping[str, Memory] = field(default_factory=dict)
    """Policies that are re-evaluated."""


def manifest_name(release: str) -> str:
    """Name of the manifest's ConfigMap."""
    return f"{release}-routing-table"


def short(digest: str) -> str:
    """The part of a blob's hash that names its ConfigMap."""
    return digest[:12]


def blob_name(release: str, digest: str) -> str:
    """Name of a blob's ConfigMap."""
    return f"{release}-table-{short(digest)}"


def _labels(release: str, part: str) -> dict[str, str]:
    return {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_TABLE: release,
        names.LABEL_TABLE_PART: part,
    }


def _manifest_of(item: Object | None) -> table.Manifest | None:
    text = ((item or {}).get("binaryData") or {}).get("manifest")
    if text is None:
        return None
    try:
        return table.decode_manifest(base64.b64decode(text, validate=True))
    except (table.TableError, binascii.Error):
        return None  # edited by hand or from a newer release: written anew


def _beside(item: Object | None, key: str) -> bytes:
    """What stands beside the manifest in its object; empty if it is damaged."""
    text = ((item or {}).get("binaryData") or {}).get(key, "")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _history_of(item: Object | None) -> tuple[tuple[str, ...], ...]:
    text = annotations_of(item or {}).get(ANNOTATION_HISTORY, "[]")
    try:
        return msgspec.json.decode(text, type=tuple[tuple[str, ...], ...])
    except msgspec.DecodeError:
        return ()


Listing = Callable[[Kind, str], Coroutine[Any, Any, list[Object]]]


async def read_table(api: Api, release: str, listing: Listing | None = None) -> StoredTable:
    """The manifest and the metadata of all blobs; `listing`: where these are read."""
    selector = f"{names.LABEL_TABLE}={release}"
    listing = listing or api.list_metadata
    async with asyncio.TaskGroup() as group:
        listed = group.create_task(listing(CONFIG_MAP, selector))
        manifest = group.create_task(api.get(CONFIG_MAP, manifest_name(release)))
    found, item = {name_of(one): one for one in listed.result()}, manifest.result()
    prefix = f"{release}-table-"
    return StoredTable(
        item=item,
        manifest=_manifest_of(item),
        history=_history_of(item),
        shifts=load_shifts(_beside(item, SHIFTS)),
        rollouts=load_rollouts(_beside(item, ROLLOUTS)),
        learned=load_memories(_beside(item, LEARNED)),
        blobs={
            name.removeprefix(prefix): one
            for name, one in found.items()
            if labels_of(one).get(names.LABEL_TABLE_PART) == "blob" and name.startswith(prefix)
        },
    )


async def write_blob(api: Api, release: str, digest: str, data: bytes) -> None:
    """One immutable blob; what holds its name already and is not it, is replaced."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": blob_name(release, digest), "labels": _labels(release, "blob")},
        "immutable": True,
        "binaryData": {"blob": base64.b64encode(table.pack(data)).decode()},
    }
    try:
        await api.create(CONFIG_MAP, body)
    except Conflict:
        found = await api.get(CONFIG_MAP, blob_name(release, digest))
        if found is not None and _is_blob(found, release, digest):
            return
        if found is not None:
            await api.delete(CONFIG_MAP, found)
        await api.create(CONFIG_MAP, body)


async def read_blob(api: Api, release: str, digest: str) -> table.PolicyBlob | None:
    """A policy that is stored; None if it is not, or is none."""
    item = await api.get(CONFIG_MAP, blob_name(release, digest))
    packed = ((item or {}).get("binaryData") or {}).get("blob", "")
    try:
        return table.decode_blob(table.unpack(base64.b64decode(packed, validate=True), digest))
    except (table.TableError, binascii.Error):
        return None


class Senders:
    """
    Who may send requests to a Service: policies as they are wanted and as routers run them.

    `running`: the blobs that routers run; None: that is not known yet. It is asked again and again
    while somebody sends, so what a blob says, which its hash names, is read once.
    """

    def __init__(self, api: Api, release: str, running: Callable[[], set[str] | None]) -> None:
        self._api, self._release, self._running = api, release, running
        self._known: dict[str, tuple[str, frozenset[str]]] = {}
        """By blob: its policy, and the Services that it sends to."""

    async def to(self, service: str) -> str:
        """In words; empty if nobody."""
        run = self._running()
        if run is None:
            return "not every router has said yet what it runs"
        manifest = _manifest_of(await self._api.get(CONFIG_MAP, manifest_name(self._release)))
        needed = run | (blobs_of_manifest(manifest) if manifest else set())
        self._known = {digest: one for digest, one in self._known.items() if digest in needed}
        for digest in sorted(needed):
            policy, services = await self._sends(digest)
            if service in services:
                return f"policy {policy} still sends to {service}"
        return ""

    async def _sends(self, digest: str) -> tuple[str, frozenset[str]]:
        known = self._known.get(digest)
        if known is not None:
            return known
        blob = await read_blob(self._api, self._release, digest)
        if blob is None:
            return "", frozenset()  # it may be there the next time
        addresses = [one.address for one in blob.backends.values()]
        services = {one.service for one in addresses if isinstance(one, table.ServiceAddress)}
        return self._known.setdefault(digest, (blob.name, frozenset(services)))


def _is_blob(item: Object, release: str, digest: str) -> bool:
    """True if routers can see it, by its labels, and it holds what its name says."""
    packed = (item.get("binaryData") or {}).get("blob", "")
    try:
        table.unpack(base64.b64decode(packed, validate=True), digest)
    except (table.TableError, binascii.Error):
        return False
    return _labels(release, "blob").items() <= labels_of(item).items()


def blobs_of(entries: Collection[table.PolicyEntry]) -> set[str]:
    """Every blob that they name."""
    candidates = {entry.candidate.blob for entry in entries if entry.candidate}
    return {entry.blob for entry in entries} | candidates


def blobs_of_manifest(manifest: table.Manifest) -> set[str]:
    """Pins among them."""
    return blobs_of(manifest.policies) | ({manifest.pins} if manifest.pins else set())


def _next_history(stored: StoredTable, manifest: table.Manifest) -> tuple[tuple[str, ...], ...]:
    blobs = tuple(sorted(map(short, blobs_of_manifest(manifest))))
    history = stored.history
    if not history or history[-1] != blobs:
        history = (*history, blobs)[-HISTORY:]
    while len(history) > 1 and len(msgspec.json.encode(history)) > MAX_HISTORY_BYTES:
        history = history[1:]
    return history


async def write_manifest(
    api: Api,
    release: str,
    stored: StoredTable,
    manifest: table.Manifest,
    shifts: Mapping[str, Shift],
    *,
    rollouts: Mapping[str, Record] | None = None,
    learned: Mapping[str, Memory] | None = None,
) -> None:
    """
    Replace the manifest that was read; Conflict if another one is there by now.

    `shifts`, `rollouts` and `learned` are not for routers; they stand in its object, so that all is
    stored or nothing.
    """
    data = {"manifest": table.encode(manifest)}
    if shifts:
        data[SHIFTS] = dump_shifts(shifts)
    if rollouts:
        data[ROLLOUTS] = dump_rollouts(rollouts)
    if learned:
        data[LEARNED] = dump_memories(learned)
    history = _next_history(stored, manifest)
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": manifest_name(release),
            "labels": _labels(release, "manifest"),
            "annotations": {ANNOTATION_HISTORY: msgspec.json.encode(history).decode()},
        },
        "binaryData": {key: base64.b64encode(one).decode() for key, one in data.items()},
    }
    if stored.item is None:
        await api.create(CONFIG_MAP, body)
        return
    body["metadata"]["resourceVersion"] = stored.item["metadata"]["resourceVersion"]
    await api.replace(CONFIG_MAP, body)


def intact(stored: StoredTable, release: str) -> bool:
    """False if the manifest's labels were edited, so that routers would no longer see it."""
    wanted = _labels(release, "manifest").items()
    return stored.item is not None and wanted <= labels_of(stored.item).items()


def collectable(
    stored: StoredTable,
    *,
    needed: Collection[str],
    now: datetime,
    min_age_s: float,
) -> Sequence[Object]:
    """Blobs to delete; `needed` are full hashes that are wanted or run by some router."""
    keep = {short(digest) for digest in needed} | {h for blobs in stored.history for h in blobs}
    return [
        item
        for key, item in stored.blobs.items()
        if key not in keep
        and (now - datetime.fromisoformat(str(meta(item)["creationTimestamp"]))).total_seconds()
        > min_age_s
    ]
