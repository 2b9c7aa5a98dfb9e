"""Ledgers as their own processes, and a writer that sends a spool until all of it has arrived."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pointsman.events.schema import Event
from tests.ledger.events import frame

PATIENCE_S = 60.0
Json = dict[str, Any]


class LedgerProcess:
    """`python -m pointsman.ledger` on a free port."""

    def __init__(self, *options: str, port: int = 0) -> None:
        listen = f"--listen=127.0.0.1:{port}"
        command = [sys.executable, "-m", "pointsman.ledger", listen, *options]
        self._process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PGCONNECT_TIMEOUT": "2"}
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self.logged: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for("serving")["port"])

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait_for(self, event: str) -> Json:
        """The next log line of this event."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            if not line:
                raise AssertionError(f"the ledger ended: {self.logged[-5:]}")
            if line.startswith("{") and (facts := json.loads(line))["event"] == event:
                found: Json = facts
                return found

    def ask(
        self, method: str, path: str, body: bytes = b"", within_s: float = 30
    ) -> tuple[int, Any]:
        """Status and JSON. OSError and HTTPException where there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
            is_json = "json" in (answer.headers["Content-Type"] or "")
            return answer.status, json.loads(data) if is_json else data.decode()
        finally:
            connection.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        status = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return status

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.logged.append(line)
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def ledger_process(*options: str) -> Iterator[LedgerProcess]:
    """Ends it in any case."""
    process = LedgerProcess(*options)
    try:
        yield process
    finally:
        process.end(signal.SIGKILL)


class Sender(threading.Thread):
    """
    Sends events 1 to n of a spool in frames, as a router does, to whichever ledger is `target`.

    What has no answer of 200 is asked about and sent again; `answers` counts by status.
    """

    def __init__(
        self, spool: str, events: Sequence[Event], target: LedgerProcess, size: int = 50
    ) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.answers: dict[int, int] = {}
        self._spool = spool
        self._events = events
        self._size = size
        self.next = 1
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Until the ledger wants what there is not."""
        try:
            end_s = time.monotonic() + PATIENCE_S
            while self.next <= len(self._events) and time.monotonic() < end_s:
                self._send()
        except BaseException as error:  # noqa: BLE001 - `finish` raises it
            self.failure = error

    def _send(self) -> None:
        first = self.next
        body = frame(self._events[first - 1 : first - 1 + self._size], first, self._spool)
        try:
            status, told = self.target.ask("POST", "/v1/events", body)
        except (OSError, http.client.HTTPException):
            status, told = 0, {}
        self.answers[status] = self.answers.get(status, 0) + 1
        if status == 200:
            self.next = told["next"]
        else:
            time.sleep(0.02)

    def finish(self) -> None:
        """Waits; raises what ended it before its time."""
        self.join(PATIENCE_S + 10)
        if self.failure is not None:
            raise self.failure
        assert self.next > len(self._events), f"{self._spool} is at {self.next}: {self.answers}"
