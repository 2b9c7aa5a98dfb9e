"""PURE: strategic merge of a pod template's overrides, as `kubectl patch --type=strategic` does it.

Maps merge, null removes a key, lists with a merge key merge by it, other lists are replaced.
Understands `$patch: replace|delete|merge` and `$retainKeys`; refuses other directives. The merge
keys are the patchMergeKey tags of Kubernetes' types (k8s.io/api/core/v1/types.go, v1.37).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_CONTAINER: Final = {
    "ports": "containerPort",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
_MERGE_KEYS: Final[Mapping[tuple[str, ...], str]] = {
    ("metadata", "ownerReferences"): "uid",
    ("spec", "volumes"): "name",
    ("spec", "imagePullSecrets"): "name",
    ("spec", "hostAliases"): "ip",
    ("spec", "topologySpreadConstraints"): "topologyKey",
    ("spec", "resourceClaims"): "name",
    ("spec", "schedulingGates"): "name",
    **{("spec", kind): "name" for kind in ("containers", "initContainers", "ephemeralContainers")},
    **{
        ("spec", kind, field): key
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for field, key in _CONTAINER.items()
    },
}
"""Path inside a pod template (list indices left out) -> the field that tells two items apart."""

Path = tuple[str, ...]


class MergeRefused(ValueError):
    """A patch cannot be merged; `path` is as in `spec.containers[0].env`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def merge_template(template: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template with the patch merged in; raises MergeRefused. Neither is changed."""
    return _map(template, patch, (), "")


def _map(
    base: Mapping[str, Any], patch: Mapping[str, Any], path: Path, place: str
) -> dict[str, Any]:
    directive = patch.get("$patch")
    own = {key: value for key, value in patch.items() if not key.startswith("$")}
    unknown = next((key for key in patch if key.startswith("$") and key not in _KNOWN), None)
    if unknown or directive not in (None, "merge", "replace", "delete"):
        raise MergeRefused(place, f"the directive {unknown or directive} is not supported")
    if directive == "replace":
        return _fresh(own, path, place)
    if directive == "delete":
        return {}
    result = _retained(base, patch.get("$retainKeys"), own, place)
    for key, value in own.items():
        where = f"{place}.{key}" if place else key
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _value(result.get(key), value, (*path, key), where)
    return result


_KNOWN: Final = frozenset({"$patch", "$retainKeys"})


def _retained(
    base: Mapping[str, Any], keys: object, own: Mapping[str, Any], place: str
) -> dict[str, Any]:
    if keys is None:
        return dict(base)
    if not isinstance(keys, list) or not own.keys() <= set(map(str, keys)):
        raise MergeRefused(place, "$retainKeys must list every key that is set beside it")
    return {key: value for key, value in base.items() if key in keys}


def _value(base: object, patch: object, path: Path, place: str) -> object:
    if not isinstance(patch, list) and (isinstance(base, list) or path in _MERGE_KEYS):
        raise MergeRefused(place, "must be a list")
    if isinstance(base, Mapping) and not isinstance(patch, Mapping):
        raise MergeRefused(place, "must be an object")
    if isinstance(patch, Mapping):
        return _map(base if isinstance(base, Mapping) else {}, patch, path, place)
    if isinstance(patch, list):
        key = _MERGE_KEYS.get(path)
        if key is None:
            return patch
        return _list(base if isinstance(base, list) else [], patch, key, path, place)
    return patch


def _list(base: Sequence[Any], patch: Sequence[Any], key: str, path: Path, place: str) -> list[Any]:
    items = [_item(item, f"{place}[{i}]") for i, item in enumerate(patch)]
    whole = any(item.get("$patch") == "replace" and key not in item for item in items)
    if whole:
        kept = [item for item in items if "$patch" not in item]
        return [_fresh(item, path, place) for item in kept]
    result = [*base]
    for i, item in enumerate(items):
        where = f"{place}[{i}]"
        if item.get(key) is None:
            raise MergeRefused(where, f"needs {key}, which tells the items of this list apart")
        at = next((j for j, one in enumerate(result) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [one for one in result if one.get(key) != item[key]]
        elif at is None:
            result.append(_fresh(item, path, where))
        else:
            result[at] = _map(result[at], item, path, where)
    return result


def _item(item: object, place: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise MergeRefused(place, "must be an object")
    return item


def _fresh(patch: Mapping[str, Any], path: Path, place: str) -> dict[str, Any]:
    """A patch where there is nothing to patch: without nulls and directives."""
    return _map({}, {k: v for k, v in patch.items() if k != "$patch"}, path, place)
