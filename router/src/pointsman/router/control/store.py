"""Last-known-good: table, endpoints, providers' keys and callers, each a document on disk.

Guarantees that what comes back is what was in force, byte for byte. Keys and callers live apart, in
a folder of mode 0700 with files of mode 0600, and are meant for a memory-backed volume. Refuses
foreign or damaged documents (`problems` says which); a lost one never stops the router.
"""

import logging
import os
import stat
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from pointsman.api.callers import Limits
from pointsman.api.table import Endpoint, Manifest
from pointsman.router.callers import Caller, Team
from pointsman.router.control.credentials import SecretFacts
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.slots import Slots
from pointsman.router.control.switch import InForce
from pointsman.router.control.writer import Writer

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Table(msgspec.Struct, frozen=True):
    manifest: Manifest
    running: dict[str, str]
    blobs: dict[str, bytes]
    candidates: dict[str, str] = {}


class _Secret(msgspec.Struct, frozen=True):
    allowed_hosts: tuple[str, ...]
    values: dict[str, bytes]


class _Caller(msgspec.Struct, frozen=True):
    name: str
    team: str
    policies: tuple[str, ...] | None
    digests: tuple[bytes, ...]
    expires_at_s: float | None
    limits: Limits | None
    data_rank: int = 0


class _Callers(msgspec.Struct, frozen=True):
    callers: tuple[_Caller, ...]
    teams: tuple[Team, ...]


class Known(NamedTuple):
    """What one Secret of callers says."""

    callers: tuple[Caller, ...] = ()
    teams: tuple[Team, ...] = ()


class Store:
    """`state` and `keys` are folders; None means that nothing of that kind is kept."""

    def __init__(
        self,
        *,
        state: Path | None,
        keys: Path | None,
        identity: str,
        metrics: ControlMetrics,
        writer: Writer | None = None,
    ) -> None:
        self._identity = identity
        self._metrics = metrics
        self._writer = writer or Writer(metrics)
        self._refused: dict[str, str] = {}
        self._kept: dict[str, bytes] = {}
        """Private document -> what it was last told to hold."""
        self._table = self._open(state, "table", private=False)
        self._endpoints = self._open(state, "endpoints", private=False)
        self._keys = self._open(keys, "keys", private=True)
        self._callers = self._open(keys, "callers", private=True)

    @property
    def problems(self) -> dict[str, str]:
        """Document -> what is wrong with it."""
        return self._refused | self._writer.problems

    def flush(self, deadline_s: float) -> bool:
        """Wait for pending writes; for the end of the process."""
        return self._writer.flush(deadline_s)

    def load_table(self) -> InForce | None:
        """The table that was in force, if it is whole."""
        found = self._load("table", self._table, _Table)
        if found is None:
            return None
        return InForce(found.manifest, found.running, found.blobs, found.candidates)

    def save_table(self, table: InForce) -> None:
        """Store it soon; never blocks."""
        if slots := self._table:
            self._writer.put("table", lambda: slots.save(_encode_table(table)))

    def load_endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """ServiceAddress.key -> endpoints; empty if there are none."""
        return self._load("endpoints", self._endpoints, dict[str, tuple[Endpoint, ...]]) or {}

    def save_endpoints(self, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Store them soon; never blocks."""
        if slots := self._endpoints:
            self._writer.put("endpoints", lambda: slots.save(msgspec.json.encode(dict(endpoints))))

    def load_secrets(self) -> dict[str, SecretFacts]:
        """Secrets that were accepted, with the hosts that may see them."""
        found = self._load("keys", self._keys, dict[str, _Secret]) or {}
        return {
            name: SecretFacts(labeled=True, allowed_hosts=s.allowed_hosts, values=s.values)
            for name, s in found.items()
        }

    def save_secrets(self, secrets: Mapping[str, SecretFacts]) -> None:
        """Store exactly these soon; never blocks, and does nothing if they are stored already."""
        kept = {n: _Secret(f.allowed_hosts, dict(f.values)) for n, f in secrets.items()}
        self._save_private("keys", self._keys, msgspec.json.encode(kept, order="deterministic"))

    def load_callers(self) -> dict[str, Known] | None:
        """Secret -> what was accepted from it; None if nothing was ever stored."""
        found = self._load("callers", self._callers, dict[str, _Callers])
        if found is None:
            return None
        return {name: Known(tuple(map(_caller, f.callers)), f.teams) for name, f in found.items()}

    def save_callers(self, secrets: Mapping[str, Known]) -> None:
        """Store exactly these soon; as `save_secrets`."""
        kept = {n: _Callers(tuple(map(_stored, k.callers)), k.teams) for n, k in secrets.items()}
        self._save_private(
            "callers", self._callers, msgspec.json.encode(kept, order="deterministic")
        )

    def _save_private(self, document: str, slots: Slots | None, body: bytes) -> None:
        if slots is None or self._kept.get(document) == body:
            return
        self._kept[document] = body

        def save() -> None:
            slots.save(body)
            slots.save(body)  # a withdrawn key must not come back from the other slot

        self._writer.put(document, save)

    def _open(self, folder: Path | None, document: str, *, private: bool) -> Slots | None:
        if folder is None:
            return None
        # The mount point of a volume belongs to the kubelet, the folder in it is ours.
        own = folder / ("private" if private else "state")
        try:
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
            why = _unfit(own.lstat(), private=private)
        except OSError as error:
            why = error.strerror or type(error).__name__
        if why:
            self._refuse(document, why)
            return None
        return Slots(own, document, f"{self._identity}/{document}", private=private)

    def _load(self, document: str, slots: Slots | None, kind: type[_T]) -> _T | None:
        if slots is None:
            return None
        loaded = slots.load()
        if loaded.refused:
            self._refuse(document, "; ".join(loaded.refused))
        if loaded.body is None:
            return None
        try:
            return msgspec.json.decode(loaded.body, type=kind)
        except msgspec.DecodeError:
            self._refuse(document, "it is whole, but of another version")
            return None

    def _refuse(self, document: str, why: str) -> None:
        self._refused[document] = why
        self._metrics.store_refused.labels(document).inc()
        _log.warning("state-refused", extra={"document": document, "reason": why})


def _unfit(facts: os.stat_result, *, private: bool) -> str:
    if not stat.S_ISDIR(facts.st_mode):
        return "its folder is no folder"
    if private and (facts.st_mode & 0o077 or facts.st_uid != os.geteuid()):
        return "its folder is open to others than the router"
    return ""


def _encode_table(table: InForce) -> bytes:
    return msgspec.json.encode(
        _Table(table.manifest, dict(table.running), dict(table.blobs), dict(table.candidates))
    )


def _stored(caller: Caller) -> _Caller:
    return _Caller(
        name=caller.name,
        team=caller.team,
        policies=None if caller.policies is None else tuple(sorted(caller.policies)),
        digests=tuple(sorted(caller.digests)),
        expires_at_s=None if caller.expires_at_s == inf else caller.expires_at_s,
        limits=caller.limits,
        data_rank=caller.data_rank,
    )


def _caller(stored: _Caller) -> Caller:
    return Caller(
        name=stored.name,
        team=stored.team,
        policies=None if stored.policies is None else frozenset(stored.policies),
        digests=frozenset(stored.digests),
        expires_at_s=inf if stored.expires_at_s is None else stored.expires_at_s,
        limits=stored.limits,
        data_rank=stored.data_rank,
    )
