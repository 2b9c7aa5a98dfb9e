"""What is stored of one cycle, comparable with that of another: objects, their status, the table.

Each cycle's names end in a mark of its own. Guarantees that only the mark, times, identities that
the API server gives and hashes of them are taken away: contents that are hashed stand there whole.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from pointsman.api import table
from pointsman.operator.plan.children import ANNOTATION_HASH
from tests.e2e.fleet import RELEASE, Fleet
from tests.faults.every_write import CYCLE_S, World

Json = dict[str, Any]
KINDS: Final = (
    "modelbackends,routingpolicies,evaluationsuites,deployments,services,poddisruptionbudgets,"
    "controllerrevisions,configmaps"
)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_GIVEN: Final = frozenset(
    {"uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "selfLink"}
)
_IN_SPEC: Final = frozenset({"clusterIP", "clusterIPs"})
_COUNTS: Final = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")


REST_S: Final = 0.5
"""What has not changed for so long stays so."""


def mark_of(k: int) -> str:
    """What the names of cycle `k` end in; nothing else has it in it."""
    return f"-k{k:03d}"


def stored_of(fleet: Fleet, mark: str) -> Json:
    """By kind and name."""
    items = fleet.every(KINDS)
    mine = [one for one in items if mark in one["metadata"]["name"]]
    blobs = {
        one["metadata"]["name"]: one["binaryData"]["blob"]
        for one in items
        if "blob" in (one.get("binaryData") or {})
    }
    manifest = next(one for one in items if one["metadata"]["name"] == f"{RELEASE}-routing-table")
    found: Json = {f"{one['kind']}/{one['metadata']['name']}": _plain(one) for one in mine}
    found["table"] = _table(base64.b64decode(manifest["binaryData"]["manifest"]), blobs, mark)
    text = json.dumps(found, sort_keys=True)
    for one in mine:
        if one["kind"] == "ControllerRevision":
            policy = one["metadata"]["labels"]["pointsman.dev/policy"]
            text = text.replace(one["metadata"]["name"], f"revision {one['revision']} of {policy}")
    plain: Json = json.loads(_TIME.sub("then", text).replace(mark, ""))
    return plain


def _plain(item: Json) -> Json:
    """Without what is given by the API server; of a Deployment's status its counts."""
    about = {key: value for key, value in item["metadata"].items() if key not in _GIVEN}
    for owner in about.get("ownerReferences", ()):
        del owner["uid"]
    about.get("annotations", {}).pop(ANNOTATION_HASH, None)
    plain = {**item, "metadata": about}
    if "spec" in item:
        plain["spec"] = {key: one for key, one in item["spec"].items() if key not in _IN_SPEC}
    if item["kind"] == "Deployment":
        plain["status"] = {key: item.get("status", {}).get(key, 0) for key in _COUNTS}
    elif item["kind"] == "PodDisruptionBudget":
        del plain["status"]
    return plain


def _table(encoded: bytes, blobs: Mapping[str, str], mark: str) -> Json:
    """Each policy's entry with the blob in place of its hash, and whom the operator asks itself."""
    found: Json = {}
    manifest = table.decode_manifest(encoded)

    def content(digest: str) -> Json:
        packed = base64.b64decode(blobs[f"{RELEASE}-table-{digest[:12]}"])
        blob: Json = msgspec.to_builtins(table.decode_blob(table.unpack(packed, digest)))
        return blob

    for entry in manifest.policies:
        if mark in entry.name:
            found[entry.name] = {**msgspec.to_builtins(entry), "blob": content(entry.blob)}
    if manifest.pins:
        found["pins"] = {**content(manifest.pins), "revision": ""}
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two of them differ, each in a line."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [
            line
            for key in keys
            for line in differences(one.get(key), other.get(key), f"{path}.{key}")
        ]
    return [] if one == other else [f"{path.lstrip('.')}: {one}, not {other}"]


def is_at_rest(found: Json) -> bool:
    """All is Ready, and said so of what it is now; no child has outlived its owner."""
    for key, item in found.items():
        if key == "table":
            continue
        about, status = item["metadata"], item.get("status") or {}
        for owner in about.get("ownerReferences", ()):
            if f"{owner['kind']}/{owner['name']}" not in found:
                return False
        if item["kind"] == "Deployment":
            if {status[count] for count in _COUNTS} != {item["spec"]["replicas"]}:
                return False
        elif item["apiVersion"].startswith("pointsman.dev/"):
            ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
            if ready != ["True"] or status["observedGeneration"] != about["generation"]:
                return False
    return True


async def settled(
    world: World,
    mark: str,
    calm: Json | None,
    problems: list[str],
    plain: Callable[[Json], Json] = lambda found: found,
) -> Json:
    """
    What is stored once it is, and stays, as in the `calm` cycle; in that one, once all is at rest.
    `plain` takes away what no two cycles have alike.

    If it does not come so far in time, that is a problem.
    """
    ends_s, now = time.monotonic() + CYCLE_S, dict[str, Any]()
    while time.monotonic() < ends_s:
        before, count = now, len(world.proxy.writes())
        now = plain(await asyncio.to_thread(stored_of, world.fleet, mark))
        is_end = now == calm if calm else is_at_rest(now)
        if is_end and now == before and count == len(world.proxy.writes()):
            return now
        await asyncio.sleep(REST_S if is_end else 0.1)
    problems += differences(now, calm)[:9] if calm else [f"not at rest: {json.dumps(now)}"]
    return now
