"""PURE: what is wrong with the callers of files, by the router's own reading of their Secrets.

Guarantees that what `check` finds good lets in whom it says, and that no text quotes a value.
"""

import base64
from collections.abc import Iterator
from typing import Any, Final

from pointsman.api.conditions import Reason
from pointsman.api.manifests import Finding, Item, Loaded
from pointsman.api.names import LABEL_CALLERS
from pointsman.local.desired import metadata_of, secret_data, texts
from pointsman.router.control.callers import combine, read_secret

_FIELDS: Final = ("stringData", "data")
"""The first one counts where both have an entry."""


def callers_secrets(loaded: Loaded) -> list[Item[dict[str, Any]]]:
    """The Secrets that have the label of callers."""
    return [
        item
        for item in loaded.others
        if item.value.get("kind") == "Secret" and _labels(item).get(LABEL_CALLERS) == "true"
    ]


def check_callers(loaded: Loaded) -> Iterator[Finding]:
    """Every entry of a labeled Secret that would let nobody in; callers meet in a namespace."""
    namespaces: dict[str, dict[str, Item[dict[str, Any]]]] = {}
    for item in callers_secrets(loaded):
        about = metadata_of(item.value)
        yield from _unreadable(item)
        known = namespaces.setdefault(str(about.get("namespace", "default")), {})
        known.setdefault(str(about.get("name", "")), item)
    for secrets in namespaces.values():
        read = {
            name: read_secret(name, _labels(item), secret_data(item.value))
            for name, item in secrets.items()
        }
        for problem in combine([*secrets], read)[1]:
            name, _, entry = problem.subject.partition("/")
            item = secrets[name]
            yield item.finding(_path(item, entry), problem.text, Reason.INVALID)


def _labels(item: Item[dict[str, Any]]) -> dict[str, str]:
    return texts(metadata_of(item.value).get("labels"))


def _path(item: Item[dict[str, Any]], entry: str) -> str:
    fields = [field for field in _FIELDS if entry in texts(item.value.get(field))]
    return f"{fields[0]}.{entry}" if fields else ""


def _unreadable(item: Item[dict[str, Any]]) -> Iterator[Finding]:
    """Values that the API server refuses: not a text, or in `data` not base64."""
    for field in _FIELDS:
        entries = item.value.get(field)
        for entry, value in entries.items() if isinstance(entries, dict) else ():
            if not isinstance(value, str):
                yield item.finding(f"{field}.{entry}", "must be a string", Reason.INVALID)
            elif field == "data" and not _is_base64(value):
                yield item.finding(f"{field}.{entry}", "must be base64", Reason.INVALID)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True
