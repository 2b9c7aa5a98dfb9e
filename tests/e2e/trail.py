"""Everything that was ever stored of policies, backends, replicas and the table, by watches.

A watch tells each version of an object; after an API server's restart it goes on where it was.
"""

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from pointsman.api import table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.plan.rollout.record import Record, load_rollouts
from pointsman.router.control.kube import ApiError, KubeClient, Unreachable
from pointsman.router.control.kube_config import from_kubeconfig
from tests.e2e.fleet import RELEASE
from tests.support.conditions import broken_rules, unexplained

Json = dict[str, Any]
MANIFEST: Final = f"{RELEASE}-routing-table"
AGAIN_S: Final = 0.2
WATCHED: Final = (kinds.ROUTING_POLICY, kinds.MODEL_BACKEND, kinds.CONFIG_MAP, kinds.DEPLOYMENT)


class Table(NamedTuple):
    """One version of the manifest's object."""

    manifest: table.Manifest
    rollouts: Mapping[str, Record]

    def weight(self, policy: str) -> tuple[str, int] | None:
        """The revision in force, and the candidate's percentage; None: it is not in the table."""
        for entry in self.manifest.policies:
            if entry.name == policy:
                trial = entry.candidate
                return entry.revision, trial.weight_percent if trial else 0
        return None


@dataclass(slots=True)
class Trail:
    """What was seen so far."""

    items: list[Json] = field(default_factory=list)
    """Policies and backends, each time that their status was another one."""
    newest: dict[tuple[str, str], Json] = field(default_factory=dict)
    """By kind and name, as they are now."""
    tables: list[Table] = field(default_factory=list)
    replicas: dict[str, list[int]] = field(default_factory=dict)
    """By Deployment, each change of what it should have."""
    begun: set[str] = field(default_factory=set)
    """Plurals that were listed once."""

    def latest(self, policy: str) -> Json:
        """A policy's newest version; empty: there is none."""
        return self.newest.get(("RoutingPolicy", policy), {})

    def statuses(self, policy: str) -> list[Json]:
        """Every status of a policy."""
        return [
            item["status"]
            for item in self.items
            if (item["kind"], item["metadata"]["name"]) == ("RoutingPolicy", policy)
        ]

    def weights(self, policy: str) -> list[tuple[str, int]]:
        """(revision in force, candidate's percentage), each change of it."""
        found = [weight for one in self.tables if (weight := one.weight(policy))]
        return [weight for weight, _ in itertools.groupby(found)]

    def steps(self, policy: str) -> list[int]:
        """Of the stored rollout, each change of it."""
        found = [one.rollouts[policy].rollout.step for one in self.tables if policy in one.rollouts]
        return [step for step, _ in itertools.groupby(found)]

    def problems(self) -> list[str]:
        """Every rule of conditions that any status broke."""
        found = []
        for item in self.items:
            about, status = item["metadata"], item["status"]
            broken = broken_rules(status, generation=about["generation"])
            broken += unexplained(item["kind"], status)
            found += [f"{item['kind']}/{about['name']}: {one}: {status}" for one in broken]
        return found

    def runs_twice(self) -> list[str]:
        """Runs of a suite under one number that began at two times."""
        begun: dict[tuple[str, int], set[str]] = {}
        for item in self.items:
            found = item["status"].get("evaluation", {})
            if item["kind"] == "ModelBackend" and "startTime" in found:
                key = (item["metadata"]["name"], found["run"])
                begun.setdefault(key, set()).add(found["startTime"])
        return [f"run {run} of {name} twice" for (name, run), at in begun.items() if len(at) > 1]

    def note(self, kind: Kind, item: Json) -> None:
        """One version of an object."""
        if kind is kinds.DEPLOYMENT:
            counts = self.replicas.setdefault(item["metadata"]["name"], [])
            if counts[-1:] != [count := item["spec"]["replicas"]]:
                counts.append(count)
            return
        if kind is not kinds.CONFIG_MAP:
            key = (kind.name, item["metadata"]["name"])
            before, self.newest[key] = self.newest.get(key, {}), {"kind": kind.name, **item}
            if item.get("status") and item["status"] != before.get("status"):
                self.items.append(self.newest[key])
            return
        data = item.get("binaryData") or {}
        if item["metadata"]["name"] == MANIFEST and "manifest" in data:
            parts = {key: base64.b64decode(value) for key, value in data.items()}
            manifest = table.decode_manifest(parts["manifest"])
            self.tables.append(Table(manifest, load_rollouts(parts.get("rollouts", b"{}"))))


@asynccontextmanager
async def trail(kubeconfig: Path, namespace: str) -> AsyncIterator[Trail]:
    """Watched for as long as the block lasts, past any proxy."""
    seen = Trail()
    async with KubeClient(from_kubeconfig(kubeconfig)) as api, asyncio.TaskGroup() as group:
        tasks = [group.create_task(_follow(api, kind, namespace, seen)) for kind in WATCHED]
        try:
            while len(seen.begun) < len(WATCHED):  # noqa: ASYNC110 - a few tenths of a second
                await asyncio.sleep(0.02)
            yield seen
        finally:
            for task in tasks:
                task.cancel()


async def _follow(api: KubeClient, kind: Kind, namespace: str, seen: Trail) -> None:
    version = ""
    while True:
        with contextlib.suppress(ApiError, Unreachable):
            if not version:
                listed = json.loads(await api.get(kind.path(namespace)))
                version = listed["metadata"]["resourceVersion"]
                for item in listed["items"]:
                    seen.note(kind, item)
                seen.begun.add(kind.plural)
            version = await _watched(api, kind, namespace, seen, version)
        await asyncio.sleep(AGAIN_S)


async def _watched(api: KubeClient, kind: Kind, namespace: str, seen: Trail, version: str) -> str:
    """Where to go on; empty: anew."""
    query = {"resourceVersion": version, "allowWatchBookmarks": "true"}
    watch = api.watch(kind.path(namespace), query, watch_s=3600, inactivity_s=120)
    async with contextlib.aclosing(watch):
        try:
            async for lines in watch:
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return ""
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        seen.note(kind, event["object"])
        except Unreachable:
            return version
    return version
