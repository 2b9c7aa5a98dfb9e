"""Keys that sign webhooks in local mode: from the files' Secrets to where the ledger reads them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def named_keys(
    specs: Iterable[Mapping[str, Any]], secrets: Mapping[str, Mapping[str, bytes]]
) -> dict[str, bytes]:
    """Those that policies' `humanReview.webhooks` name: a Secret's name, a dot, its key."""
    found: dict[str, bytes] = {}
    for spec in specs:
        for webhook in (spec.get("humanReview") or {}).get("webhooks") or ():
            ref = webhook["secretRef"]
            key = secrets.get(ref["name"], {}).get(ref["key"])
            if key is not None:
                found[f"{ref['name']}.{ref['key']}"] = key
    return found


class SigningKeys:
    """A folder that only this user can read; it has just the keys of the last `keep`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._kept: dict[str, bytes] = {}

    def keep(self, keys: Mapping[str, bytes]) -> None:
        """Each file is there whole or not at all."""
        for name in self._kept.keys() - keys.keys():
            (self.folder / name).unlink(missing_ok=True)
        for name, key in keys.items():
            if self._kept.get(name) != key:
                self._write(name, key)
        self._kept = dict(keys)

    def _write(self, name: str, key: bytes) -> None:
        new = self.folder / f".{name}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(key)
        new.replace(self.folder / name)
