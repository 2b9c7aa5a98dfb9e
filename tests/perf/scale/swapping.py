"""How long a router's own code takes from a manifest and its blobs to a table in force."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from pointsman.api import table
from pointsman.router.control.switch import Switch


@dataclass(frozen=True, slots=True)
class Swap:
    """Milliseconds: of a router that begins, and of one whose table changes in one policy."""

    first_ms: float
    one_ms: float
    ack_bytes: int
    """One Ack line of the admin stream."""
    ack_read_ms: float
    """Decoding it, as the operator does for each router."""


def swap(manifest: table.Manifest, packed: Mapping[str, bytes], *, rounds: int = 5) -> Swap:
    """The least of some rounds: unpack, check, decode and compile, then one policy more."""
    first, one = [], []
    acks: tuple[table.Ack, ...] = ()
    for _ in range(rounds):
        switch, begun_s = Switch(manifest.namespace), time.perf_counter()
        unpacked = {digest: table.unpack(data, digest) for digest, data in packed.items()}
        switch.offer(manifest, unpacked)
        first.append(time.perf_counter() - begun_s)
        changed, data = _edited(manifest, unpacked)
        fresh, begun_s = table.pack(data), time.perf_counter()
        digest = changed.policies[0].blob
        outcome = switch.offer(changed, {digest: table.unpack(fresh, digest)})
        one.append(time.perf_counter() - begun_s)
        assert outcome.verdict.accepted, outcome.reason
        assert outcome.acks[0].blob == digest, outcome.acks[0].error
        acks = outcome.acks
    line = table.encode(table.AdminEvent(type="Ack", acks=acks))
    read = []
    for _ in range(4 * rounds):
        begun_s = time.perf_counter()
        table.decode_event(line)
        read.append(time.perf_counter() - begun_s)
    return Swap(1000 * min(first), 1000 * min(one), len(line), 1000 * min(read))


def _edited(manifest: table.Manifest, blobs: Mapping[str, bytes]) -> tuple[table.Manifest, bytes]:
    """The same with another first policy."""
    entry = manifest.policies[0]
    blob = table.decode_blob(blobs[entry.blob])
    route = msgspec.structs.replace(blob.routes[-1], request_timeout_s=123.0)
    data = table.encode(msgspec.structs.replace(blob, routes=(*blob.routes[:-1], route)))
    entry = msgspec.structs.replace(entry, blob=table.digest(data))
    policies = (entry, *manifest.policies[1:])
    serial = manifest.serial + 1
    return msgspec.structs.replace(manifest, serial=serial, policies=policies), data
