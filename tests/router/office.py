"""Routers, a ledger and callers as processes of their own, with people who decide."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import openai

from pointsman.api import table
from pointsman.api.reviewing import HumanReview, Review
from pointsman.simulator.model_server import ModelServer
from pointsman.simulator.serving import listening
from pointsman.simulator.settings import Settings
from tests.ledger.process import LedgerProcess
from tests.ledger.reviewing.desks import people_file
from tests.router.control.objects import (
    NAMESPACE,
    blob_object,
    caller_entry,
    callers_object,
    entry,
    manifest,
    manifest_object,
    service_backend,
    service_object,
    slice_object,
)
from tests.router.control.process import RouterProcess, router_process
from tests.router.control.test_process import kubeconfig
from tests.sdk import PLAIN
from tests.support.fake_api import FakeApi

KEY = "pmk-app-0123456789abcdefghijklmnopqrstuv"
OTHER = "pmk-other-0123456789abcdefghijklmnopqrs"
REVIEWERS = ("ada", "ben", "cleo", "dana", "emil")
Json = dict[str, Any]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Office:
    """Two routers, a ledger that can be killed, and who decides."""

    folder: Path
    ledger_port: int
    session: aiohttp.ClientSession
    models: dict[str, ModelServer]
    routers: list[RouterProcess] = field(default_factory=list)
    ledger: LedgerProcess | None = None

    def begin(self) -> None:
        """The ledger, again and again on one file and one port."""
        options = (f"--db={self.folder / 'ledger'}", f"--people={self.folder / 'people'}")
        self.ledger = LedgerProcess(*options, port=self.ledger_port)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        assert self.ledger is not None
        self.ledger.end(signal.SIGKILL)

    def sdk(self, router: int = 0, key: str = KEY, **more: Any) -> openai.AsyncOpenAI:
        """OpenAI's own."""
        url = f"{self.routers[router].url}/v1"
        http = openai.DefaultAsyncHttpxClient(verify=PLAIN)
        return openai.AsyncOpenAI(base_url=url, api_key=key, timeout=90, http_client=http, **more)

    async def ask(self, method: str, path: str, body: Json | None, who: str) -> tuple[int, Any]:
        """The ledger, as a person."""
        url = f"http://127.0.0.1:{self.ledger_port}/v1/people/reviews{path}"
        headers = {"Authorization": f"Bearer token of {who}"}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def pending(self, who: str = "ada") -> list[Json]:
        """What waits for somebody."""
        status, found = await self.ask("GET", "?state=Pending&limit=200", None, who)
        return list(found["reviews"]) if status == 200 else []

    async def next(self) -> Json:
        """The first that waits."""
        async with asyncio.timeout(60):
            while True:
                if found := await self.pending():
                    return dict(found[0])
                await asyncio.sleep(0.05)

    async def decide(self, review: Json, verdict: str, who: str = "ada", **more: str) -> int:
        """Claim and decide; the status."""
        await self.ask("POST", f"/{review['id']}/claim", {}, who)
        body = {"verdict": verdict, "request_hash": review["request_hash"], **more}
        status, _ = await self.ask("POST", f"/{review['id']}/decide", body, who)
        return status

    async def states(self) -> Counter[str]:
        """How all that ended did."""
        found: Counter[str] = Counter()
        after = ""
        while True:
            _, page = await self.ask("GET", f"?state=Ended&limit=200&after={after}", None, "ada")
            found.update(one["state"] for one in page["reviews"])
            after = page.get("after", "")
            if not after:
                return found

    async def poll(self, review: str, router: int, key: str = KEY) -> tuple[int, bytes]:
        """A caller's."""
        url = f"{self.routers[router].url}/v1/reviews/{review}"
        headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=20"}
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.read()


def blob(human: HumanReview, *rules: tuple[str, Review]) -> bytes:
    """One rule for each value of the header x-desk."""
    backends = [service_backend(), service_backend("large", "large-model")]
    targets = (table.Target(backend="small"),)
    routes = [
        table.Route(
            name=name,
            targets=targets,
            match=table.Match(headers=(table.HeaderMatch(name="x-desk", value=name),)),
            review=review,
        )
        for name, review in rules
    ]
    return table.encode(
        table.PolicyBlob(
            namespace=NAMESPACE, name="desk", revision="r1", model_names=("auto",),
            routes=(*routes, table.Route(name="default", targets=targets)),
            backends={one.name: one for one in backends}, review=human,
        )
    )  # fmt: skip


@asynccontextmanager
async def office(folder: Path, human: HumanReview, routers: int = 2) -> AsyncIterator[Office]:
    rules = (
        ("answers", Review(mode="Hold")),
        ("requests", Review(mode="Hold", stage="Request")),
    )
    people_file(folder, dict.fromkeys(REVIEWERS, "reviewer"))
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(FakeApi())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        compiled = blob(human, *rules)
        api.put(blob_object(compiled))
        api.put(callers_object(app=caller_entry(KEY.encode()), other=caller_entry(OTHER.encode())))
        models = {}
        for name in ("small-model", "large-model"):
            settings = Settings(
                model="tiny", host="127.0.0.1", port=0, ttft_s=0.0, tokens_per_second=0.0,
                output_tokens=8, max_concurrency=1000,
            )  # fmt: skip
            server, port = await stack.enter_async_context(listening(settings))
            models[name] = server
            api.put(service_object(name, 8000))
            api.put(slice_object(name, ("127.0.0.1",), port=port))
        api.put(manifest_object(manifest(1, entry(compiled, "desk"))))
        there = Office(folder, free_port(), session, models)
        there.begin()
        options = (
            kubeconfig(folder, api),
            "--admin-auth=none",
            "--callers=Keys",
            "--caller-secrets=callers",
            f"--ledger=http://127.0.0.1:{there.ledger_port}",
        )
        for number in range(routers):
            own = folder / f"router-{number}"
            own.mkdir()
            router = stack.enter_context(router_process(own, *options))
            there.routers.append(router)
            async with asyncio.timeout(30):
                while await router.models(KEY) != ["auto"]:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        try:
            yield there
        finally:
            there.kill()


def chat(sdk: openai.AsyncOpenAI, desk: str, text: str = "Hi", **more: Any) -> Any:
    """A call that waits."""
    return sdk.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": text}],
        extra_headers={"x-desk": desk},
        **more,
    )
