"""A simulator in the test's own event loop, and a client that knows no HTTP library of ours."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11

from pointsman.simulator.model_server import ModelServer
from pointsman.simulator.serving import listening
from pointsman.simulator.settings import Settings

MODEL = "qwen-light"
DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A listening simulator: the server object for its counters, the port for clients."""

    server: ModelServer
    port: int

    @property
    def url(self) -> str:
        """The base URL of an SDK."""
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def simulated(**changes: Any) -> AsyncIterator[Simulator]:
    """A simulator with no delays unless `changes` (fields of Settings) say so."""
    given = {"ttft_s": 0.0, "tokens_per_second": 0.0, "control": True, **changes}
    settings = Settings(model=MODEL, host="127.0.0.1", port=0, **given)
    async with listening(settings) as (server, port):
        yield Simulator(server, port)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response as h11 read it. `whole` is False if the connection ended inside it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def error(self) -> Any:
        """OpenAI's error object."""
        return self.json()["error"]

    def events(self) -> list[Any]:
        """The events of a stream; `[DONE]` as the string it is."""
        found = [e.removeprefix("data: ") for e in self.body.decode().split("\n\n") if e]
        return [e if e == "[DONE]" else json.loads(e) for e in found]


def chat(prompt: str = "Hello?", **more: Any) -> dict[str, Any]:
    """A chat request's body."""
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **more}


def encode(
    method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> bytes:
    """A request's bytes; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def send(  # noqa: PLR0917 - method, path and body are read in this order everywhere
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request on its own connection and read its answer."""
    name = None if tls is None else "localhost"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        writer.write(encode(method, path, body, headers))
        return await read_answer(reader, method)
    finally:
        writer.close()


async def post(port: int, body: Any, path: str = "/v1/chat/completions") -> Answer:
    """Send a generation request."""
    return await send(port, "POST", path, body)


async def read_answer(reader: asyncio.StreamReader, method: str = "POST") -> Answer:
    """The next response. h11.RemoteProtocolError if it is no HTTP."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method=method, target="/", headers=[("host", "test")]))
    parser.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = b""
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            if head is None:
                raise
            return _answer(head, body, whole=False)
        if event is h11.NEED_DATA:
            try:
                async with asyncio.timeout(DEADLINE_S):
                    parser.receive_data(await reader.read(65536))
            except ConnectionResetError:
                if head is None:
                    raise
                return _answer(head, body, whole=False)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return _answer(head, body, whole=True)


def _answer(head: h11.Response, body: bytes, *, whole: bool) -> Answer:
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Answer(head.status_code, headers, body, whole)


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; TimeoutError if it never does."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the condition is of someone else's state
            await asyncio.sleep(0.001)
