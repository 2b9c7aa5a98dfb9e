"""`pointsman top`: what routers have in work and hold now, beside each backend's replicas.

| exit status |                                          |
| 0           | shown                                    |
| 1           | no router or no API server could be read |
| 2           | wrong usage                              |
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.api import names
from pointsman.cli.listing.arguments import cluster_flags
from pointsman.cli.listing.page import Column, Page, Table
from pointsman.cli.listing.showing import show
from pointsman.cli.rollout.kubectl import Failed, Kubectl
from pointsman.cli.top.figures import Figure, figures_of, read, routers

_KIND: Final = f"{names.PLURALS[names.MODEL_BACKEND]}.{names.GROUP}"
_IN_WORK: Final = "pointsman_router_in_flight"
_HELD: Final = "pointsman_router_held"
Key = tuple[str, str]
Json = Mapping[str, Any]


@dataclass(slots=True)
class Load:
    """Of all routers that could be read, by namespace and backend."""

    in_work: Counter[Key] = field(default_factory=Counter)
    held: Counter[Key] = field(default_factory=Counter)
    seen: set[Key] = field(default_factory=set)
    asked: int = 0
    silent: int = 0

    def add(self, namespace: str, figures: Iterable[Figure]) -> None:
        """One router."""
        self.asked += 1
        for name, labels, value in figures:
            if name in {_IN_WORK, _HELD} and "backend" in labels:
                key = (namespace, labels["backend"])
                self.seen.add(key)
                (self.in_work if name == _IN_WORK else self.held)[key] += int(value)


def top(options: argparse.Namespace) -> int:
    """See the table above."""
    try:
        if options.router:
            show(options, lambda: _of_urls(options.router))
        else:
            kubectl = Kubectl(cluster_flags(options))
            show(options, lambda: _of_cluster(kubectl, every=options.all_namespaces))
    except Failed as error:
        print(f"pointsman top: {error}", file=sys.stderr)
        return 1
    return 0


def _of_urls(urls: Sequence[str]) -> Page:
    load = Load()
    for url in urls:
        load.add("", figures_of(read(url)))
    return page([], load, all_namespaces=False)


def _of_cluster(kubectl: Kubectl, *, every: bool) -> Page:
    flags = ["--all-namespaces"] if every else []
    items = kubectl.get(_KIND, *flags)["items"]
    load = Load()
    try:
        there = routers(kubectl, flags)
    except Failed as error:
        raise Failed(f"the routers' pods cannot be listed: {error}") from None
    for namespace, path in there:
        try:
            load.add(namespace, figures_of(kubectl.run("get", "--raw", path)))
        except Failed:
            load.silent += 1
    if load.silent and not load.asked:
        raise Failed(
            "no router could be read: it takes the right to get pods/proxy, and NetworkPolicies"
            " that let the API server in (networkPolicy.adminFrom)"
        )
    return page(items, load, all_namespaces=every)


def page(items: Sequence[Json], load: Load, *, all_namespaces: bool) -> Page:
    """PURE: a row for each backend, the busiest first."""
    by_key = {(str(one["metadata"].get("namespace", "")), one["metadata"]["name"]): one
              for one in items}  # fmt: skip
    keys = [*by_key] if items else sorted(load.seen)
    keys.sort(key=lambda key: (-load.in_work[key] - load.held[key], key))
    column = (Column("NAMESPACE"),) if all_namespaces else ()
    columns = (
        *column, Column("BACKEND"), Column("IN-WORK"), Column("HELD"), Column("QUEUE"),
        Column("REPLICAS"), Column("DESIRED", wide=True), Column("SCALED", wide=True),
    )  # fmt: skip
    rows, told = [], []
    for key in keys:
        namespace, name = key
        cells = _cells(by_key.get(key, {}), load, key)
        rows.append((*((namespace,) if all_namespaces else ()), name, *cells.values()))
        told.append({"namespace": namespace, "backend": name, **cells})
    silent = f"{load.silent} of {load.silent + load.asked} routers could not be read"
    return Page(
        tables=(Table(columns, tuple(rows)),),
        below=(silent,) if load.silent else (),
        items=tuple(told),
        names=tuple(f"modelbackend.{names.GROUP}/{name}" for _, name in keys),
        empty="No backend found.",
    )


def _cells(item: Json, load: Load, key: Key) -> dict[str, str]:
    status = item.get("status") or {}
    scale = status.get("lastScale") or {}
    deployed = "deployment" in (item.get("spec") or {})
    return {
        "inWork": str(load.in_work[key]) if load.asked else "",
        "held": str(load.held[key]) if load.asked else "",
        "queueDepth": str(status.get("queueDepth", "")),
        "replicas": f"{status.get('readyReplicas') or 0}/{status.get('replicas') or 0}"
        if deployed
        else "",
        "desired": str(scale.get("desired", "")),
        "scaled": str(scale.get("reason", "")),
    }
