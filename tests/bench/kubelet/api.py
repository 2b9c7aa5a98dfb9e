"""The few API server calls a kubelet needs, over one aiohttp session.

Guarantees: every call has a deadline and ends in its answer, in Rejected (the server said no)
or in Away (nobody answered); a watch that breaks raises Away and never ends silently.
"""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

Json = dict[str, Any]


class Away(Exception):
    """The API server did not answer; try again later."""


class Rejected(Exception):
    """The API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """An admin's client for the API server of a kubeconfig with inline certificates."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self.server: str = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]))
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._tls.load_cert_chain(pair.name)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=64)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        deadline_s: float = 5,
    ) -> Json:
        """One request; the answer's JSON object."""
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._session.request(
                method,
                self.server + path,
                data=data,
                params=query,
                headers={"content-type": content_type},
                timeout=aiohttp.ClientTimeout(total=deadline_s),
            ) as response:
                answer = await response.read()
                if response.status >= 400:
                    raise Rejected(response.status, _message(answer))
                return _object(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"{method} {path}: {error!r}") from error

    async def patch(self, path: str, body: Json) -> Json:
        """A strategic merge patch: list entries with a merge key are merged by it."""
        kind = "application/strategic-merge-patch+json"
        return await self.call("PATCH", path, body, content_type=kind)

    async def watch(self, path: str, query: dict[str, str], version: str) -> AsyncIterator[Json]:
        """Events since `version`; ends by raising Away or Rejected (410: list again)."""
        asked = query | {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        timeout = aiohttp.ClientTimeout(total=None, connect=5)
        try:
            async with self._session.get(
                self.server + path, params=asked, timeout=timeout
            ) as response:
                if response.status >= 400:
                    raise Rejected(response.status, _message(await response.read()))
                buffer = b""
                async for chunk in response.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        event = _object(line)
                        if event["type"] == "ERROR":
                            raise Rejected(event["object"].get("code", 500), str(event["object"]))
                        yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"watch {path}: {error!r}") from error
        raise Away(f"watch {path}: closed by the server")


async def persist(attempt: Any, *, first_s: float = 0.2, most_s: float = 2) -> Json | None:
    """Call `attempt()` until the API server is there; None when it answers 404 or 409."""
    delay_s = first_s
    while True:
        try:
            answer: Json = await attempt()
        except Rejected as error:
            if error.status in {404, 409}:
                return None
            if error.status < 500 and error.status not in {429, 403}:
                raise
        except Away:
            pass
        else:
            return answer
        await asyncio.sleep(delay_s)
        delay_s = min(most_s, delay_s * 2)


def _object(data: bytes) -> Json:
    value: Json = json.loads(data)
    return value


def _message(data: bytes) -> str:
    try:
        return str(_object(data).get("message", ""))
    except ValueError:
        return data.decode(errors="replace")[:300]
