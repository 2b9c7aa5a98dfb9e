"""Edits of the fleet's objects, past the proxy: a process of kubectl for each would take longer.

Guarantees server-side apply, as by `kubectl apply --server-side --force-conflicts`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from pointsman.api.names import GROUP
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.router.control.kube_config import from_kubeconfig

Json = dict[str, Any]
KINDS: Final = {
    kind.name: kind
    for kind in (
        kinds.EVALUATION_SUITE,
        kinds.MODEL_BACKEND,
        kinds.ROUTING_POLICY,
        kinds.SERVICE,
        kinds.ENDPOINT_SLICE,
    )
}
_APPLY: Final = {"fieldManager": "tests", "force": "true"}
_MERGE: Final = {"content-type": "application/merge-patch+json"}
_YAML: Final = {"content-type": "application/apply-patch+yaml"}


class Editor:
    """A user of one namespace."""

    def __init__(self, http: aiohttp.ClientSession, url: str, namespace: str) -> None:
        self._http = http
        self._url = url
        self._namespace = namespace

    async def apply(self, *objects: Json) -> None:
        """In this order."""
        for item in objects:
            body = bare(item)
            url = self._url + KINDS[item["kind"]].path(self._namespace, body["metadata"]["name"])
            async with self._http.patch(url, json=body, params=_APPLY, headers=_YAML) as answer:
                assert answer.status < 300, await answer.text()

    async def annotate(self, kind: Kind, name: str, **values: str | None) -> None:
        """`pointsman.dev/<key>`, with - for _; None takes one away."""
        said = {f"{GROUP}/{key.replace('_', '-')}": value for key, value in values.items()}
        url = self._url + kind.path(self._namespace, name)
        body = {"metadata": {"annotations": said}}
        async with self._http.patch(url, json=body, headers=_MERGE) as answer:
            assert answer.status < 300, await answer.text()

    async def delete(self, kind: Kind, name: str) -> None:
        """It must be there."""
        async with self._http.delete(self._url + kind.path(self._namespace, name)) as answer:
            assert answer.status < 300, await answer.text()


def bare(item: Json) -> Json:
    """Without what only the API server sets."""
    about = item["metadata"]
    return {**item, "metadata": {key: about[key] for key in ("name", "labels") if key in about}}


@asynccontextmanager
async def editor(kubeconfig: Path, namespace: str) -> AsyncIterator[Editor]:
    """As the kubeconfig's user."""
    server = from_kubeconfig(kubeconfig)
    token = server.bearer()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=server.tls or True),
        headers={"authorization": f"Bearer {token}"} if token else {},
        timeout=aiohttp.ClientTimeout(total=30),
    ) as http:
        yield Editor(http, server.url, namespace)
