"""What one version writes the other reads, both ways: table, a router's files, spools, the ledger.

The last release runs in an environment of its own, as it was.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pointsman.api import table
from pointsman.ledger.stores.schema import VERSION
from pointsman.router.control.switch import Switch
from tests.upgrade import formats, previous
from tests.upgrade.previous import Release

Json = dict[str, Any]
SCRIPT = Path(formats.__file__)


def _run(release: Release, do: str, folder: Path) -> str:
    """As a pod of that version would."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [release.python, "-P", SCRIPT, do, folder], capture_output=True, text=True, check=False,
        env=clean, cwd=folder, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _read(release: Release, folder: Path) -> Json:
    """Of a copy: reading a spool sends it, and a ledger goes forward."""
    copy = folder.with_name(f"{folder.name}-for-{release.name}")
    shutil.copytree(folder, copy)
    found: Json = json.loads(_run(release, "read", copy))
    return found


@pytest.mark.local
@pytest.mark.parametrize("newer_writes", [True, False])
def test_what_the_other_version_left_is_read(
    released: Release, tmp_path: Path, newer_writes: bool
) -> None:
    """As whoever wrote it reads it; only a ledger's newer schema is refused, and kept."""
    this = previous.this()
    writer, reader = (this, released) if newer_writes else (released, this)
    folder = tmp_path / "left"
    folder.mkdir()
    _run(writer, "write", folder)
    own, other = _read(writer, folder), _read(reader, folder)

    assert own["table"][0] == "Switched"
    assert own["kept"]["problems"] == {}
    assert own["spool"] == [[f"d-{number}" for number in range(1, formats.EVENTS + 1)], {}]
    assert own["ledger"] == [[formats.EVENTS, sum(range(1, formats.EVENTS + 1))]]
    refused = isinstance(other["ledger"], dict)
    if newer_writes and refused:  # the newer program takes it back first: docs/upgrade.md
        assert f"schema {VERSION}, and this program knows" in other["ledger"]["refused"]
        other["ledger"] = own["ledger"]
    assert other == own


def _offered() -> tuple[Switch, table.Manifest, bytes]:
    """A router with a table in force."""
    blob = formats._blob()
    manifest, switch = formats._manifest(blob), Switch(formats.NAMESPACE)
    switch.offer(manifest, {table.digest(blob): blob})
    return switch, manifest, blob


def test_a_policy_of_a_later_format_is_refused_alone_and_said() -> None:
    """The last good one stays in force, and the router's word names both versions."""
    switch, manifest, blob = _offered()
    later = json.loads(blob) | {"version": table.TABLE_VERSION + 1, "revision": "desk-2"}
    data = json.dumps(later).encode()
    entry = table.PolicyEntry(name=formats.POLICY, revision="desk-2", blob=table.digest(data))
    offered = table.Manifest(namespace=formats.NAMESPACE, epoch=1, serial=2, policies=(entry,))
    (ack,) = switch.offer(offered, {entry.blob: data}).acks

    assert (ack.revision, ack.refused_blob) == ("desk-1", entry.blob)
    assert f"version {table.TABLE_VERSION + 1}, known is {table.TABLE_VERSION}" in ack.error
    assert switch.running == {formats.POLICY: table.digest(blob)}
    assert manifest.policies[0].blob in switch.running.values()


def test_a_table_of_a_later_format_is_refused_whole() -> None:
    """By its version, whatever else it holds: a router and an operator that go back both say so."""
    _, manifest, _ = _offered()
    later = json.loads(table.encode(manifest)) | {"version": table.TABLE_VERSION + 1, "new": 1}
    with pytest.raises(table.TableError, match="has version 2, known is 1"):
        table.decode_manifest(json.dumps(later).encode())


def test_what_a_later_version_adds_is_no_reason_to_refuse() -> None:
    """A field that is not known is passed over: what may not be passed over raises the version."""
    switch, manifest, blob = _offered()
    later = json.dumps(json.loads(blob) | {"revision": "desk-2", "later": {"a": 1}}).encode()
    entry = table.PolicyEntry(name=formats.POLICY, revision="desk-2", blob=table.digest(later))
    offered = table.Manifest(namespace=formats.NAMESPACE, epoch=2, serial=1, policies=(entry,))
    (ack,) = switch.offer(offered, {entry.blob: later}).acks

    assert (ack.revision, ack.error) == ("desk-2", "")
    assert manifest.version == table.TABLE_VERSION
