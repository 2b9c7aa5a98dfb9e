"""Everything that one version leaves for another: written, or read and told as JSON.

Run by path under either version's Python: `formats.py write|read FOLDER`. It stands on what both
versions have under the same names, and imports nothing of the tests.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from pointsman.api import table
from pointsman.api.v1alpha1 import ModelBackend, RoutingPolicy
from pointsman.events import frames, schema
from pointsman.events.schema import Request
from pointsman.events.segments import Bounds, Segments
from pointsman.ledger.batches import read as read_batch
from pointsman.ledger.contract import StoreUnfit
from pointsman.ledger.stores.sqlite import SqliteStore
from pointsman.operator.plan.blobs import compile_blob
from pointsman.operator.plan.objects import parsed
from pointsman.router.callers import Caller
from pointsman.router.control.credentials import SecretFacts
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Known, Store
from pointsman.router.control.switch import Switch

Json = dict[str, Any]
NAMESPACE, POLICY = "ai", "desk"
AT_MS = 1_795_000_000_000
DAYS_MS = 400 * 24 * 3_600_000
EVENTS = 40
SPOOL = "spool-00000001"
CALLER = Caller(name="app", team="blue", policies=None, digests=frozenset({b"d" * 32}))


def _backend(name: str) -> ModelBackend:
    spec = {
        "model": f"{name}-llm",
        "family": "Qwen",
        "contextWindow": 32768,
        "cost": {"inputPerMillion": "0.15", "outputPerMillion": "0.60"},
        "deployment": {"engine": "Simulator"},
    }
    found = parsed(ModelBackend, _object("ModelBackend", name, spec))
    assert isinstance(found, ModelBackend), found
    return found


def _object(kind: str, name: str, spec: Json) -> Json:
    about = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "generation": 1}
    return {"apiVersion": "pointsman.dev/v1alpha1", "kind": kind, "metadata": about, "spec": spec}


def _blob() -> bytes:
    spec = {
        "modelNames": ["auto"],
        "rules": [
            {
                "name": "code",
                "match": {"task": ["Coding"], "complexity": ["Complex"]},
                "targets": [{"backendRef": {"name": "large"}}],
                "fallback": {"chain": [{"name": "small"}], "deadline": "20s"},
            }
        ],
        "default": {
            "targets": [
                {"backendRef": {"name": "small"}, "weight": 3},
                {"backendRef": {"name": "large"}},
            ]
        },
        "budgets": [{"name": "month", "window": "Month", "tokens": 1000, "mode": "Shadow"}],
    }
    policy = parsed(RoutingPolicy, _object("RoutingPolicy", POLICY, spec))
    assert isinstance(policy, RoutingPolicy), policy
    backends = {name: _backend(name) for name in ("small", "large")}
    return compile_blob(
        namespace=NAMESPACE, policy=POLICY, revision="desk-1", spec=policy.spec,
        backends=backends, model_names=("auto",),
    )  # fmt: skip


def _manifest(blob: bytes) -> table.Manifest:
    entry = table.PolicyEntry(
        name=POLICY, revision="desk-1", blob=table.digest(blob), model_names=("auto",)
    )
    return table.Manifest(namespace=NAMESPACE, epoch=1, serial=1, policies=(entry,))


def _request(number: int) -> Request:
    return Request(
        decision=f"d-{number}", at_ms=AT_MS, policy=POLICY, revision="desk-1", rule="code",
        task="Coding", team="blue", caller="app", backend="large", status=200, outcome="Ok",
        duration_us=1000, input_tokens=10, output_tokens=5, cost_nano=number, currency="USD",
    )  # fmt: skip


def _store(folder: Path) -> Store:
    metrics = ControlMetrics(CollectorRegistry())
    return Store(
        state=folder / "state", keys=folder / "keys", identity="ai/pointsman", metrics=metrics
    )


def _ledger(folder: Path) -> SqliteStore:
    return SqliteStore(folder / "ledger.db", keep_events_ms=DAYS_MS)


def write_table(folder: Path) -> None:
    """As the operator puts it into ConfigMaps."""
    blob = _blob()
    (folder / "manifest").write_bytes(table.encode(_manifest(blob)))
    (folder / "blob").write_bytes(table.pack(blob))


def read_table(folder: Path) -> object:
    """A router takes it, or says why not."""
    manifest = table.decode_manifest((folder / "manifest").read_bytes())
    (entry,) = manifest.policies
    blob = table.unpack((folder / "blob").read_bytes(), entry.blob)
    outcome = Switch(NAMESPACE).offer(manifest, {entry.blob: blob})
    return [outcome.verdict, msgspec.to_builtins(outcome.acks)]


def write_kept(folder: Path) -> None:
    """What a router keeps for its own restart."""
    blob, store = _blob(), _store(folder)
    in_force = Switch(NAMESPACE).offer(_manifest(blob), {table.digest(blob): blob}).in_force
    assert in_force is not None
    store.save_table(in_force)
    store.save_endpoints({"ai/small-model:8000": (table.Endpoint(host="10.0.0.1", port=8000),)})
    facts = SecretFacts(labeled=True, allowed_hosts=("a.example",), values={"api-key": b"k"})
    store.save_secrets({"provider": facts})
    store.save_callers({"desk-callers": Known((CALLER,), ())})
    assert store.flush(10), store.problems


def read_kept(folder: Path) -> object:
    """What comes back after the restart, and what is refused."""
    store = _store(folder)
    kept, callers = store.load_table(), store.load_callers() or {}
    restored = Switch(NAMESPACE).restore(kept) if kept else None
    return {
        "table": [restored.verdict, msgspec.to_builtins(restored.acks)] if restored else None,
        "endpoints": sorted(store.load_endpoints()),
        "secrets": sorted(store.load_secrets()),
        "callers": [[name, [c.name for c in known.callers]] for name, known in callers.items()],
        "problems": store.problems,
    }


def write_spool(folder: Path) -> None:
    """Events that the ledger does not have yet."""
    segments = Segments(folder / "events", Bounds())
    segments.recover()
    events = [schema.encode(_request(number)) for number in range(1, EVENTS + 1)]
    segments.add(SPOOL, 1, events, schema.ROUTERS, AT_MS)
    segments.sync()
    segments.release()


def read_spool(folder: Path) -> object:
    """What a router that begins on this folder would send, and what it would drop."""
    segments, found = Segments(folder / "events", Bounds()), []
    segments.recover()
    while batch := segments.next_batch(1 << 20):
        whole = read_batch(batch.data)
        found += [event.decision for event in _events(batch.data) if isinstance(event, Request)]
        assert whole is not None
        segments.taken(batch, batch.after)
    segments.release()
    return [found, segments.dropped]


def _events(data: bytes) -> list[schema.Event]:
    return [schema.decode(line) for frame in frames.read_all(data) for line in frame.lines()]


def write_ledger(folder: Path) -> None:
    """A store with requests in it."""
    store = _ledger(folder)
    store.open()
    events = [schema.encode(_request(number)) for number in range(1, EVENTS + 1)]
    body = frames.build(schema.ROUTERS, SPOOL, 1, events)
    store.ingest([read_batch(body)], AT_MS)
    store.close()


def read_ledger(folder: Path) -> object:
    """How many rows there are; a store of a newer schema is refused, and says both numbers."""
    store = _ledger(folder)
    try:
        store.open()
    except StoreUnfit as error:
        return {"refused": str(error).rpartition("/")[2]}
    rows = store.query(
        "SELECT sum(requests), sum(cost_nano) FROM rollups WHERE span_ms = 300000", ()
    )
    store.close()
    return [list(row) for row in rows]


WRITERS: dict[str, Callable[[Path], None]] = {
    "table": write_table, "kept": write_kept, "spool": write_spool, "ledger": write_ledger,
}  # fmt: skip
READERS: dict[str, Callable[[Path], object]] = {
    "table": read_table, "kept": read_kept, "spool": read_spool, "ledger": read_ledger,
}  # fmt: skip


def main() -> None:
    """Of everything."""
    do, folder = sys.argv[1], Path(sys.argv[2])
    if do == "write":
        for write in WRITERS.values():
            write(folder)
    else:
        print(json.dumps({name: read(folder) for name, read in READERS.items()}))


if __name__ == "__main__":
    main()
