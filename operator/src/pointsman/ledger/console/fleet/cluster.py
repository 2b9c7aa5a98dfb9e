"""The API server as the console sees it: three lists every few seconds, and one patch.

Guarantees a deadline on every request and a bound on what is read; that pages answer from memory
while it is away; and that an order is written only on the object for which it was decided.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp

from pointsman.api import names
from pointsman.api.depth import object_of
from pointsman.api.orders import Order
from pointsman.ledger.console.fleet.reading import seen_of
from pointsman.ledger.console.fleet.seen import Away, Json, Seen

try:
    from kubernetes.aio import client as aio_client
    from kubernetes.aio import config as aio_config
except ImportError:  # a ledger without the extra `console`
    aio_client = aio_config = None

_log = logging.getLogger(__name__)
EVERY_S: Final = 3.0
REQUEST_S: Final = 5.0
OLD_S: Final = 15.0
"""After so long without an answer the page says that it is old, and takes no orders."""
PAGE: Final = 500
MOST: Final = 2_000
"""Objects of a kind; the rest is not shown."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer."""
TRIES: Final = 4
"""Of an order whose object changes meanwhile."""
_OURS: Final = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Conflict(Away):
    """The object is another one by now."""


class ClusterFleet:
    """One namespace. `kubeconfig` None: the pod's own credentials."""

    def __init__(self, namespace: str, kubeconfig: Path | None, *, writable: bool) -> None:
        self.writable = writable
        self._namespace = namespace
        self._kubeconfig = kubeconfig
        self._configuration: Any = None
        self._client: Any = None
        self._seen = Seen()
        self._at_s = float("-inf")
        self._problem = ""
        self._asked = asyncio.Event()

    def seen(self) -> Seen:
        """What was read last; with a problem once that is old."""
        if time.monotonic() - self._at_s <= OLD_S:
            return self._seen
        problem = self._problem or "the API server has not answered yet"
        return replace(self._seen, problem=problem)

    def away(self) -> str:
        """Why it is not known as it is now."""
        return self.seen().problem

    async def run(self) -> None:
        """A list of each kind, and again; credentials are looked for until there are some."""
        try:
            while True:
                try:
                    self._seen = await self._look()
                    self._at_s, self._problem = time.monotonic(), ""
                except Away as error:
                    self._note(str(error))
                except Exception as error:  # noqa: BLE001 - no answer may end the ledger
                    self._note(f"what the API server says cannot be read: {error!r}"[:500])
                self._asked.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await self._asked.wait()
        finally:
            if self._client is not None:
                await self._client.close()
                await self._configuration.client_session_kwargs["connector"].close()

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("fleet-away", extra={"reason": problem})
        self._problem = problem

    async def _open(self) -> None:
        """Raises Away."""
        if aio_client is None:
            raise Away("the Kubernetes client is not installed: pip install 'pointsman[console]'")
        configuration: Any = aio_client.Configuration()
        try:
            if self._kubeconfig:
                await aio_config.load_kube_config(
                    config_file=str(self._kubeconfig), client_configuration=configuration
                )
            else:
                aio_config.load_incluster_config(client_configuration=configuration)
        except (aio_config.ConfigException, OSError) as error:
            raise Away(f"no credentials for the API server: {error}") from error
        client = aio_client.ApiClient(configuration)
        context: ssl.SSLContext = client.rest_client.ssl_context
        connector = aiohttp.TCPConnector(limit=4, ssl=context)
        configuration.client_session_kwargs = {"connector": connector, "trust_env": False}
        self._configuration, self._client = configuration, client

    async def annotate(self, policy: str, decide: Callable[[Json], Order]) -> None:
        """Under the object's resourceVersion; decided anew if somebody was faster."""
        path = f"{self._policies()}/{quote(policy, safe='')}"
        for left in reversed(range(TRIES)):
            item = await self._send("GET", path)
            name, value = decide(item)
            about = {
                "resourceVersion": item["metadata"]["resourceVersion"], "annotations": {name: value}
            }  # fmt: skip
            try:
                await self._send("PATCH", path, body={"metadata": about})
            except _Conflict:
                if not left:
                    raise
            else:
                self._asked.set()
                return

    def _policies(self) -> str:
        return f"{_OURS}{self._namespace}/{names.PLURALS[names.ROUTING_POLICY]}"

    async def _look(self) -> Seen:
        backends = f"{_OURS}{self._namespace}/{names.PLURALS[names.MODEL_BACKEND]}"
        revisions = f"/apis/apps/v1/namespaces/{self._namespace}/controllerrevisions"
        found = [
            await self._list(backends),
            await self._list(self._policies()),
            await self._list(revisions, selector=names.LABEL_POLICY, accept=_METADATA),
        ]
        return seen_of(*found)

    async def _list(self, path: str, selector: str = "", accept: str = "") -> list[Json]:
        items: list[Json] = []
        query = {"limit": str(PAGE), "labelSelector": selector}
        while True:
            found = await self._send("GET", path, query=query, accept=accept)
            if not isinstance(found.get("items"), list):
                raise Away(f"GET {path}: the answer is no list")
            items += found["items"]
            further = (found.get("metadata") or {}).get("continue")
            if not further or len(items) >= MOST:
                return items[:MOST]
            query["continue"] = further

    async def _send(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        accept: str = "",
    ) -> dict[str, Any]:
        """The object. Raises Away."""
        if self._client is None:
            await self._open()
        sent = {"Accept": accept or "application/json"}
        if body is not None:
            sent["Content-Type"] = "application/merge-patch+json"
        url = self._configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            async with asyncio.timeout(REQUEST_S):
                token = await self._configuration.get_api_key_with_prefix(
                    "BearerToken", alias="authorization"
                )
                if token:
                    sent["authorization"] = token
                response = await self._client.call_api(verb, url, header_params=sent, body=body)
                data = await _read(response.response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"the API server does not answer: {type(error).__name__}") from error
        return _object(verb, path, response.status, data)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Raises Away before more than MOST_BYTES are held."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MOST_BYTES:
            response.close()
            raise Away(f"the API server's answer has more than {MOST_BYTES:,} bytes")
    return bytes(data)


def _object(verb: str, path: str, status: int, data: bytes) -> dict[str, Any]:
    try:
        found = object_of(data)
    except (ValueError, RecursionError):
        found = {}
    if status < HTTPStatus.MULTIPLE_CHOICES and found:
        return found
    said = str(found.get("message") or "no JSON object")[:500]
    kind = _Conflict if status == HTTPStatus.CONFLICT else Away
    raise kind(f"the API server answers {status} to {verb} {path.rpartition('/')[2]}: {said}")
