"""The simulated model behind all connections: which request is answered, and how.

Guarantees OpenAI's error shape for everything it refuses. The order of the checks is the order they
stand in `answer`: known path, key, readiness, drain, ordered fault, error rate, body, slot.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
import time

import msgspec

from pointsman.simulator.answer import fails
from pointsman.simulator.connection import Connection, Work
from pointsman.simulator.control import RequestLog, control
from pointsman.simulator.errors import ApiError, BadRequest, Broken, Refused
from pointsman.simulator.faults import NO_FAULT, Fault, FaultMode, Faults
from pointsman.simulator.http_reading import Request
from pointsman.simulator.http_writing import error_response, json_response, response
from pointsman.simulator.job import Embedding, Job, Origin, plan
from pointsman.simulator.metrics import Metrics, render
from pointsman.simulator.openai_shapes import embeddings, model_card, whole
from pointsman.simulator.performance import Performance
from pointsman.simulator.settings import Settings
from pointsman.simulator.slots import Slots

_GENERATION = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank"})
_READ = frozenset({"/health", "/metrics", "/version", "/v1/models"})
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
VERSION = "0.1.0"


class ModelServer:
    """One simulated model. `ready_at_s` is the loop's time when its load time ends, or 0."""

    def __init__(self, settings: Settings, *, ready_at_s: float = 0.0) -> None:
        self.settings = settings
        self.slots = Slots(settings.max_concurrency, settings.max_queue)
        self.metrics = Metrics()
        self.faults = Faults()
        self.log = RequestLog()
        self.connections: set[Connection] = set()
        self.tokens_held = 0
        self.draining = False
        self._ready_at_s = ready_at_s
        self._serial = 0
        self._answers = 0
        self._fingerprint = settings.fingerprint()
        self._created_s = int(time.time())
        self._id_prefix = hashlib.blake2b(
            f"{settings.model}/{settings.seed}".encode(), digest_size=6
        ).hexdigest()
        self._bearer = None if settings.api_key is None else f"Bearer {settings.api_key}".encode()

    def opened(self, connection: Connection) -> None:
        """See connection.Owner."""
        self.connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """See connection.Owner."""
        self.connections.discard(connection)

    def failed(self, error: BaseException) -> None:
        """Counts and logs a fault of the simulator itself."""
        self.metrics.unexpected_errors += 1
        print(f"unexpected error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def change(self, settings: Settings) -> None:
        """Take new settings for all requests that come from now on."""
        self.settings = settings
        self._fingerprint = settings.fingerprint()
        self.slots.resize(settings.max_concurrency, settings.max_queue)

    def answer(self, request: Request, connection: Connection) -> bytes | Work:
        """The response, or the work that writes it."""
        keep_alive = request.keep_alive
        id_line = self._id_line(request)
        try:
            if request.path.startswith("/simulator/") and self.settings.control:
                body = msgspec.json.encode(control(request, self))
                return json_response(body, keep_alive=keep_alive)
            if self.settings.control:
                self.log.add(request, time.monotonic())
            if request.path in _GENERATION:
                return self._generate(request, connection, id_line)
            return self._read(request, id_line)
        except ApiError as error:
            head = request.method == "HEAD"
            return error_response(error, more=id_line, keep_alive=keep_alive, without_body=head)

    def _id_line(self, request: Request) -> bytes:
        """The caller's request id if it is visible ASCII of at most 128 bytes, else a new one."""
        given = request.header(b"x-request-id")
        if given is None or not _REQUEST_ID.fullmatch(given):
            self._answers += 1
            given = b"%s-%x" % (self._id_prefix.encode(), self._answers)
        return b"x-request-id: %s\r\n" % given

    def _generate(self, request: Request, connection: Connection, id_line: bytes) -> bytes | Work:
        if request.method != "POST":
            raise BadRequest(f"{request.path} takes POST, not {request.method}.", status=405)
        self._check_key(request)
        self._check_ready()
        settings = self.settings
        self._serial += 1
        fault = self.faults.take()
        self._check_fault(fault)
        serial = f"{self._id_prefix}{self._serial:012x}"
        origin = Origin(serial, int(time.time()), self._fingerprint)
        job = plan(request.path, request.body, settings, origin)
        if fault is NO_FAULT and self._is_instant(job) and self.slots.try_enter():
            self.slots.leave()
            self._count_instant(job)
            body = embeddings(job) if isinstance(job, Embedding) else whole(job)
            return json_response(body, more=id_line, keep_alive=request.keep_alive)
        return Performance(
            self, connection, request, job, settings=settings, fault=fault, id_line=id_line
        )

    def _is_instant(self, job: Job) -> bool:
        settings = self.settings
        if settings.ttft_s:
            return False
        return isinstance(job, Embedding) or not (job.stream or settings.tokens_per_second)

    def _count_instant(self, job: Job) -> None:
        metrics = self.metrics
        metrics.prompt_tokens += job.prompt_tokens
        metrics.ttft.observe(0.0)
        metrics.e2e.observe(0.0)
        if isinstance(job, Embedding):
            metrics.finish("stop")
        else:
            metrics.generation_tokens += job.tokens()
            metrics.finish(job.finish)

    def _check_key(self, request: Request) -> None:
        if self._bearer is not None and request.header(b"authorization") != self._bearer:
            raise BadRequest("Incorrect API key provided.", status=401, code="invalid_api_key")

    def _check_ready(self) -> None:
        if self.draining:
            raise Refused("The server is shutting down.", code="draining", retry_after_s=1)
        if self._ready_at_s and asyncio.get_running_loop().time() < self._ready_at_s:
            raise Refused("The model is loading.", code="loading", retry_after_s=1)

    def _check_fault(self, fault: Fault) -> None:
        if fault.mode is FaultMode.ERROR_500:
            raise Broken("This failure was ordered.", code="ordered_fault")
        if fault.mode is FaultMode.ERROR_429:
            raise Refused(
                "Rate limit reached. This refusal was ordered.",
                status=429,
                code="rate_limit_exceeded",
                retry_after_s=fault.retry_after_s,
            )
        settings = self.settings
        if fails(self._serial, seed=settings.seed, error_rate=settings.error_rate):
            raise Broken("This request is one of the error rate's.", code="error_rate")

    def _read(self, request: Request, id_line: bytes) -> bytes:
        path = request.path
        is_model = path.startswith("/v1/models/")
        if path not in _READ and not is_model:
            raise BadRequest(
                f"Unknown URL: {request.method} {path}", status=404, code="unknown_url"
            )
        if request.method not in ("GET", "HEAD"):
            raise BadRequest(f"{path} takes GET, not {request.method}.", status=405)
        if path.startswith("/v1"):
            self._check_key(request)
        if path.startswith("/v1") or path == "/health":
            self._check_ready()
        body, content_type = self._document(path), b"application/json"
        if path == "/metrics":
            content_type = b"text/plain; version=0.0.4; charset=utf-8"
        return response(
            200,
            body,
            content_type=content_type,
            more=id_line,
            keep_alive=request.keep_alive,
            without_body=request.method == "HEAD",
        )

    def _document(self, path: str) -> bytes:
        settings = self.settings
        if path == "/health":
            return b""
        if path == "/version":
            return msgspec.json.encode({"version": VERSION, "engine": "pointsman-simulator"})
        if path == "/metrics":
            return render(
                self.metrics,
                model=settings.model,
                running=self.slots.running,
                waiting=self.slots.waiting,
                cache_usage=min(
                    1.0, self.tokens_held / (settings.max_concurrency * settings.context_window)
                ),
            )
        card = model_card(settings.model, self._created_s, settings.context_window)
        if path == "/v1/models":
            return msgspec.json.encode({"object": "list", "data": [card]})
        from urllib.parse import unquote  # noqa: PLC0415 - rare, and the start has to be fast

        wanted = unquote(path.removeprefix("/v1/models/"))
        if wanted != settings.model:
            raise BadRequest(
                f"The model `{wanted}` does not exist.", status=404, code="model_not_found"
            )
        return msgspec.json.encode(card)
