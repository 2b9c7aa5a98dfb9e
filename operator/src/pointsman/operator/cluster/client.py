"""JSON in and out of the API server, one namespace, one field manager, a deadline on every request.

kubernetes.aio brings configuration, TLS and tokens; its models are left out, since plans work on
JSON. Every failure leaves as an error of ours; every write first asks the fence whether this
process may still write.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol, Self
from urllib.parse import urlencode

import aiohttp
import msgspec

from pointsman.api.depth import object_of
from pointsman.api.kube_status import Status
from pointsman.operator import metrics
from pointsman.operator.cluster.depth import cut_template
from pointsman.operator.cluster.kinds import CONFIG_MAP, DOCUMENT, LEASE, MODEL_BACKEND, Kind
from pointsman.operator.errors import Conflict, Gone, ReconcileError, Stalled, Waiting
from pointsman.operator.settings import Settings
from pointsman.process.trust import Trust

FIELD_MANAGER: Final = "pointsman-operator"
APPLY: Final = "application/apply-patch+yaml"
METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
KEEPALIVE_S: Final = 75.0
"""Longer than a resync's usual gap: an edit must not wait for TLS handshakes."""

OF_THE_RELEASE: Final = (CONFIG_MAP, LEASE)
"""Kinds of which an object that names no owner gets the release's."""

Object = dict[str, Any]


def _kubernetes() -> tuple[Any, Any]:
    """Its client and configuration: late, since `pointsman up` starts sooner without."""
    from kubernetes.aio import client, config  # noqa: PLC0415

    return client, config


def _never() -> None:
    """The fence of a process that may always write."""


class Witness(Protocol):
    """Who has to know what this process writes."""

    def note(self, kind: Kind, name: str, item: Object | None, /) -> None:
        """It is stored so now; None: it is gone."""

    def doubt(self, kind: Kind, name: str, /) -> None:
        """It may be stored or not, or is not what it was taken for."""


def error_of(status: int, body: bytes, kind: Kind, name: str) -> ReconcileError:
    """
    What a refusal means; its message is kept, its body is not.

    Gone only if it is a Status that names the object: any other 404 may come from whatever is
    before the API server, and says nothing of the object.
    """
    try:
        said = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, RecursionError):
        said = Status()
    text = f"{status}: {said.message[:1000]}"
    if status == HTTPStatus.NOT_FOUND:
        return Gone(text) if said.denies(kind.plural, name) else Waiting(text)
    if status == HTTPStatus.CONFLICT:
        return Conflict(text)
    if status in {408, 429} or status >= 500 or status == 401:
        return Waiting(text)
    return Stalled(text)


def _items(found: Object, kind: Kind) -> list[Object]:
    """Of a list: what is none must not pass for one without items."""
    if not str(found.get("kind")).endswith("List") or "resourceVersion" not in _about(found):
        raise Waiting(f"GET {kind.name}: the answer is no list")
    return list(found.get("items") or ())


def _about(found: Object) -> Mapping[str, Any]:
    about = found.get("metadata")
    return about if isinstance(about, dict) else {}


class Api:
    """The API server, for one namespace."""

    absent: frozenset[str] = frozenset()
    """Kinds that it does not serve: there are no objects of them."""
    older: Mapping[str, Mapping[str, Any]] = {}
    """Kinds of ours that it knows less of than this operator, and what it knows."""

    def __init__(self, configuration: Any, settings: Settings) -> None:
        self.namespace = settings.namespace
        self.fence: Callable[[], None] = _never
        self.owners: list[Object] = []
        """Owner references of what belongs to the release and to no other object (owner.py)."""
        self.witness: Witness | None = None
        self._configuration = configuration
        self._timeout = aiohttp.ClientTimeout(
            total=settings.request_timeout_s, connect=settings.connect_timeout_s
        )
        self._limit = 4 * settings.concurrency
        self._client: Any = _kubernetes()[0].ApiClient(configuration)
        self._closing: set[asyncio.Task[None]] = set()
        file = configuration.ssl_ca_cert
        self._trust = Trust(self._client.rest_client.ssl_context, Path(file)) if file else None

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Credentials from the kubeconfig or the pod; raises Stalled if there are none."""
        aio_client, aio_config = _kubernetes()
        configuration = aio_client.Configuration()
        try:
            if settings.kubeconfig:
                await aio_config.load_kube_config(
                    config_file=str(settings.kubeconfig), client_configuration=configuration
                )
            else:
                aio_config.load_incluster_config(client_configuration=configuration)
        except Exception as error:  # of a file that is none it raises what meets it first
            raise Stalled(f"no credentials for the API server: {error}") from error
        api = cls(configuration, settings)
        configuration.client_session_kwargs = {"connector": api._connector(), "trust_env": False}
        return api

    def _connector(self) -> aiohttp.TCPConnector:
        context: ssl.SSLContext = self._client.rest_client.ssl_context
        return aiohttp.TCPConnector(limit=self._limit, ssl=context, keepalive_timeout=KEEPALIVE_S)

    def _leave_connections(self, left: aiohttp.TCPConnector) -> None:
        """
        Begin a new pool; requests under way end in the old one.

        A request without an answer says that the way is cut, and each idle connection of the pool
        would cost the same deadline once more before one is opened that works.
        """
        if self._configuration.client_session_kwargs["connector"] is left:
            self._configuration.client_session_kwargs["connector"] = self._connector()
            session, self._client.rest_client.pool_manager = (
                self._client.rest_client.pool_manager, None,
            )  # fmt: skip
            closing = asyncio.create_task(self._close_later(session, left))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close_later(
        self, session: aiohttp.ClientSession, left: aiohttp.TCPConnector
    ) -> None:
        try:
            await asyncio.sleep(self._timeout.total or 0)
        finally:
            await session.close()
            await left.close()

    async def close(self) -> None:
        """Close all connections."""
        connector = (self._configuration.client_session_kwargs or {}).get("connector")
        await self._client.close()
        if connector is not None:
            await connector.close()
        closing = list(self._closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    async def _send(
        self,
        verb: str,
        kind: Kind,
        path: str,
        *,
        name: str = "",
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        sent = {"Accept": "application/json", **(headers or {})}
        url = self._configuration.host + path + (f"?{urlencode(query)}" if query else "")
        begun, pool = time.perf_counter(), self._configuration.client_session_kwargs["connector"]
        try:
            token = await self._configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
            if token:
                sent["authorization"] = token
            response = await self._client.call_api(
                verb, url, header_params=sent, body=body, _request_timeout=self._timeout
            )
            data: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.API_ERRORS.labels(verb, kind.name, "Unreachable").inc()
            if isinstance(error, TimeoutError):
                self._leave_connections(pool)
            if isinstance(error, aiohttp.ClientConnectorCertificateError) and self._trust:
                self._trust.renew()  # the next try, which comes soon, may be trusted
            raise Waiting(f"{verb} {kind.name}: {type(error).__name__}: {error}") from error
        finally:
            metrics.API_SECONDS.labels(verb, kind.name).observe(time.perf_counter() - begun)
        if response.status >= 300:
            failure = error_of(response.status, data, kind, name)
            metrics.API_ERRORS.labels(verb, kind.name, failure.reason).inc()
            raise type(failure)(f"{verb} {kind.name} {failure}")
        try:
            found = object_of(data)
        except (ValueError, RecursionError) as error:  # msgspec's errors; a proxy's page, perhaps
            raise Waiting(f"{verb} {kind.name}: no JSON object: {error}") from error
        if kind == MODEL_BACKEND:
            for item in (found, *(found.get("items") or ())):
                cut_template(item)
        if name and verb != "DELETE" and _about(found).get("name") != name:
            raise Waiting(f"{verb} {kind.name}: the answer is not {name}")
        return found

    async def document(self, path: str) -> Object:
        """What it says of itself under a path, such as /openapi/v3."""
        return await self._send("GET", DOCUMENT, path)

    async def list_all(self, kind: Kind, selector: str = "") -> list[Object]:
        """All objects of a kind, optionally by label; a consistent read."""
        if kind.name in self.absent:
            return []
        query = {"labelSelector": selector} if selector else None
        found = await self._send("GET", kind, kind.path(self.namespace), query=query)
        return _items(found, kind)

    async def list_metadata(self, kind: Kind, selector: str) -> list[Object]:
        """The same without spec and data."""
        found = await self._send(
            "GET",
            kind,
            kind.path(self.namespace),
            query={"labelSelector": selector},
            headers={"Accept": METADATA},
        )
        return _items(found, kind)

    async def find(self, kind: Kind, name: str) -> Object | None:
        """One object of a kind that may be listed and not got, or None."""
        query = {"fieldSelector": f"metadata.name={name}"}
        found = await self._send("GET", kind, kind.path(self.namespace), query=query)
        return next((one for one in _items(found, kind) if _about(one).get("name") == name), None)

    async def get(self, kind: Kind, name: str) -> Object | None:
        """One object, or None."""
        if kind.name in self.absent:
            return None
        try:
            return await self._send("GET", kind, kind.path(self.namespace, name), name=name)
        except Gone:
            return None

    async def _write(
        self,
        verb: str,
        kind: Kind,
        name: str,
        *,
        body: object,
        query: Mapping[str, str],
        below: str = "",
        content: str = "application/json",
    ) -> Object:
        """To the object `name`; a create is sent to the collection."""
        self.fence()
        path = kind.path(self.namespace, "" if verb == "POST" else name) + below
        sent = {"Content-Type": content}
        try:
            done = await self._send(
                verb, kind, path, name=name, body=body, query=query, headers=sent
            )
        except BaseException:
            if self.witness is not None:
                self.witness.doubt(kind, name)
            raise
        if self.witness is not None:
            self.witness.note(kind, name, None if verb == "DELETE" else done)
        return done

    def _owned(self, kind: Kind, body: Object) -> Object:
        about = body["metadata"]
        if not self.owners or kind not in OF_THE_RELEASE or about.get("ownerReferences"):
            return body
        return {**body, "metadata": {**about, "ownerReferences": self.owners}}

    async def create(self, kind: Kind, body: Object) -> Object:
        """A new object; Conflict if it exists."""
        body = self._owned(kind, body)
        name, query = body["metadata"]["name"], {"fieldManager": FIELD_MANAGER}
        done = await self._write("POST", kind, name, body=body, query=query)
        metrics.WRITES.labels(kind.name, "create").inc()
        return done

    async def replace(self, kind: Kind, body: Object) -> Object:
        """Under the resourceVersion that `body` carries; Conflict if it is no longer that."""
        assert body["metadata"]["resourceVersion"], "a replace without a lock"
        body = self._owned(kind, body)
        name, query = body["metadata"]["name"], {"fieldManager": FIELD_MANAGER}
        done = await self._write("PUT", kind, name, body=body, query=query)
        metrics.WRITES.labels(kind.name, "replace").inc()
        return done

    async def apply(self, kind: Kind, body: Object, *, force: bool) -> Object:
        """
        Server-side apply: with `force` the fields in `body` become ours, whoever had them; without
        it Conflict if somebody has them.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        name = body["metadata"]["name"]
        done = await self._write("PATCH", kind, name, body=body, query=query, content=APPLY)
        metrics.WRITES.labels(kind.name, "apply").inc()
        return done

    async def apply_status(self, kind: Kind, item: Mapping[str, Any], status: Object) -> None:
        """
        Make `status` the status of exactly this version; Conflict if it is another one by now.

        A status is about a spec: one that comes after an edit would speak of what is no more.
        """
        about = item["metadata"]
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {
                "name": about["name"],
                "uid": about["uid"],
                "resourceVersion": about["resourceVersion"],
            },
            "status": status,
        }
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        await self._write(
            "PATCH", kind, about["name"], below="/status", body=body, query=query, content=APPLY
        )
        metrics.WRITES.labels(kind.name, "status").inc()

    async def delete(self, kind: Kind, item: Mapping[str, Any]) -> None:
        """Delete exactly this object; gone already is fine."""
        about = item["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": about["uid"]},
            "propagationPolicy": "Background",
        }
        try:
            await self._write("DELETE", kind, about["name"], body=body, query={})
        except (Gone, Conflict):
            return
        metrics.WRITES.labels(kind.name, "delete").inc()
