"""A container's environment and command line from its pod's spec: pure functions.

Guarantees: the same rules as a kubelet for $(VAR), envFrom, fieldRef and key references.
Refuses what it cannot know: Unresolvable says which object, key or field is missing.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Objects = Mapping[tuple[str, str], Json | None]
"""(plural, name) -> the ConfigMap or Secret, None where it does not exist."""

_VARIABLE = re.compile(r"\$\$|\$\(([-._a-zA-Z0-9]+)\)")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_PLURALS = {
    "configMapKeyRef": "configmaps",
    "configMapRef": "configmaps",
    "secretKeyRef": "secrets",
    "secretRef": "secrets",
}


class Unresolvable(Exception):
    """Reason CreateContainerConfigError: something the environment refers to is missing."""


def references(container: Json) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that the environment reads."""
    found = set()
    sources = [entry.get("valueFrom") or {} for entry in container.get("env", ())]
    for source in [*sources, *container.get("envFrom", ())]:
        for field, plural in _PLURALS.items():
            if field in source:
                found.add((plural, source[field]["name"]))
    return found


def environment(
    container: Json,
    pod: Json,
    *,
    pod_ip: str,
    host_ip: str,
    base: Mapping[str, str],
    objects: Objects,
) -> dict[str, str]:
    """`base`, then envFrom, then env; later entries see earlier ones as $(NAME)."""
    result = dict(base)
    for source in container.get("envFrom", ()):
        field = "configMapRef" if "configMapRef" in source else "secretRef"
        reference = source[field]
        if (values := _values(_PLURALS[field], reference, objects)) is not None:
            prefix = source.get("prefix", "")
            result.update({prefix + key: value for key, value in values.items()})
    for entry in container.get("env", ()):
        if (source := entry.get("valueFrom")) is None:
            result[entry["name"]] = expand(entry.get("value", ""), result)
        elif "fieldRef" in source:
            path = source["fieldRef"]["fieldPath"]
            result[entry["name"]] = pod_field(path, pod, pod_ip=pod_ip, host_ip=host_ip)
        elif (value := _keyed(source, objects)) is not None:
            result[entry["name"]] = value
    return result


def _keyed(source: Json, objects: Objects) -> str | None:
    field = next((name for name in ("configMapKeyRef", "secretKeyRef") if name in source), None)
    if field is None:
        raise Unresolvable(f"this kubelet has no valueFrom {sorted(source)}")
    reference = source[field]
    values = _values(_PLURALS[field], reference, objects)
    if values is None or reference["key"] in values:
        return None if values is None else values[reference["key"]]
    if reference.get("optional"):
        return None
    raise Unresolvable(
        f"couldn't find key {reference['key']} in {_PLURALS[field]} {reference['name']}"
    )


def _values(plural: str, reference: Json, objects: Objects) -> dict[str, str] | None:
    found = objects.get((plural, reference["name"]))
    if found is None:
        if reference.get("optional"):
            return None
        raise Unresolvable(f'{plural.removesuffix("s")} "{reference["name"]}" not found')
    return {key: value.decode() for key, value in object_files(plural, found).items()}


def object_files(plural: str, found: Json) -> dict[str, bytes]:
    """A ConfigMap's or Secret's keys and their bytes."""
    if plural == "secrets":
        return {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
    files = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    binary = found.get("binaryData") or {}
    return files | {key: base64.b64decode(text) for key, text in binary.items()}


def pod_field(path: str, pod: Json, *, pod_ip: str, host_ip: str) -> str:
    """The downward API: a field of the pod as text."""
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _KEYED.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    fields: dict[str, str] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": host_ip,
        "status.hostIPs": host_ip,
    }
    if path in {"metadata.labels", "metadata.annotations"}:
        pairs = sorted((metadata.get(path.removeprefix("metadata.")) or {}).items())
        return "\n".join(f'{key}="{value}"' for key, value in pairs)
    if path not in fields:
        raise Unresolvable(f"this kubelet has no fieldPath {path}")
    return fields[path]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) becomes its value, $$ becomes $, an unknown $(NAME) stays as it is."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        return variables.get(match[1], match[0])

    return _VARIABLE.sub(replace, text)


def command_line(container: Json, variables: Mapping[str, str]) -> Sequence[str]:
    """The process's argv; empty where the pod leaves the command to its image."""
    if not container.get("command"):
        return []
    return [expand(t, variables) for t in [*container["command"], *container.get("args", ())]]
