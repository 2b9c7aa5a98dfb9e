"""A router as its own process, as a pod runs it, and how to talk to it."""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from pointsman.api.table import AdminEvent, decode_event
from tests.router.control.objects import NAMESPACE
from tests.router.control.router import PATIENCE_S

Json = dict[str, Any]


class Events:
    """Lines of an admin stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def until(self, holds: Callable[[AdminEvent], object]) -> AdminEvent:
        """The next event for which this is true; those before it are dropped."""
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._response.content.readline():
                event = decode_event(line)
                if holds(event):
                    return event
        raise AssertionError("the stream ended")


class RouterProcess:
    """What it logged, and its two ports."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self.logged: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.wait_for("serving")["port"])
        self.admin = f"http://127.0.0.1:{int(self.wait_for('administered')['port'])}"
        self.url = f"http://127.0.0.1:{self.port}"

    def wait_for(self, event: str) -> Json:
        """The next log line of this event."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            if not line:
                raise AssertionError(f"the router ended: {self.logged[-5:]}")
            if line.startswith("{") and (facts := json.loads(line))["event"] == event:
                found: Json = facts
                return found

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Sent to the process alone."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal()
        return self._process.wait(timeout=PATIENCE_S)

    async def status(self, path: str) -> int:
        """HTTP status of a GET on the admin port."""
        async with aiohttp.ClientSession() as session, session.get(self.admin + path) as answer:
            return answer.status

    async def json(self, path: str) -> Json:
        """Answer of a GET on the admin port."""
        async with aiohttp.ClientSession() as session, session.get(self.admin + path) as answer:
            body: Json = await answer.json()
            return body

    async def models(self, key: str = "") -> list[str] | int:
        """Model names that the data plane offers to who has this key, or the status."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/v1/models", headers=headers) as answer,
        ):
            if answer.status != 200:
                return answer.status
            return [model["id"] for model in (await answer.json())["data"]]

    async def until_ready(self, holds: Callable[[Json], object]) -> None:
        """Wait until /readyz says so."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds(await self.json("/readyz")):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def stream(self, token: str = "") -> AsyncIterator[Events]:
        """The admin stream, as the operator opens it."""
        headers = {"Authorization": f"Bearer {token}", "x-pointsman-epoch": "1"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.admin}/admin/stream", headers=headers) as answer,
        ):
            assert answer.status == 200
            yield Events(answer)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.logged.append(line)
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def router_process(folder: Path, *options: str) -> Iterator[RouterProcess]:
    """Starts `python -m pointsman.router`, open unless told otherwise, and ends it in any case."""
    command = [
        *(sys.executable, "-m", "pointsman.router", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"),
        *(f"--state-dir={folder / 'state'}", f"--keys-dir={folder / 'keys'}"),
        *(f"--namespace={NAMESPACE}", "--shutdown-delay-seconds=0", "--callers=Open", *options),
    ]
    environment = os.environ | {"POD_NAME": "router-0"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield RouterProcess(process)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_S)
        if process.stderr is not None:
            process.stderr.close()
