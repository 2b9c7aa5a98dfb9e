"""A server that answers chat completions as a test wants it, over real HTTP."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def completion(text: str | None = "yes", **more: Any) -> dict[str, Any]:
    """A body of status 200, with usage."""
    return {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        "model": "m-1",
        "system_fingerprint": "fp",
        **more,
    }


@dataclass(slots=True)
class Served:
    """Its base URL, and what it was asked."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[Served]:
    """Ends with its test."""
    found = Served()

    async def answer(request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = json.loads(await request.read())
        found.bodies.append(body)
        found.keys.append(request.headers.get("authorization"))
        return await handler(request, body)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield found
    finally:
        await runner.cleanup()
