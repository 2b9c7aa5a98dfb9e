"""Brings a cluster's tables, endpoints and Secrets into a TableFeed.

Guarantees that an API server that is away, slow or wrong changes nothing that is in force.
Refuses to act on half a picture: nothing is offered before the first full list.
"""

import asyncio
import gzip
import io
import logging
import random
import zlib
from collections.abc import Mapping, Set
from urllib.parse import quote

from pointsman.api.names import LABEL_TABLE, LABEL_TABLE_PART, router_service_name
from pointsman.api.table import (
    MAX_BLOB_DECODED_BYTES,
    Manifest,
    TableError,
    decode_manifest,
    digest,
)
from pointsman.router.control.callers import CallerFeed, CallerSecret, read_secret
from pointsman.router.control.credentials import facts_of, uses
from pointsman.router.control.endpoints import by_service, count_ready, resolve
from pointsman.router.control.kube import ApiError, KubeClient, NotFound, Unreachable, decode
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.objects import ConfigMap, EndpointSlice, Secret, Service
from pointsman.router.control.source import TableFeed
from pointsman.router.control.watch import Object, Reflector, Timing

_log = logging.getLogger(__name__)
SECRETS_EVERY_S = 15.0
"""A rotated key, a provider's or a caller's, counts this soon; one GET for each Secret in use."""
_SECRETS_AT_ONCE = 8


class Cluster:
    """`run` until cancelled; `live` changes through the feed only."""

    def __init__(
        self,
        feed: TableFeed,
        client: KubeClient,
        metrics: ControlMetrics,
        *,
        release: str,
        router_service: str = "",
        callers: CallerFeed | None = None,
        timing: Timing | None = None,
        secrets_every_s: float = SECRETS_EVERY_S,
    ) -> None:
        self._feed = feed
        self._client = client
        self._callers = callers
        self._secrets_every_s = secrets_every_s
        self._digests: dict[str, tuple[str, str]] = {}
        """ConfigMap -> (resourceVersion, digest of what it holds)."""
        self._caller_secrets: dict[str, tuple[Secret, CallerSecret]] = {}
        """Name -> (as it was read, what it says): thousands of entries are parsed once."""
        self._services: Mapping[str, Service] = {}
        self._slices: dict[str, list[EndpointSlice]] = {}
        self._router_service = router_service or router_service_name(release)
        self._wake = asyncio.Event()
        self.unread: Mapping[str, str] = {}
        """Secret -> why its latest reading failed."""
        folder = f"namespaces/{quote(feed.namespace, safe='')}"
        self._secrets_path = f"/api/v1/{folder}/secrets"
        self._watched_services = Reflector(
            client,
            Service,
            watched="services",
            path=f"/api/v1/{folder}/services",
            changed=self._services_changed,
            metrics=metrics,
            timing=timing,
        )
        self._watched_slices = Reflector(
            client,
            EndpointSlice,
            watched="endpointslices",
            path=f"/apis/discovery.k8s.io/v1/{folder}/endpointslices",
            changed=self._slices_changed,
            metrics=metrics,
            timing=timing,
        )
        self._watched_tables = Reflector(
            client,
            ConfigMap,
            watched="configmaps",
            path=f"/api/v1/{folder}/configmaps",
            changed=self._tables_changed,
            metrics=metrics,
            selector=f"{LABEL_TABLE}={release}",
            timing=timing,
        )
        feed.table_listeners.append(self._table_switched)

    async def run(self) -> None:
        """For ever; ends by cancellation only."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watched_services.run())
            group.create_task(self._watched_slices.run())
            group.create_task(self._watched_tables.run())
            group.create_task(self._read_secrets())

    @property
    def state(self) -> dict[str, str]:
        """Watch -> `synced`, `waiting`, or why it does not work at the moment."""
        watched: tuple[Reflector[ConfigMap] | Reflector[EndpointSlice] | Reflector[Service], ...]
        watched = (self._watched_tables, self._watched_slices, self._watched_services)
        return {r.watched: r.failing or ("synced" if r.synced else "waiting") for r in watched}

    def _services_changed(self, services: Mapping[str, Service]) -> None:
        self._services = services
        self._resolve()

    def _slices_changed(self, slices: Mapping[str, EndpointSlice]) -> None:
        self._slices = by_service(slices.values())
        self._resolve()

    def _table_switched(self) -> None:
        self._resolve()
        self._wake.set()

    def _resolve(self) -> None:
        if not self._watched_slices.synced:
            return  # what was stored is better than nothing
        ready = count_ready(self._slices.get(self._router_service, ()))
        self._feed.live.routers = max(ready, 1)
        self._feed.endpoints(
            resolve(
                self._feed.addresses(),
                self._feed.namespace,
                self._services if self._watched_services.synced else None,
                self._slices,
                self._feed.live.endpoints,
            )
        )

    def _tables_changed(self, items: Mapping[str, ConfigMap]) -> None:
        manifest = self._newest(items)
        self._digests = {
            name: self._digest_of(name, item)
            for name, item in items.items()
            if _part(item) == "blob"
        }
        if manifest is not None:
            self._feed.offer(manifest, self._blobs(manifest, items))

    def _newest(self, items: Mapping[str, ConfigMap]) -> Manifest | None:
        """Of several, which should not be, the newest that can be read."""
        found: list[Manifest] = []
        for name, item in items.items():
            if _part(item) == "manifest":
                try:
                    found.append(decode_manifest((item.binaryData or {}).get("manifest", b"")))
                except TableError as error:
                    _log.warning("manifest-refused", extra={"object": name, "reason": str(error)})
        return max(found, key=lambda m: (m.epoch, m.serial), default=None)

    def _digest_of(self, name: str, item: ConfigMap) -> tuple[str, str]:
        version = item.metadata.resourceVersion
        known = self._digests.get(name)
        if known is not None and known[0] == version:
            return known
        data = _unzip((item.binaryData or {}).get("blob", b""))
        return version, digest(data) if data is not None else ""

    def _blobs(self, manifest: Manifest, items: Mapping[str, ConfigMap]) -> dict[str, bytes]:
        """Bytes of what the manifest wants and is not in force; damaged ones as they are."""
        names = {held: name for name, (_, held) in self._digests.items()}
        found: dict[str, bytes] = {}
        for wanted in self._feed.wanted(manifest):
            name = names.get(wanted) or self._by_name(wanted)
            if name is not None:
                packed = (items[name].binaryData or {}).get("blob", b"")
                data = _unzip(packed)
                found[wanted] = packed if data is None else data
        return found

    def _by_name(self, wanted: str) -> str | None:
        """A ConfigMap that claims to hold this blob, by the end of its name, and does not."""
        for name in self._digests:
            end = name.rpartition("-")[2]
            if len(end) >= 8 and wanted.startswith(end):
                return name
        return None

    async def _read_secrets(self) -> None:
        while True:
            self._wake.clear()
            used = {use.ref.name for use in uses(self._feed.live.table)}
            callers = self._callers.names if self._callers else ()
            read: dict[str, Secret | None] = {}
            unread: dict[str, str] = {}
            gate = asyncio.Semaphore(_SECRETS_AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for name in sorted(used.union(callers)):
                    group.create_task(self._read_secret(name, gate, read, unread))
            # A table that came meanwhile may use others: they are read in the next turn.
            self.unread = unread
            self._tell_credentials(used, read, unread)
            self._tell_callers(read, unread)
            jitter = random.uniform(0.8, 1.0)  # noqa: S311 - spreads the readings of a fleet
            try:
                async with asyncio.timeout(self._secrets_every_s * jitter):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _tell_credentials(
        self, used: Set[str], read: Mapping[str, Secret | None], unread: Mapping[str, str]
    ) -> None:
        secrets = {n: f for n, f in self._feed.known_secrets.items() if n in used}
        for name in used & read.keys():
            secret = read[name]
            secrets[name] = (
                facts_of(secret.labels, secret.metadata.annotations or {}, secret.data or {})
                if secret
                else None
            )
        self._feed.secrets(secrets, {n: why for n, why in unread.items() if n in used})

    def _tell_callers(self, read: Mapping[str, Secret | None], unread: Mapping[str, str]) -> None:
        if self._callers is None:
            return
        known = self._callers.known
        secrets: dict[str, CallerSecret | None] = {}
        for name in self._callers.names:
            if name in read:
                secret = read[name]
                secrets[name] = self._caller_secret(name, secret) if secret else None
            elif name in known:
                secrets[name] = known[name]
        self._callers.read(secrets, {n: unread[n] for n in self._callers.names if n in unread})

    def _caller_secret(self, name: str, secret: Secret) -> CallerSecret:
        known = self._caller_secrets.get(name)
        if known is not None and known[0] == secret:
            return known[1]
        found = read_secret(name, secret.labels, secret.data or {})
        self._caller_secrets[name] = secret, found
        return found

    async def _read_secret(
        self,
        name: str,
        gate: asyncio.Semaphore,
        read: dict[str, Secret | None],
        unread: dict[str, str],
    ) -> None:
        async with gate:
            try:
                path = f"{self._secrets_path}/{quote(name, safe='')}"
                read[name] = _secret(await self._client.get(path), name)
            except NotFound:
                read[name] = None
            except ApiError as error:
                unread[name] = f"the API server answers {error.status}"
            except Unreachable as error:
                unread[name] = f"API server: {error}"


def _secret(answer: bytes, name: str) -> Secret:
    """Unreachable if it is another one, or no Secret."""
    secret = decode(answer, Secret)
    if secret.metadata.name != name:
        raise Unreachable("the answer is not this Secret")
    return secret


def _part(item: Object) -> str | None:
    return (item.metadata.labels or {}).get(LABEL_TABLE_PART)


def _unzip(packed: bytes) -> bytes | None:
    """None if it is damaged or too large; whether it is the right blob, its hash says."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            data = stream.read(MAX_BLOB_DECODED_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return data if len(data) <= MAX_BLOB_DECODED_BYTES else None
