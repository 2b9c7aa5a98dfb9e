"""Where tables, endpoints and keys come in, whoever brings them: a cluster, local mode, a test.

Guarantees that `Live` changes between two requests only, never waits for a disk, and is loaded
from last-known-good before anything else (`restore`). All calls are made on the event loop.
Refuses what `Switch` refuses; then nothing changes.
"""

import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from pointsman.api.table import Ack, Endpoint, Manifest, ServiceAddress
from pointsman.router.control.credentials import SecretFacts, judge, only_used, uses
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.store import Store
from pointsman.router.control.switch import Outcome, Switch
from pointsman.router.live import Live

_log = logging.getLogger(__name__)
_NO_PROBLEMS: Mapping[str, tuple[str, ...]] = {}


class TableFeed:
    """
    Local mode calls `offer`, `endpoints` and `secrets` directly.

    An offer must not be older than `position`: who starts anew with a state folder that was used
    before begins at `position[0] + 1`.
    """

    def __init__(
        self,
        live: Live,
        metrics: ControlMetrics,
        *,
        namespace: str,
        store: Store | None = None,
    ) -> None:
        self.live = live
        self.store = store
        self.namespace = namespace
        self.from_disk = False
        """True while what is in force came from last-known-good and was not confirmed yet."""
        self._metrics = metrics
        self._switch = Switch(namespace)
        self._secrets: dict[str, SecretFacts | None] = {}
        self._unread: dict[str, str] = {}
        self._problems = _NO_PROBLEMS
        self._acks: tuple[Ack, ...] = ()
        self.table_listeners: list[Callable[[], None]] = []
        """Called after the table in force changed, in the same turn of the loop."""
        self.ack_listeners: list[Callable[[], None]] = []
        """Called after the acks, the position or the unreachable backends changed."""
        self._unreachable: tuple[str, ...] = ()
        self._switching = False

    @property
    def manifest(self) -> Manifest | None:
        """The manifest in force."""
        return self._switch.manifest

    @property
    def position(self) -> tuple[int, int] | None:
        """(epoch, serial) in force."""
        return self._switch.position

    @property
    def acks(self) -> tuple[Ack, ...]:
        """One for each policy of the manifest in force, problems with keys included."""
        return self._acks

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Backends of the table in force without a ready endpoint, by name."""
        return self._unreachable

    def wanted(self, manifest: Manifest) -> frozenset[str]:
        """Digests whose bytes an offer of this manifest would look at."""
        return self._switch.wanted(manifest)

    def addresses(self) -> frozenset[ServiceAddress]:
        """Services whose endpoints the table in force needs."""
        return frozenset(
            backend.address
            for policy in self.live.table.policies
            for backend in policy.backends.values()
            if isinstance(backend.address, ServiceAddress)
        )

    def restore(self) -> bool:
        """Put last-known-good in force; False if there is none that can be used."""
        stored = self.store.load_table() if self.store else None
        if stored is None or self.store is None:
            return False
        outcome = self._switch.restore(stored)
        if not outcome.verdict.accepted:
            _log.warning("state-refused", extra={"document": "table", "reason": outcome.reason})
            return False
        self.from_disk = True
        self.live.replace_endpoints(self.store.load_endpoints())
        self._secrets = dict(self.store.load_secrets())
        self._apply(outcome)
        return True

    def offer(self, manifest: Manifest, blobs: Mapping[str, bytes]) -> tuple[Ack, ...]:
        """Switch as far as possible; `blobs` maps digest to unpacked JSON."""
        outcome = self._switch.offer(manifest, blobs)
        self._metrics.offers.labels(outcome.verdict).inc()
        if not outcome.verdict.accepted:
            _log.warning(
                "table-refused", extra={"verdict": outcome.verdict, "reason": outcome.reason}
            )
            return self._acks
        self.from_disk = False
        self._apply(outcome)
        if outcome.in_force and self.store:
            self.store.save_table(outcome.in_force)
        return self._acks

    def endpoints(self, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Replace all endpoints: ServiceAddress.key -> ready endpoints."""
        if endpoints == self.live.endpoints:
            return
        self.live.replace_endpoints(endpoints)
        if not self._switching:
            self._tell()
        if self.store:
            self.store.save_endpoints(self.live.endpoints)

    def secrets(
        self, secrets: Mapping[str, SecretFacts | None], unread: Mapping[str, str]
    ) -> tuple[Ack, ...]:
        """
        Replace all that is known of Secrets; they are judged now and at every change of the table.

        None: it does not exist. `unread` says why the latest reading failed, by name.
        """
        self._secrets, self._unread = dict(secrets), dict(unread)
        self._judge()
        self._tell()
        if self.store:
            self.store.save_secrets(only_used(uses(self.live.table), self._secrets))
        return self._acks

    @property
    def known_secrets(self) -> Mapping[str, SecretFacts | None]:
        """What `secrets` was told last, or what was stored."""
        return self._secrets

    def _judge(self) -> None:
        """With each table: a key known for one host must not leave for another."""
        keys = judge(uses(self.live.table), self._secrets, self._unread)
        if keys.found != self.live.credentials:
            self.live.credentials = keys.found
        if keys.problems != self._problems:
            self._problems = keys.problems
            self._metrics.credential_problems.set(len(keys.problems))
            _log.warning("credentials-missing", extra={"problems": dict(keys.problems)})

    def _apply(self, outcome: Outcome) -> None:
        if outcome.table is not None:
            self.live.table = outcome.table
            self._judge()
        self.live.ready = True
        if outcome.table is not None:
            self._switching = True  # one word about a switch, after its endpoints are found
            for listener in self.table_listeners:
                listener()
            self._switching = False
        self._tell(outcome)

    def _tell(self, outcome: Outcome | None = None) -> None:
        before = self._acks, self._unreachable
        self._acks = tuple(map(self._with_problems, self._switch.acks))
        self._unreachable = self._without_endpoint()
        if (self._acks, self._unreachable) == before and not (outcome and outcome.in_force):
            return
        self._measure()
        _log.info("table-in-force", extra=self._facts())
        for listener in self.ack_listeners:
            listener()

    def _without_endpoint(self) -> tuple[str, ...]:
        found = {
            name
            for policy in self.live.table.policies
            for name, backend in policy.backends.items()
            if isinstance(backend.address, ServiceAddress)
            and not self.live.endpoints_of(backend.address)
        }
        return tuple(sorted(found))

    def _with_problems(self, ack: Ack) -> Ack:
        texts = self._problems.get(ack.policy, ())
        if not texts:
            return ack
        error = "; ".join((ack.error, *texts) if ack.error else texts)
        return replace(ack, error=error)

    def _facts(self) -> dict[str, object]:
        epoch, serial = self.position or (0, 0)
        errors = {ack.policy: ack.error for ack in self._acks if ack.error}
        return {"epoch": epoch, "serial": serial, "policies": len(self._acks), "errors": errors}

    def _measure(self) -> None:
        epoch, serial = self.position or (0, 0)
        self._metrics.epoch.set(epoch)
        self._metrics.serial.set(serial)
        acks = self._switch.acks
        manifest = self.manifest
        wanted = {entry.name: entry.blob for entry in manifest.policies} if manifest else {}
        refused = sum(bool(ack.refused_blob) for ack in acks)
        current = sum(ack.blob == wanted[ack.policy] for ack in acks)
        for state, count in (
            ("current", current),
            ("refused", refused),
            ("waiting", len(acks) - current - refused),
        ):
            self._metrics.policies.labels(state).set(count)
