"""A data plane between real sockets: simulators or scripted servers behind it, raw clients before.

The clients parse with h11, so that every answer of ours is also checked by a second HTTP library.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import h11

from pointsman.api.governed import Governed
from pointsman.api.predicting import Chooser
from pointsman.api.reviewing import HumanReview
from pointsman.api.table import (
    PINS,
    Backend,
    Budget,
    Capture,
    CredentialRef,
    Endpoint,
    ExternalAddress,
    Fallback,
    PolicyBlob,
    Route,
    ServiceAddress,
    Signals,
    Target,
)
from pointsman.router.callers import OPEN
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.serve.app import DataPlane
from pointsman.router.serve.limits import Limits
from pointsman.routing import compile_policy, compile_table
from pointsman.simulator.model_server import ModelServer
from pointsman.simulator.serving import listening
from pointsman.simulator.settings import Settings

LIMITS = Limits(tick_s=0.005, allow_loopback=True)
PATIENCE_S = 20.0
"""No wait of a test is longer; a promise that is kept ends it much earlier."""


@dataclass(frozen=True)
class Reply:
    """One answer as h11 read it; `complete` is False if the connection ended in it."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, object]:
        """OpenAI's error object; all its fields are there."""
        found = self.json()["error"]
        assert isinstance(found, dict)
        assert set(found) == {"message", "type", "param", "code"}
        return found

    @property
    def events(self) -> list[str]:
        """The data of each server-sent event."""
        text = self.body.decode()
        assert text.endswith("\n\n") or not text
        return [block.removeprefix("data: ") for block in text.split("\n\n") if block]

    @property
    def content(self) -> str:
        """What the model said, of either kind of answer."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            choices = self.json()["choices"]
            assert isinstance(choices, list)
            return str(choices[0]["message"]["content"])
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        return "".join(
            choice["delta"].get("content") or ""
            for chunk in chunks
            for choice in chunk.get("choices", ())
        )


class Client:
    """One connection to the data plane."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._http = h11.Connection(h11.CLIENT)

    async def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def read_until(self, part: bytes) -> bytes:
        """Raw bytes up to and with `part`."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(part)

    async def rest(self) -> bytes:
        """Raw bytes until the connection ends."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def reply(self, method: bytes = b"POST") -> Reply:
        """The next answer."""
        http = self._http
        if http.our_state is h11.IDLE:
            http.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
            http.send(h11.EndOfMessage())
        status, body = 0, b""
        headers: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    event = http.next_event()
                except h11.RemoteProtocolError:
                    return Reply(status, headers, body, False)
                if event is h11.NEED_DATA:
                    http.receive_data(await self._some())
                elif isinstance(event, h11.Response):
                    status = event.status_code
                    headers = {k.decode(): v.decode("latin-1") for k, v in event.headers}
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                elif isinstance(event, h11.ConnectionClosed):
                    return Reply(status, headers, body, False)
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
        return Reply(status, headers, body, True)

    async def _some(self) -> bytes:
        try:
            return await self.reader.read(65_536)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        """Leave."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def chat(model: str = "auto", *, stream: bool = False, **more: object) -> dict[str, object]:
    """The body of a small request."""
    messages = [{"role": "user", "content": "Which train leaves first?"}]
    return {"model": model, "messages": messages, "stream": stream, **more}


def post(
    body: object, *, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None
) -> bytes:
    """A request as bytes; `body` is bytes or something JSON can say."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-type": "application/json", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    head += f"content-length: {len(data)}\r\n"
    return f"POST {path} HTTP/1.1\r\nhost: router\r\n{head}\r\n".encode() + data


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class World:
    """What a test sees; `live` may be changed between two requests."""

    stack: AsyncExitStack
    plane: DataPlane
    live: Live
    metrics: Metrics
    port: int = 0
    backends: dict[str, Backend] = field(default_factory=dict)
    simulators: dict[str, ModelServer] = field(default_factory=dict)

    def place(self, name: str, *ports: int, **more: object) -> None:
        """A backend whose ready endpoints are on these ports of 127.0.0.1."""
        address = ServiceAddress(namespace="default", service=name, port=8000)
        ready = tuple(Endpoint(host="127.0.0.1", port=port) for port in ports)
        self.live.replace_endpoints({**self.live.endpoints, address.key: ready})
        self.backends[name] = Backend(name=name, model=f"model-{name}", address=address, **more)  # type: ignore[arg-type]

    def external(
        self, name: str, url: str, *, key: bytes | None = None, ca_bundle: str | None = None
    ) -> None:
        """A backend behind a URL, with a key if one is given."""
        ref = CredentialRef(name=f"{name}-key")
        if key is not None:
            self.live.credentials = {**self.live.credentials, (ref.name, ref.key, url): key}
        address = ExternalAddress(url=url, credential=ref, ca_bundle=ca_bundle)
        self.backends[name] = Backend(name=name, model=f"model-{name}", address=address)

    async def simulator(self, name: str, **settings: object) -> ModelServer:
        """A simulated model behind backend `name`."""
        server, port = await self.simulated(name, **settings)
        self.place(name, port)
        return server

    async def simulated(self, name: str, **settings: object) -> tuple[ModelServer, int]:
        """A simulated model that no backend points to yet."""
        chosen = replace(
            Settings(
                model=f"model-{name}",
                host="127.0.0.1",
                port=0,
                ttft_s=0.0,
                tokens_per_second=0.0,
                output_tokens=8,
                max_concurrency=1000,
                control=True,
                strict_model=True,
            ),
            **settings,  # type: ignore[arg-type]
        )
        server, port = await self.stack.enter_async_context(listening(chosen))
        self.simulators[name] = server
        return server, port

    async def scripted(self, name: str, handler: Handler) -> int:
        """A server that does with each connection what `handler` says; its port."""
        port = await self.scripted_port(handler)
        self.place(name, port)
        return port

    async def scripted_port(self, handler: Handler) -> int:
        """A scripted server that no backend points to yet."""
        tasks: set[asyncio.Task[None]] = set()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            except RuntimeError:
                if not writer.is_closing():  # uvloop's word for a connection that is cut
                    raise
            finally:
                writer.close()

        server = await asyncio.start_server(on_connection, "127.0.0.1", 0)

        async def stop() -> None:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.stack.push_async_callback(stop)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def route(
        self,
        *names: str,
        fallback: Fallback | None = None,
        revision: str = "r1",
        model_names: tuple[str, ...] = ("auto",),
        **timeouts: float,
    ) -> None:
        """Put a table in force: the first backend is the target, the others its fallback chain."""
        chain = fallback
        if chain is None and len(names) > 1:
            chain = Fallback(chain=names[1:])
        route = Route(
            name="default",
            targets=(Target(backend=names[0]),),
            fallback=chain,
            **timeouts,  # type: ignore[arg-type]
        )
        self.put(route, revision=revision, model_names=model_names)

    def put(
        self,
        *routes: Route,
        revision: str = "r1",
        model_names: tuple[str, ...] = ("auto",),
        baseline: str = "",
        budgets: tuple[Budget, ...] = (),
        capture: Capture | None = None,
        signals: Signals | None = None,
        predictor: Chooser | None = None,
        governance: Governed | None = None,
        review: HumanReview | None = None,
    ) -> None:
        """Put a table of one policy in force."""
        blob = PolicyBlob(
            namespace="default",
            name="desk",
            revision=revision,
            model_names=model_names,
            routes=routes,
            backends=self.backends,
            baseline=baseline,
            budgets=budgets,
            capture=capture,
            signals=signals,
            predictor=predictor,
            governance=governance,
            review=review,
        )
        self.live.table = compile_table([compile_policy(blob, f"digest-{revision}")])
        self.live.ready = True

    def pin(self, *names: str) -> None:
        """Put a table in force that carries these backends for pinned requests, and no policy."""
        routes = tuple(Route(name="pinned", targets=(Target(backend=name),)) for name in names)
        blob = PolicyBlob(
            namespace="default",
            name=PINS,
            revision="",
            model_names=(),
            routes=routes,
            backends={name: self.backends[name] for name in names},
        )
        self.live.table = compile_table((), pins=compile_policy(blob, "digest-pins"))
        self.live.ready = True

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to the data plane."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            await client.close()

    async def ask(self, body: object = None, **headers: str) -> Reply:
        """One request on its own connection."""
        async with self.client() as client:
            lines = {name.replace("_", "-"): value for name, value in headers.items()}
            await client.send(post(chat() if body is None else body, headers=lines))
            return await client.reply()

    def seen(self, name: str) -> list[dict[str, str]]:
        """The headers of every request a simulator got, names in lower case."""
        found = []
        for entry in self.simulators[name].log.as_json():
            pairs = entry["headers"]
            assert isinstance(pairs, list)
            found.append({key.lower(): value for key, value in pairs})
        return found

    def count(self, name: str, **labels: str) -> float:
        """The value of one metric."""
        return self.metrics.registry.get_sample_value(f"pointsman_router_{name}", labels) or 0.0


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def leaks(plane: DataPlane) -> list[str]:
    """What the data plane still holds though no client is there; nothing after any test."""
    pools = plane.pools._pools.values()
    idle = {c._alarm for pool in pools for c in pool.idle}
    armed = {a for bucket in plane.wheel._buckets.values() for a in bucket if a.ring is not None}
    held = {
        "clients": len(plane._clients),
        "pinned requests": len(plane.asking),
        "requests in work": plane._running,
        "requests at backends": plane.live.in_flight,
        "requests that wait": plane.live.held,
        "amounts of budgets": plane.budgets.held,
        "bytes of bodies": plane.held_bodies_bytes,
        "slots of callers": sum(q.state.running for q in plane.quotas._quotas.values()),
        "tokens of callers": sum(q.state.held_tokens for q in plane.quotas._quotas.values()),
        "connections in the metrics": plane.metrics.connections,
        "bugs": plane.metrics.internal_errors,
        "outstanding": sum(pool.outstanding for pool in pools),
        "dialing": sum(len(pool._dialing) for pool in pools),
        "backend connections in use": sum(len(p._open) - len(p.idle) for p in pools),
        "alarms of nobody": len(armed - idle),
    }
    return [f"{name}: {value}" for name, value in held.items() if value]


@asynccontextmanager
async def world(
    limits: Limits = LIMITS,
    dice: Callable[[], float] = lambda: 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[World]:
    """
    A running data plane that is open to all.

    It lets go of everything by itself, and closes what it keeps.
    """
    live, metrics = Live(callers=OPEN), Metrics()
    plane = DataPlane(live, limits, metrics, dice=dice, clock=clock)
    async with AsyncExitStack() as stack:
        found = World(stack, plane, live, metrics)
        found.port = await plane.start("127.0.0.1", 0)
        try:
            yield found
        except BaseException:
            await plane.drain(0.0)  # uvloop's end waits for ever for what is open
            raise
        with suppress(TimeoutError):
            await until(lambda: not leaks(plane))
        assert leaks(plane) == []
        await plane.drain(2.0)
    assert leaks(plane) == []
    assert plane.pools._pools == {}
