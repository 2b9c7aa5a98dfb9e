"""Which table is in force: a pure state machine over manifests and blobs.

Guarantees that (epoch, serial) never goes back, that each policy is wholly one blob, and that a
policy whose blob is missing or refused keeps what it has while all others move on. Refuses
manifests that are older, contradict the one in force, or belong to another namespace.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from msgspec.structs import replace

from pointsman.api.table import PINS, Ack, Manifest, Shadow, TableError, decode_blob, digest
from pointsman.routing import (
    Canary,
    CompiledPolicy,
    CompiledTable,
    compile_policy,
    compile_table,
)

_log = logging.getLogger(__name__)
_REFUSED_LIMIT = 1024
"""Remembered refusals; a fleet has tens, and forgetting one only costs decoding it again."""


class Verdict(StrEnum):
    """What became of an offer; the log key and metric label as well."""

    SWITCHED = "Switched"
    UNCHANGED = "Unchanged"
    OLDER = "Older"
    CONFLICTING = "Conflicting"
    """Same (epoch, serial), other content: nobody but a person wrote that."""
    FOREIGN = "Foreign"
    MALFORMED = "Malformed"

    @property
    def accepted(self) -> bool:
        """True if the offered manifest is the one in force."""
        return self in (Verdict.SWITCHED, Verdict.UNCHANGED)


@dataclass(frozen=True, slots=True)
class InForce:
    """What has to be stored to come back to this state: `running` maps policy to digest."""

    manifest: Manifest
    running: Mapping[str, str]
    blobs: Mapping[str, bytes] = field(repr=False)
    candidates: Mapping[str, str] = field(default_factory=dict)
    """Policy -> digest of the candidate that gets its part."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`table` is None where it did not change, `in_force` where nothing has to be stored."""

    verdict: Verdict
    acks: tuple[Ack, ...]
    table: CompiledTable | None = None
    in_force: InForce | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Running:
    policy: CompiledPolicy
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Trying:
    running: _Running
    weight_percent: int
    shadow: Shadow | None


class Switch:
    """Feed it with `offer`, in any order and as often as you like."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._manifest: Manifest | None = None
        self._running: Mapping[str, _Running] = MappingProxyType({})
        self._trying: Mapping[str, _Trying] = MappingProxyType({})
        """Policy -> its candidate."""
        self._refused: dict[str, str] = {}
        """Digest -> why these very bytes can never be used."""
        self.acks: tuple[Ack, ...] = ()

    @property
    def manifest(self) -> Manifest | None:
        """The manifest in force."""
        return self._manifest

    @property
    def position(self) -> tuple[int, int] | None:
        """(epoch, serial) in force."""
        return (self._manifest.epoch, self._manifest.serial) if self._manifest else None

    @property
    def running(self) -> dict[str, str]:
        """Policy -> digest in force."""
        return {name: running.policy.digest for name, running in self._running.items()}

    @property
    def candidates(self) -> dict[str, str]:
        """Policy -> digest of the candidate that gets its part."""
        return {name: one.running.policy.digest for name, one in self._trying.items()}

    def wanted(self, manifest: Manifest) -> frozenset[str]:
        """Digests whose bytes `offer` would look at."""
        held = {*self.running.values(), *self.candidates.values()}
        named = {entry.blob for entry in manifest.policies}
        named |= {entry.candidate.blob for entry in manifest.policies if entry.candidate}
        named |= {manifest.pins} if manifest.pins else set()
        return frozenset(named - held)

    def offer(self, manifest: Manifest, blobs: Mapping[str, bytes]) -> Outcome:
        """Take of it what can be taken; `blobs` maps digest to unpacked JSON."""
        verdict, reason = self._judge(manifest)
        if not verdict.accepted:
            return Outcome(verdict, self.acks, reason=reason)
        running: dict[str, _Running] = {}
        errors: dict[str, str] = {}
        for entry in manifest.policies:
            held = self._running.get(entry.name)
            try:
                taken = self._take(entry.name, entry.blob, blobs, entry.revision)
            except TableError as error:
                errors[entry.name] = str(error)
                taken = None
            if taken or held:
                running[entry.name] = taken or held  # type: ignore[assignment]  # one is set
        self._pin(manifest.pins, running, blobs)
        trying, unfit = self._try(manifest, running, blobs)
        return self._put_in_force(manifest, running, trying, errors, unfit)

    def _pin(self, wanted: str, running: dict[str, _Running], blobs: Mapping[str, bytes]) -> None:
        """Held like a policy's blob, under a name that none has; nobody acknowledges it."""
        if not wanted:
            return
        held = self._running.get(PINS)
        try:
            held = self._take(PINS, wanted, blobs, None) or held
        except TableError as error:
            _log.warning("pins-refused", extra={"reason": str(error)})
        if held is not None:
            running[PINS] = held

    def _try(
        self,
        manifest: Manifest,
        running: Mapping[str, _Running],
        blobs: Mapping[str, bytes],
        stored: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, _Trying], dict[str, str]]:
        """Candidates that get their part from now on, and why others cannot."""
        trying: dict[str, _Trying] = {}
        errors: dict[str, str] = {}
        for entry in manifest.policies:
            wanted, before = entry.candidate, self._trying.get(entry.name)
            if wanted is None or entry.name not in running:
                continue
            name = wanted.blob if stored is None else stored.get(entry.name, wanted.blob)
            try:
                taken = self._take(entry.name, name, blobs, wanted.revision)
            except TableError as error:
                errors[entry.name] = str(error)
                continue
            if taken is None and before and before.running.policy.revision == wanted.revision:
                taken = before.running  # until its new blob is here
            if taken is not None:
                trying[entry.name] = _Trying(taken, wanted.weight_percent, wanted.shadow)
        return trying, errors

    def restore(self, stored: InForce) -> Outcome:
        """Start from what was stored; a policy that can no longer be used is left out."""
        verdict, reason = self._judge(stored.manifest)
        if not verdict.accepted:
            return Outcome(verdict, self.acks, reason=reason)
        running: dict[str, _Running] = {}
        errors: dict[str, str] = {}
        for entry in stored.manifest.policies:
            name = stored.running.get(entry.name)
            if name is None:
                continue
            try:
                taken = self._take(entry.name, name, stored.blobs, None)
            except TableError as error:
                errors[entry.name] = str(error)
                continue
            if taken:
                running[entry.name] = taken
        self._pin(stored.running.get(PINS, ""), running, stored.blobs)
        trying, unfit = self._try(stored.manifest, running, stored.blobs, stored.candidates)
        return self._put_in_force(stored.manifest, running, trying, errors, unfit)

    def _judge(self, manifest: Manifest) -> tuple[Verdict, str]:
        if manifest.namespace != self._namespace:
            return Verdict.FOREIGN, f"manifest is for namespace {manifest.namespace}"
        names = [entry.name for entry in manifest.policies]
        if len(set(names)) != len(names):
            return Verdict.MALFORMED, "manifest names a policy twice"
        if self._manifest is None:
            return Verdict.SWITCHED, ""
        held = (self._manifest.epoch, self._manifest.serial)
        offered = (manifest.epoch, manifest.serial)
        if offered < held:
            return Verdict.OLDER, f"manifest {offered} is older than {held} in force"
        if offered == held and manifest != self._manifest:
            return Verdict.CONFLICTING, f"another manifest {held} is in force"
        return Verdict.SWITCHED, ""

    def _take(
        self, name: str, wanted: str, blobs: Mapping[str, bytes], revision: str | None
    ) -> _Running | None:
        """None while the blob is not there; TableError if it cannot be used."""
        for held in (self._running.get(name), self._trial(name)):
            if held is not None and held.policy.digest == wanted:
                return held
        if known := self._refused.get(wanted):
            raise TableError(known)
        data = blobs.get(wanted)
        if data is None:
            return None
        if digest(data) != wanted:
            # Not remembered: the right bytes may still come under this digest.
            raise TableError(f"blob {wanted[:12]} is damaged: it hashes to {digest(data)[:12]}")
        try:
            policy = self._compile(name, wanted, data)
        except TableError as error:
            if len(self._refused) >= _REFUSED_LIMIT:
                self._refused.clear()
            self._refused[wanted] = str(error)
            raise
        if revision is not None and policy.revision != revision:
            raise TableError(
                f"manifest wants revision {revision}, blob {wanted[:12]} has {policy.revision}"
            )
        return _Running(policy, data)

    def _trial(self, name: str) -> _Running | None:
        found = self._trying.get(name)
        return found.running if found else None

    def _compile(self, name: str, wanted: str, data: bytes) -> CompiledPolicy:
        blob = decode_blob(data)
        if (blob.namespace, blob.name) != (self._namespace, name):
            raise TableError(f"blob {wanted[:12]} is policy {blob.namespace}/{blob.name}")
        return compile_policy(blob, wanted)

    def _put_in_force(
        self,
        manifest: Manifest,
        running: dict[str, _Running],
        trying: dict[str, _Trying],
        errors: Mapping[str, str],
        unfit: Mapping[str, str],
    ) -> Outcome:
        first = self._manifest is None
        same = list(running.items()) == list(self._running.items()) and trying == self._trying
        changed = first or not same
        moved = manifest != self._manifest
        self._manifest, self._running, self._trying = manifest, running, trying
        self.acks = tuple(
            _with_candidate(
                _ack(entry.name, entry.blob, running.get(entry.name), errors.get(entry.name, "")),
                trying.get(entry.name),
                unfit.get(entry.name, ""),
            )
            for entry in manifest.policies
        )
        return Outcome(
            Verdict.SWITCHED if changed else Verdict.UNCHANGED,
            self.acks,
            table=self._table() if changed else None,
            in_force=self.in_force() if changed or moved else None,
        )

    def _table(self) -> CompiledTable:
        return compile_table(
            (held.policy for name, held in self._running.items() if name != PINS),
            {
                name: Canary(one.running.policy, one.weight_percent, one.shadow)
                for name, one in self._trying.items()
            },
            pins=pins.policy if (pins := self._running.get(PINS)) else None,
        )

    def in_force(self) -> InForce | None:
        """What `restore` needs; None before the first manifest."""
        if self._manifest is None:
            return None
        every = (*self._running.values(), *(one.running for one in self._trying.values()))
        blobs = {held.policy.digest: held.data for held in every}
        return InForce(self._manifest, self.running, blobs, self.candidates)


def _with_candidate(ack: Ack, trying: _Trying | None, error: str) -> Ack:
    if trying is None:
        return replace(ack, candidate_error=error) if error else ack
    digest_ = trying.running.policy.digest
    shadow = trying.shadow.percent if trying.shadow else 0
    return replace(
        ack, candidate=digest_, weight_percent=trying.weight_percent, shadow_percent=shadow
    )


def _ack(name: str, wanted: str, running: _Running | None, error: str) -> Ack:
    return Ack(
        policy=name,
        revision=running.policy.revision if running else "",
        blob=running.policy.digest if running else "",
        error=error,
        refused_blob=wanted if error else "",
    )
