"""Stored objects of an old version become those of a new one: what docs/upgrade.md tells to do.

Two versions of one schema need no conversion (`strategy: None` changes the apiVersion alone).
What is stored keeps the version that it was written in until it is written again.
"""

import base64
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.bench import Bench, CommandFailed
from tests.bench.control_plane import ETCD_URL

Json = dict[str, Any]
GROUP: Final = "pointsman.dev"
CONFLICTS: Final = 20
MEANWHILE: Final = ("the object has been modified", "not found")


def with_next(crd: Mapping[str, Any], name: str) -> Json:
    """The CRD with a further version of the same schema, which is stored from now on."""
    made: Json = deepcopy(dict(crd))
    (old,) = made["spec"]["versions"]
    made["spec"]["versions"] = [{**deepcopy(old), "name": name}, {**old, "storage": False}]
    made["spec"]["conversion"] = {"strategy": "None"}
    return made


def without(crd: Mapping[str, Any], name: str) -> Json:
    """The CRD without a version."""
    made: Json = deepcopy(dict(crd))
    versions = made["spec"]["versions"]
    made["spec"]["versions"] = [one for one in versions if one["name"] != name]
    return made


def rewrite(bench: Bench, resource: str) -> int:
    """
    `kubectl get RESOURCE -A -o json | kubectl replace -f -`, again where it was late.

    How many objects there are. Each is written as it was read, and so stored in the version that is
    stored now; a write, or a deletion, in between is not undone: it is a conflict.
    """
    for _ in range(CONFLICTS):
        text = bench.kubectl("get", resource, "--all-namespaces", "-o", "json")
        try:
            bench.kubectl("replace", "-f", "-", input=text)
        except CommandFailed as error:
            if not any(words in str(error) for words in MEANWHILE):
                raise
        else:
            return len(json.loads(text)["items"])
    raise CommandFailed(f"{resource}: somebody else wrote each of {CONFLICTS} times")


def forget(bench: Bench, crd: str, kept: str) -> None:
    """Say that nothing is stored in another version any more; the API server takes our word."""
    patch = json.dumps({"status": {"storedVersions": [kept]}})
    bench.kubectl("patch", "crd", crd, "--subresource=status", "--type=merge", "-p", patch)


def lying(plural: str) -> dict[str, str]:
    """namespace/name -> version of every object as etcd has it; the API server would convert it."""
    prefix = f"/registry/{GROUP}/{plural}/".encode()
    end = prefix[:-1] + bytes([prefix[-1] + 1])
    asked = {"key": base64.b64encode(prefix).decode(), "range_end": base64.b64encode(end).decode()}
    request = Request(f"{ETCD_URL}/v3/kv/range", json.dumps(asked).encode())
    with urlopen(request, timeout=10) as answer:
        found = json.load(answer).get("kvs", ())
    return {
        base64.b64decode(one["key"])[len(prefix) :].decode(): json.loads(
            base64.b64decode(one["value"])
        )["apiVersion"].removeprefix(f"{GROUP}/")
        for one in found
    }


def return_to(bench: Bench, crd: Mapping[str, Any]) -> None:
    """
    Whatever versions the API server has of this kind: from now on the one of `crd`, and no other.

    Nothing to do where it has no other, or not the kind. Objects are kept.
    """
    name, plural = crd["metadata"]["name"], crd["spec"]["names"]["plural"]
    (version,) = crd["spec"]["versions"]
    own = version["name"]
    text = bench.kubectl("get", "crd", name, "-o", "json", "--ignore-not-found")
    others = (
        [one for one in json.loads(text)["status"]["storedVersions"] if one != own] if text else []
    )
    if not others:
        return
    both: Json = deepcopy(dict(crd))
    both["spec"]["versions"] += [{**version, "name": other, "storage": False} for other in others]
    bench.kubectl("replace", "-f", "-", input=json.dumps(both))

    def written() -> bool:  # the API server serves a new version a little after it has taken it
        rewrite(bench, f"{plural}.{own}.{GROUP}")
        return set(lying(plural).values()) <= {own}

    bench.wait_for(written, 120, f"{plural} that lie in {own}")
    forget(bench, name, own)
    bench.kubectl("replace", "-f", "-", input=json.dumps(dict(crd)))
