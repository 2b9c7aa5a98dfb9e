"""Key bytes appear nowhere but in `Live.credentials` and the keys folder."""

import asyncio
import base64
import json
import logging
from pathlib import Path

import aiohttp
import pytest

from pointsman.process.logs import JsonFormatter
from pointsman.router.control.kube_config import ApiServer
from tests.router.control.objects import (
    blob_object,
    entry,
    external_backend,
    manifest,
    manifest_object,
    policy,
    secret_object,
)
from tests.router.control.router import Router, running_router, until
from tests.support.fake_api import FakeApi

CANARY = "sk-canary-7e57ab1e"


async def _everything(router: Router) -> str:
    """All that the admin port says to anybody."""
    found: list[str] = []
    async with aiohttp.ClientSession() as session:
        for path in ("/healthz", "/readyz", "/metrics", "/admin/table"):
            async with session.get(router.url + path) as answer:
                found.append(await answer.text())
        async with session.get(f"{router.url}/admin/stream") as answer, asyncio.timeout(30):
            found.append((await answer.content.readline()).decode())
    return "".join(found)


async def test_a_key_is_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Good keys, keys that no header can carry, Secrets that no one can decode; debug logs."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    blob = policy(backends=[external_backend()])
    emitted = ""
    async with FakeApi() as api:
        api.put(secret_object(CANARY.encode()))
        api.put(blob_object(blob))
        api.put(manifest_object(manifest(1, entry(blob))))
        async with running_router(ApiServer(api.url), folder=tmp_path) as router:
            await until(lambda: router.live.credentials, "the key")
            emitted += await _everything(router) + repr((router, router.feed.known_secrets))
            assert json.loads(await _table(router))["credentials"] == ["provider/api-key"]

            api.put(secret_object(f"{CANARY}\r\nx-evil: 1".encode()))
            await until(lambda: "no header" in router.feed.acks[0].error, "the refusal")
            emitted += await _everything(router)

            broken = secret_object(b"")
            broken["data"] = {"api-key": CANARY}
            api.put(broken)
            await until(lambda: router.cluster.unread, "a Secret that cannot be decoded")
            emitted += await _everything(router) + str(router.cluster.unread)

            api.put(secret_object(CANARY.encode(), labels={}))
            await until(lambda: "label" in router.feed.acks[0].error, "the withdrawal")
            emitted += await _everything(router)
    formatter = JsonFormatter()
    emitted += "".join(formatter.format(record) + repr(vars(record)) for record in caplog.records)
    emitted += "".join(capfd.readouterr())
    emitted += "".join(
        path.read_text() for path in (tmp_path / "state").rglob("*") if path.is_file()
    )

    assert CANARY not in emitted
    assert base64.b64encode(CANARY.encode()).decode().rstrip("=") not in emitted
    assert "could not be read" in emitted or "no header" in emitted


async def _table(router: Router) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{router.url}/admin/table") as answer,
    ):
        return await answer.text()
