"""One request that takes time: waits for a slot, speaks token by token, obeys an ordered fault.

Guarantees that the i-th token is due at start + ttft + i / speed whatever the sleeps did, that the
slot is given back on every way out, and that a client's going away counts as `abort`, like in vLLM.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pointsman.simulator.connection import Connection
from pointsman.simulator.errors import ApiError
from pointsman.simulator.faults import Fault, FaultMode
from pointsman.simulator.http_reading import Request
from pointsman.simulator.http_writing import (
    LAST_CHUNK,
    chunk,
    error_response,
    json_response,
    response,
    stream_head,
)
from pointsman.simulator.job import Embedding, Generation, Job
from pointsman.simulator.openai_shapes import (
    closing_events,
    embeddings,
    opening_event,
    token_events,
    whole,
)
from pointsman.simulator.settings import Settings

if TYPE_CHECKING:
    from pointsman.simulator.model_server import ModelServer

_TOKENS_A_WRITE = 16  # of an unlimited model: between two writes the client's pace is asked for
_TICK_S = 0.001  # the event loop's clock is not finer


class Performance:
    """One request's way through the model."""

    def __init__(
        self,
        server: ModelServer,
        connection: Connection,
        request: Request,
        job: Job,
        *,
        settings: Settings,
        fault: Fault,
        id_line: bytes,
    ) -> None:
        self._server = server
        self._connection = connection
        self._request = request
        self._job = job
        self._fault = fault
        self._id_line = id_line
        self._time_scale = settings.time_scale
        self._ttft_s = settings.ttft_s / settings.time_scale
        self._tokens_per_s = settings.tokens_per_second * settings.time_scale
        self._first_token_s: float | None = None

    async def run(self) -> None:
        """Wait, speak, account."""
        server, job = self._server, self._job
        started_s = asyncio.get_running_loop().time()
        try:
            await server.slots.enter()
        except ApiError as error:
            keep_alive = self._request.keep_alive
            self._connection.write(error_response(error, more=self._id_line, keep_alive=keep_alive))
            return
        held = job.prompt_tokens + (0 if isinstance(job, Embedding) else job.tokens())
        server.tokens_held += held
        finish = "abort"
        try:
            server.metrics.prompt_tokens += job.prompt_tokens
            if await self._speak():
                finish = "stop" if isinstance(job, Embedding) else job.finish
        finally:
            server.tokens_held -= held
            server.slots.leave()
            server.metrics.finish(finish)
            if self._first_token_s is not None:
                server.metrics.ttft.observe(self._first_token_s - started_s)
            if finish != "abort":
                server.metrics.e2e.observe(asyncio.get_running_loop().time() - started_s)

    async def _speak(self) -> bool:
        """True if the answer was given as it should be, False if a fault took its place."""
        loop, mode = asyncio.get_running_loop(), self._fault.mode
        if mode in _INSTEAD:
            await self._misbehave()
            return False
        if mode is FaultMode.SLOW_FIRST_BYTE:
            await asyncio.sleep(self._fault.delay_s / self._time_scale)
        start_s = loop.time() + self._ttft_s
        await _sleep_until(start_s)
        self._first_token_s = loop.time()
        job = self._job
        if isinstance(job, Embedding):
            return await self._send_whole(embeddings(job))
        if job.stream:
            return await self._stream(job, start_s)
        if self._tokens_per_s:
            await _sleep_until(start_s + (job.steps - 1) / self._tokens_per_s)
        self._server.metrics.generation_tokens += job.tokens()
        return await self._send_whole(whole(job))

    async def _send_whole(self, body: bytes) -> bool:
        """Send a non-streamed answer, or the part of it the fault lets through."""
        data = json_response(body, more=self._id_line, keep_alive=self._request.keep_alive)
        if self._fault.mode is FaultMode.DIE_MID_STREAM:
            self._connection.write(data[: -len(body) // 2])
            await self._connection.reset()
            return False
        if self._fault.mode is FaultMode.DRIP:
            await self._drip(data)
            return True
        self._connection.write(data)
        await self._connection.drain()
        return True

    async def _stream(self, job: Generation, start_s: float) -> bool:
        connection, framed = self._connection, self._request.chunks_allowed
        wrap = chunk if framed else _unwrapped
        head = stream_head(more=self._id_line, chunked=framed, keep_alive=self._request.keep_alive)
        pending = head + wrap(opening_event(job))
        events = token_events(job)
        dies = self._fault.mode is FaultMode.DIE_MID_STREAM
        end = min(len(events), self._fault.after_tokens) if dies else len(events)
        sent = 0
        while sent < end:
            due = self._tokens_due(start_s, sent)
            batch = events[sent : min(end, sent + max(1, due))]
            self._server.metrics.generation_tokens += job.tokens(sent, sent + len(batch))
            sent += len(batch)
            await self._write(pending + b"".join(map(wrap, batch)))
            pending = b""
            if sent < end and self._tokens_per_s:
                await _sleep_until(start_s + sent / self._tokens_per_s)
        if dies:
            connection.write(pending)
            await connection.reset()
            return False
        await self._write(pending + wrap(closing_events(job)) + (LAST_CHUNK if framed else b""))
        if not framed:
            connection.end()
        return True

    def _tokens_due(self, start_s: float, sent: int) -> int:
        if not self._tokens_per_s:
            return _TOKENS_A_WRITE
        elapsed_s = asyncio.get_running_loop().time() - start_s
        return int(elapsed_s * self._tokens_per_s) + 1 - sent

    async def _write(self, data: bytes) -> None:
        if self._fault.mode is FaultMode.DRIP:
            await self._drip(data)
            return
        self._connection.write(data)
        await self._connection.drain()

    async def _drip(self, data: bytes) -> None:
        for i in range(len(data)):
            self._connection.write(data[i : i + 1])
            await asyncio.sleep(self._fault.delay_s / self._time_scale)

    async def _misbehave(self) -> None:
        connection, keep_alive = self._connection, self._request.keep_alive
        match self._fault.mode:
            case FaultMode.RESET:
                await connection.reset()
            case FaultMode.GARBAGE:
                connection.write(b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n")
                connection.end()
            case FaultMode.WRONG_CONTENT_TYPE:
                page = b"<html><body>It works!</body></html>"
                connection.write(
                    response(
                        200,
                        page,
                        content_type=b"text/html",
                        more=self._id_line,
                        keep_alive=keep_alive,
                    )
                )
            case mode:
                if mode is FaultMode.HANG_AFTER_HEADERS:
                    chunked = self._request.chunks_allowed
                    connection.write(
                        stream_head(more=self._id_line, chunked=chunked, keep_alive=keep_alive)
                    )
                await asyncio.Event().wait()  # until the client or the server goes away


_INSTEAD = frozenset(
    {
        FaultMode.HANG,
        FaultMode.HANG_AFTER_HEADERS,
        FaultMode.RESET,
        FaultMode.GARBAGE,
        FaultMode.WRONG_CONTENT_TYPE,
    }
)


def _unwrapped(data: bytes) -> bytes:
    return data


async def _sleep_until(time_s: float) -> None:
    """Sleep until the loop's clock shows `time_s`; not at all where it is past."""
    left_s = time_s - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(max(left_s, _TICK_S))
