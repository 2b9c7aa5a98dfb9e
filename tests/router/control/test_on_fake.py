"""The contract with the API server, on the fake: fast, in every run."""

from collections.abc import AsyncIterator

import pytest

from pointsman.router.control.kube_config import ApiServer
from tests.router.control.contract import ApiContract, World, release
from tests.router.control.objects import NAMESPACE, Json
from tests.support.fake_api import FakeApi

__all__ = ["release"]


class _FakeWorld:
    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.server = ApiServer(api.url)
        self._up = True

    async def apply(self, *objects: Json) -> None:
        for thing in objects:
            self.api.put(thing)

    async def delete(self, kind: str, name: str) -> None:
        self.api.delete(kind, name)

    async def stop(self) -> None:
        self._up = False
        await self.api.stop()

    async def start(self) -> None:
        if not self._up:
            await self.api.start()
        self._up = True

    async def token(self, account: str, audience: str | None) -> str:
        text = f"token-{len(self.api.tokens)}"
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        self.api.tokens[text] = (user, (audience or "https://kubernetes.default.svc",))
        return text


class TestFakeApi(ApiContract):
    """As on the bench."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        async with FakeApi() as api:
            yield _FakeWorld(api)
