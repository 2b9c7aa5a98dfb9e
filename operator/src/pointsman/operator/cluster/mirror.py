"""What is stored of the kinds that every reconcile looks at, so that an edit reads what it changed.

| it was told                              | and reads, before it is asked next |
|------------------------------------------|------------------------------------|
| nothing yet, or that anything may differ | all of the kind                    |
| of a few objects that events named       | these                              |
| that kopf has listed a kind anew         | all of the kind                    |
| the answer to a write of this process    | nothing                            |

Nothing of an event but its name and version is used: it says what to read, never what is there.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api import names
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.client import Api, Object
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.plan.objects import labels_of, meta, name_of
from pointsman.operator.settings import Settings

MOST_READS: Final = 16
"""Objects of one kind that are read one by one; beyond, a list is cheaper for both sides."""
BY_LIST: Final = frozenset({kinds.POD, kinds.ENDPOINT_SLICE})
"""Kinds that we may list and not get."""
WHOLE: Final = frozenset({kinds.CONFIG_MAP, kinds.CONTROLLER_REVISION})
"""Kinds that nobody else writes: if one changes, all of them are looked at."""
LABEL_SERVICE: Final = "kubernetes.io/service-name"


def version_of(item: Object) -> int:
    """Of an object; 0 if it has none. Kubernetes promises that they can be compared."""
    text = str(meta(item).get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _slim(item: Object) -> Object:
    """Without who manages which field, which is half of an object, and without a table's bytes."""
    about = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {key: value for key, value in item.items() if key != "binaryData"} | {"metadata": about}


@dataclass(slots=True)
class _Shelf:
    """The objects of one kind that a selector chooses."""

    kind: Kind
    selector: str = ""
    label: str = ""
    """Objects can be asked for by its value."""
    metadata_only: bool = False
    items: dict[str, Object] = field(default_factory=dict)
    by_label: dict[str, dict[str, Object]] = field(default_factory=lambda: defaultdict(dict))
    whole: bool = True
    """All of it is to be read."""
    touched: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    """By this process while a reading was under way, which may have been older."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def only_whole(self) -> bool:
        """Whether one object alone cannot be read, or not told to be of this shelf."""
        return self.kind in WHOLE or any(sign in self.selector for sign in "!()")

    def concerns(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels may be here; model servers are not routers."""
        if self.kind != kinds.POD:
            return True
        return (names.LABEL_BACKEND in labels) == (self.label == names.LABEL_BACKEND)

    def put(self, item: Object) -> None:
        """As it is now, unless a newer one is known."""
        name = name_of(item)
        known = self.items.get(name)
        if known is not None and version_of(known) >= version_of(item):
            return
        self.drop(name)
        slim = _slim(item)
        self.items[name] = slim
        if self.label:
            self.by_label[labels_of(slim).get(self.label, "")][name] = slim

    def drop(self, name: str) -> None:
        """It is gone."""
        known = self.items.pop(name, None)
        if known is not None and self.label:
            self.by_label[labels_of(known).get(self.label, "")].pop(name, None)


class Mirror:
    """Reads as `Api` does, of one namespace; what it gives out must not be changed."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._shelves = (
            _Shelf(kinds.MODEL_BACKEND),
            _Shelf(kinds.ROUTING_POLICY),
            _Shelf(kinds.DEPLOYMENT),
            _Shelf(kinds.SERVICE),
            _Shelf(kinds.ENDPOINT_SLICE, label=LABEL_SERVICE),
            _Shelf(kinds.POD, names.LABEL_BACKEND, label=names.LABEL_BACKEND),
            _Shelf(kinds.POD, settings.router_selector),
            _Shelf(kinds.CONTROLLER_REVISION, names.LABEL_POLICY),
            _Shelf(kinds.CONFIG_MAP, f"{names.LABEL_TABLE}={settings.release}", metadata_only=True),
        )
        self._by_plural: Mapping[str, tuple[_Shelf, ...]] = {
            plural: tuple(one for one in self._shelves if one.kind.plural == plural)
            for plural in {one.kind.plural for one in self._shelves}
        }

    # What it is told

    def hear(self, plural: str, kind: str | None, about: Mapping[str, Any]) -> bool:
        """An event of this type about an object with this metadata; False: it is no news."""
        if kind == "DELETED":
            self.deleted(plural, about["name"])
            return True
        if kind is None:  # listed anew: what was deleted while nobody watched is named by no event
            for shelf in self._by_plural.get(plural, ()):
                shelf.whole = True
        version, labels = about.get("resourceVersion") or "", about.get("labels") or {}
        return self.touch(plural, about["name"], version, labels)

    def touch(self, plural: str, name: str, version: str, labels: Mapping[str, str]) -> bool:
        """An event named this object in this version; False if all of that is known already."""
        news = plural not in self._by_plural
        for shelf in self._by_plural.get(plural, ()):
            if not shelf.concerns(labels):
                continue
            known = shelf.items.get(name)
            if known is not None and version.isdecimal() and version_of(known) >= int(version):
                continue
            shelf.touched.add(name)
            news = True
        return news

    def deleted(self, plural: str, name: str) -> None:
        """An event said that this object is gone; there may be another one of its name."""
        for shelf in self._by_plural.get(plural, ()):
            if name in shelf.items or shelf.lock.locked():  # a reading on its way may have it
                shelf.touched.add(name)

    def spoil(self) -> None:
        """Anything may be different: an event may have been lost."""
        for shelf in self._shelves:
            shelf.whole = True

    def doubt(self, kind: Kind, name: str) -> None:
        """A write of it failed, or nobody knows: it is not what it was taken for."""
        for shelf in self._by_plural.get(kind.plural, ()):
            shelf.touched.add(name)

    def note(self, kind: Kind, name: str, item: Object | None) -> None:
        """This process wrote it and this is the answer; None: it is gone."""
        for shelf in self._by_plural.get(kind.plural, ()):
            shelf.written.add(name)
            if item is None:
                shelf.drop(name)
            elif _chosen(shelf, item):
                shelf.put(item)

    # What it is asked

    async def list_all(self, kind: Kind, selector: str = "") -> list[Object]:
        """All objects of a kind, optionally by label."""
        for shelf in self._by_plural.get(kind.plural, ()):
            if shelf.metadata_only:
                continue
            if selector == shelf.selector:
                await self._refresh(shelf)
                return list(shelf.items.values())
            label, _, value = selector.partition("=")
            if shelf.label and label == shelf.label and value:
                await self._refresh(shelf)
                return list(shelf.by_label.get(value, {}).values())
        return await self._api.list_all(kind, selector)

    async def list_metadata(self, kind: Kind, selector: str) -> list[Object]:
        """The same without spec and data."""
        for shelf in self._by_plural.get(kind.plural, ()):
            if shelf.metadata_only and selector == shelf.selector:
                await self._refresh(shelf)
                return list(shelf.items.values())
        return await self._api.list_metadata(kind, selector)

    async def get(self, kind: Kind, name: str) -> Object | None:
        """One object, or None."""
        for shelf in self._by_plural.get(kind.plural, ()):
            if not shelf.selector:
                await self._refresh(shelf)
                return shelf.items.get(name)
        return await self._api.get(kind, name)

    async def look(self, kind: Kind, wanted: Iterable[str]) -> None:
        """Whether these are there: what another kind's object names may be younger than events."""
        for shelf in self._by_plural[kind.plural]:
            shelf.touched |= {name for name in wanted if name not in shelf.items}
            await self._refresh(shelf)

    async def _refresh(self, shelf: _Shelf) -> None:
        """Read what is known to differ; what an event names meanwhile has its own reconcile."""
        async with shelf.lock:
            if not shelf.whole and not shelf.touched:
                return
            touched, shelf.touched, shelf.written = shelf.touched, set(), set()
            everything = shelf.whole or len(touched) > MOST_READS or shelf.only_whole
            shelf.whole = False
            try:
                if everything:
                    await self._read_all(shelf)
                else:
                    await self._read(shelf, touched)
            except BaseException:
                shelf.touched |= touched
                shelf.whole = shelf.whole or everything
                raise
            shelf.touched |= shelf.written if everything else shelf.written & touched

    async def _read_all(self, shelf: _Shelf) -> None:
        read = self._api.list_metadata if shelf.metadata_only else self._api.list_all
        found = await read(shelf.kind, shelf.selector)
        listed = {name_of(item): item for item in found}
        for name in shelf.items.keys() - listed.keys() - shelf.written:
            shelf.drop(name)
        for name, item in listed.items():
            if name not in shelf.written:
                self._replace(shelf, item)

    async def _read(self, shelf: _Shelf, wanted: Collection[str]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._one(shelf, name)) for name in wanted}
        for name, task in tasks.items():
            item = task.result()
            if name in shelf.written:
                continue
            if item is None or not _chosen(shelf, item):
                shelf.drop(name)
            else:
                self._replace(shelf, item)

    @staticmethod
    def _replace(shelf: _Shelf, item: Object) -> None:
        """A reading is the truth, also if its version is an older one: a restored backup's."""
        known = shelf.items.get(name_of(item))
        if known is not None and version_of(known) != version_of(item):
            shelf.drop(name_of(item))
        shelf.put(item)

    async def _one(self, shelf: _Shelf, name: str) -> Object | None:
        if shelf.kind in BY_LIST:
            return await self._api.find(shelf.kind, name)
        return await self._api.get(shelf.kind, name)


def _chosen(shelf: _Shelf, item: Object) -> bool:
    """By the shelf's own selector: `label`, or `label=value` of any number."""
    labels = labels_of(item)
    for term in filter(None, shelf.selector.split(",")):
        label, equals, value = term.partition("=")
        if label not in labels or (equals and labels[label] != value):
            return False
    return True
