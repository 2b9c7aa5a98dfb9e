"""The /simulator/* endpoints a test steers the server with.

Guarantees that a refused change changes nothing. Served only with --control: the request log holds
headers and bodies as they came, keys included.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import msgspec

from pointsman.simulator.errors import BadRequest
from pointsman.simulator.faults import Fault, FaultMode
from pointsman.simulator.http_reading import Request
from pointsman.simulator.openai_requests import read_body
from pointsman.simulator.settings import Settings, parse_duration_s

if TYPE_CHECKING:
    from pointsman.simulator.model_server import ModelServer

MAX_REQUESTS = 1000
MAX_BODY_BYTES = 4096


class _FaultOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: FaultMode
    count: Annotated[int, msgspec.Meta(ge=-1)] = -1
    after_tokens: Annotated[int, msgspec.Meta(ge=0)] = 3
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=1, name="retry_after")
    delay: str | None = None


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ttft: str | None = None
    tokens_per_second: float | None = None
    output_tokens: int | None = None
    max_concurrency: int | None = None
    max_queue: int | None = None
    error_rate: float | None = None
    context_window: int | None = None
    quality: dict[str, float] | None = None


_FAULT_ORDER = msgspec.json.Decoder(_FaultOrder)
_CHANGE = msgspec.json.Decoder(_Change)


class RequestLog:
    """The last 1,000 requests."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Request, float]] = deque(maxlen=MAX_REQUESTS)

    def add(self, request: Request, at_s: float) -> None:
        """Remember a request with its monotonic time."""
        self._kept.append((request, at_s))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def as_json(self) -> list[dict[str, object]]:
        """Oldest first; headers as [name, value] pairs as received."""
        return [
            {
                "method": request.method,
                "path": request.path,
                "headers": [[k.decode("latin-1"), v.decode("latin-1")] for k, v in request.headers],
                "body": request.body[:MAX_BODY_BYTES].decode("utf-8", "replace"),
                "monotonic_s": at_s,
            }
            for request, at_s in self._kept
        ]


def control(request: Request, server: ModelServer) -> object:
    """The JSON value that answers a request to /simulator/*. BadRequest for what is not there."""
    match (request.method, request.path):
        case ("GET", "/simulator/requests"):
            return server.log.as_json()
        case ("DELETE", "/simulator/requests"):
            server.log.clear()
            return []
        case ("GET", "/simulator/faults"):
            pass
        case ("DELETE", "/simulator/faults"):
            server.faults.order(Fault())
        case ("PUT", "/simulator/faults"):
            server.faults.order(_read_fault(request.body))
        case ("GET", "/simulator/settings"):
            return _shown(server.settings)
        case ("PUT", "/simulator/settings"):
            server.change(_changed(server.settings, request.body))
            return _shown(server.settings)
        case _:
            raise BadRequest(f"There is no {request.method} {request.path}.", status=404)
    return {"mode": server.faults.current.mode, "left": server.faults.left}


def _read_fault(body: bytes) -> Fault:
    order = read_body(_FAULT_ORDER, body)
    fault = Fault(order.mode, order.count, order.after_tokens, order.retry_after_s)
    return fault if order.delay is None else replace(fault, delay_s=_seconds(order.delay, "delay"))


def _changed(settings: Settings, body: bytes) -> Settings:
    change = read_body(_CHANGE, body)
    given: dict[str, object] = {
        name: value
        for name in _Change.__struct_fields__
        if (value := getattr(change, name)) is not None
    }
    if change.ttft is not None:
        del given["ttft"]
        given["ttft_s"] = _seconds(change.ttft, "ttft")
    if change.quality is not None:
        given["quality"] = {**settings.quality, **change.quality}
    try:
        return replace(settings, **given)  # type: ignore[arg-type]  # names and types are checked above
    except ValueError as error:
        raise BadRequest(str(error)) from None


def _seconds(text: str, param: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise BadRequest(str(error), param=param) from None


def _shown(settings: Settings) -> dict[str, object]:
    names = [name for name in _Change.__struct_fields__ if name not in ("ttft", "quality")]
    shown: dict[str, object] = {name: getattr(settings, name) for name in names}
    shown["ttft"] = f"{settings.ttft_s:g}s"
    shown["quality"] = dict(settings.quality)
    shown["system_fingerprint"] = settings.fingerprint()
    return shown
