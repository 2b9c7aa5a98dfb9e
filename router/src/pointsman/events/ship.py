"""Sends what a spool holds to the ledger, oldest first, until the ledger says that it has it.

Guarantees that nothing is forgotten before that, that every wait has a deadline, and that a ledger
which is away is asked again with growing pauses (0.5 to 30 s). A thread of its own: a slow ledger
delays neither requests nor the spool.
"""

import http.client
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from pointsman.api.statuses import label_of
from pointsman.events.segment import Batch
from pointsman.events.segments import Segments

_log = logging.getLogger(__name__)
_BATCH_BYTES: Final = 1024 * 1024
_GATHER_S: Final = 0.4
"""Pause when all is sent, so that little traffic is not a stream of tiny requests."""
_LONGEST_PAUSE_S: Final = 30.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_MOST_TOLD: Final = 200
_MAX_LENT_BYTES: Final = 4 * 1024 * 1024
"""A thousand slices with the longest names take 1 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the ledger is. ValueError if `url` is none."""

    url: str
    token_file: Path | None = None
    """Read anew for each connection."""
    ca_file: Path | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be connected to."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("the ledger's address must be a URL such as http://ledger:9903")
        _ = parts.port

    def connect(self) -> http.client.HTTPConnection:
        """Not yet connected. OSError if its files cannot be read."""
        parts = urlsplit(self.url)
        assert parts.hostname
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=self.timeout_s, context=context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout_s)

    def headers(self) -> dict[str, str]:
        """Of a request. OSError if the token cannot be read."""
        found = {"content-type": "application/octet-stream"}
        if self.token_file is not None:
            found["authorization"] = f"Bearer {self.token_file.read_text().strip()}"
        return found

    def path(self, below: str) -> str:
        """Of something the ledger serves."""
        return urlsplit(self.url).path.rstrip("/") + below


def target_of(url: str, token_file: Path | None, ca_file: Path | None) -> Target | None:
    """Of the flags --ledger, -token-file and -ca-file; None without any. Raises ValueError."""
    if url:
        try:
            return Target(url=url, token_file=token_file, ca_file=ca_file)
        except ValueError as error:
            raise ValueError(f"--ledger: {error}") from None
    if token_file or ca_file:
        raise ValueError("--ledger-token-file and --ledger-ca-file need --ledger")
    return None


class Failed(Exception):
    """The ledger does not have a batch; `reason` is the metric's label."""

    def __init__(self, reason: str, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.retry_after_s = retry_after_s


def get(target: Target, below: str, query: dict[str, str]) -> int:
    """The status of one GET on a connection of its own. Raises Failed where there is none."""
    return read(target, below, query, 0)[0]


def read(target: Target, below: str, query: dict[str, str], most: int) -> tuple[int, bytes]:
    """(status, up to `most` bytes) of one GET, as `get`."""
    return _once(target, f"{target.path(below)}?{urlencode(query)}", most)


def post(target: Target, below: str, body: bytes, most: int = _MAX_LENT_BYTES) -> tuple[int, bytes]:
    """(status, body) of one POST on a connection of its own. Raises Failed where there is none."""
    return _once(target, target.path(below), most, body)


def _once(target: Target, path: str, most: int, body: bytes | None = None) -> tuple[int, bytes]:
    """A POST of JSON if there is a body, else a GET."""
    try:
        connection = target.connect()
        try:
            headers = target.headers()
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                json_headers = headers | {"content-type": "application/json"}
                connection.request("POST", path, body, json_headers)
            answer = connection.getresponse()
            return answer.status, answer.read(most)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Failed("Unreachable", _reason(error)) from error


class Shipper:
    """One thread, from `start` to `stop`."""

    def __init__(
        self,
        segments: Segments,
        target: Target,
        *,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.failures: dict[str, int] = {}
        """Why -> how often the ledger did not take a batch."""
        self.shipped = 0
        """Events that the ledger has."""
        self.problem = ""
        """Why nothing moves now."""
        self._segments = segments
        self._target = target
        self._clock = clock
        self._dice = dice
        self._connection: http.client.HTTPConnection | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ship", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Send what is there within the deadline; False if something is left."""
        by_s = self._clock() + deadline_s
        with self._segments.changed:
            while self._segments.events_left() and not self.problem and self._clock() < by_s:
                self._segments.changed.wait(min(0.05, max(by_s - self._clock(), 0.001)))
            self._stopping.set()
            self._segments.changed.notify_all()
        self._thread.join(max(by_s - self._clock(), 0.05))
        return not self._segments.events_left()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                batch = self._next()
                if batch is None:
                    self.problem = ""
                    self._wait_for_more()
                    continue
                self._ship(batch)
            except Failed as failed:
                failures += 1
                self._told(failed)
                pause_s = min(0.5 * 2 ** min(failures - 1, 8), _LONGEST_PAUSE_S)
                pause_s = max(pause_s * (0.8 + 0.4 * self._dice()), failed.retry_after_s)
                self._stopping.wait(min(pause_s, _LONGEST_PAUSE_S))
            else:
                failures, self.problem = 0, ""
                if not self._segments.events_left():
                    self._stopping.wait(_GATHER_S)
        self._hang_up()

    def _next(self) -> Batch | None:
        try:
            return self._segments.next_batch(_BATCH_BYTES)
        except OSError as error:
            raise Failed("NotReadable", f"the spool: {_reason(error)}") from error

    def _wait_for_more(self) -> None:
        with self._segments.changed:
            if not self._segments.events_left() and not self._stopping.is_set():
                self._segments.changed.wait()

    def _told(self, failed: Failed) -> None:
        self.failures[failed.reason] = self.failures.get(failed.reason, 0) + 1
        if self.problem != failed.reason:
            self.problem = failed.reason
            _log.warning("ledger-away", extra={"reason": str(failed)})

    def _ship(self, batch: Batch) -> None:
        status, body, retry_after = self._post(batch.data)
        if status == 200:
            wanted = _wanted(body)
            if wanted < batch.after:
                raise Failed("BadAnswer", f"it wants {wanted} after {batch.after - 1} was sent")
            left = self._segments.events_left()
            self._segments.taken(batch, wanted)
            self.shipped += max(left - self._segments.events_left(), 0)
        elif status == 400:
            _log.error("events-refused", extra={"reason": _text(body)})
            self.failures["Refused"] = self.failures.get("Refused", 0) + 1
            self._segments.refused(batch)
        else:
            raise Failed(f"Http{label_of(status)}", _text(body), retry_after)

    def _post(self, data: bytes) -> tuple[int, bytes, float]:
        """(status, body, Retry-After in seconds)."""
        try:
            if self._connection is None:
                self._connection = self._target.connect()
            self._connection.request(
                "POST", self._target.path("/v1/events"), data, self._target.headers()
            )
            answer = self._connection.getresponse()
            body = answer.read(_MAX_ANSWER_BYTES + 1)
            if len(body) > _MAX_ANSWER_BYTES or answer.will_close:
                self._hang_up()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._hang_up()
            raise Failed("Unreachable", _reason(error)) from error
        after = answer.headers.get("retry-after", "")
        return answer.status, body, float(after) if after.isascii() and after.isdecimal() else 0.0

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _wanted(body: bytes) -> int:
    try:
        found = json.loads(body)["next"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, int):
        raise Failed("BadAnswer", "it does not say which event it wants next")
    return found


def _reason(error: Exception) -> str:
    """In one line: who answers there may be anybody, and its words are in some errors."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    plain = "".join(one if one.isprintable() else " " for one in told[:_MOST_TOLD])
    return " ".join(plain.split())


def _text(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")
