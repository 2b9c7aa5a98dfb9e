"""A finished request as OpenTelemetry spans, by the semantic conventions for HTTP and GenAI.

Guarantees one SERVER span with a CLIENT span below it for each attempt, and nothing of a prompt or
an answer in them but counts. docs/tracing.md says what each attribute means.
"""

from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from pointsman.events.schema import NANO, Request
from pointsman.router.serve.genai import OPERATIONS
from pointsman.router.serve.tracing import Call, Finished, Trace, error_of

_ERROR: Final = Status(StatusCode.ERROR)
_UNSET: Final = Status(StatusCode.UNSET)
_CLIENT_LEFT: Final = "ClientGone"
Attributes = dict[str, AttributeValue]


class Spans:
    """Makes them for one resource."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._resource = resource
        self._scope = scope

    def of(self, finished: Finished) -> list[ReadableSpan]:
        """The router's own span first, then the attempts' in their order."""
        trace = finished.trace
        own = _context(trace, trace.span_id)
        path = "/v1/" + finished.operation
        failed = finished.status >= 500
        spans = [
            self._span(
                f"POST {path}",
                _server(finished, path, failed=failed),
                context=own,
                parent=_parent(trace),
                kind=SpanKind.SERVER,
                times_ns=(_ns(finished, finished.received_s), _ns(finished, finished.ended_s)),
                failed=failed,
            )
        ]
        operation = OPERATIONS[finished.operation]
        for number, call in enumerate(trace.calls, 1):
            attributes = _client(finished, call, number)
            spans.append(
                self._span(
                    f"{operation} {call.model}",
                    attributes,
                    context=_context(trace, call.span_id),
                    parent=own,
                    kind=SpanKind.CLIENT,
                    times_ns=(_ns(finished, call.begun_s), _ns(finished, call.ended_s)),
                    failed="error.type" in attributes and call.outcome != _CLIENT_LEFT,
                )
            )
        return spans

    def _span(
        self,
        name: str,
        attributes: Attributes,
        *,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        times_ns: tuple[int, int],
        failed: bool,
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=kind,
            status=_ERROR if failed else _UNSET,
            start_time=times_ns[0],
            end_time=times_ns[1],
            instrumentation_scope=self._scope,
        )


def _ns(finished: Finished, at_s: float) -> int:
    """Unix time in nanoseconds of a moment of the router's clock."""
    return int((finished.wall_s - (finished.ended_s - at_s)) * 1e9)


def _context(trace: Trace, span_id: int, *, remote: bool = False) -> SpanContext:
    state = TraceState.from_header([trace.context.state.decode()]) if trace.context.state else None
    flags = TraceFlags(trace.context.flags | TraceFlags.SAMPLED)
    return SpanContext(trace.trace_id, span_id, remote, flags, state)


def _parent(trace: Trace) -> SpanContext | None:
    """The caller's span, of the same trace."""
    if not trace.context.parent_id:
        return None
    return _context(trace, trace.context.parent_id, remote=True)


def _server(finished: Finished, path: str, *, failed: bool) -> Attributes:
    found: Attributes = {
        "http.request.method": "POST",
        "http.response.status_code": finished.status,
        "http.route": path,
        "url.path": path,
        "url.scheme": "http",
        "gen_ai.operation.name": OPERATIONS[finished.operation],
        "pointsman.decision.id": finished.decision,
        "pointsman.outcome": finished.outcome,
        "pointsman.attempts": finished.attempts,
    }
    if failed:
        found["error.type"] = str(finished.status)
    if finished.policy:
        found["gen_ai.request.model"] = finished.model
        found["pointsman.policy.name"] = finished.policy
        found["pointsman.policy.revision"] = finished.revision
    if finished.rule:
        found["pointsman.rule.name"] = finished.rule
    if finished.passed:
        found["pointsman.fallbacks"] = _pairs(finished.passed)
    if finished.spilled:
        found["pointsman.spills"] = _pairs(finished.spilled)
    if finished.review:
        found["pointsman.review.outcome"] = finished.review
    if finished.waited_s:
        found["pointsman.review.duration"] = finished.waited_s
    if finished.event is not None:
        found |= _decided(finished.event)
    return found


def _decided(event: Request) -> Attributes:
    found: Attributes = {"pointsman.overhead.duration": event.overhead_us / 1e6}
    if event.backend:
        found["pointsman.backend.name"] = event.backend
    if event.task:
        found["pointsman.task"] = event.task
    if event.language != "und":
        found["pointsman.language"] = event.language
    if event.held_us:
        found["pointsman.held.duration"] = event.held_us / 1e6
    if event.cost_nano:
        found["pointsman.cost.amount"] = event.cost_nano / NANO
        found["pointsman.cost.currency"] = event.currency
    return found


def _client(finished: Finished, call: Call, number: int) -> Attributes:
    last = number == len(finished.trace.calls)
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS[finished.operation],
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
        "pointsman.backend.name": call.backend,
        "pointsman.attempt": number,
    }
    if call.place is not None:
        found["server.address"] = call.place.host
        found["server.port"] = call.place.port
    if error := error_of(call.outcome, finished.status if last else 0):
        found["error.type"] = error
    if finished.event is not None and last:
        found |= _answer(finished, finished.event, call)
    return found


def _answer(finished: Finished, event: Request, call: Call) -> Attributes:
    """What the last attempt brought; empty fields are left out."""
    found: Attributes = {}
    if event.stream:
        found["gen_ai.request.stream"] = True
    if event.response_id:
        found["gen_ai.response.id"] = event.response_id
    if event.reported_model:
        found["gen_ai.response.model"] = event.reported_model
    if event.finish:
        found["gen_ai.response.finish_reasons"] = [event.finish]
    if finished.committed_s is not None:
        found["gen_ai.response.time_to_first_chunk"] = finished.committed_s - call.begun_s
    if event.input_tokens or event.output_tokens:
        found["gen_ai.usage.input_tokens"] = event.input_tokens
        found["gen_ai.usage.output_tokens"] = event.output_tokens
        found["pointsman.tokens.estimated"] = event.estimated
    if event.cached_tokens:
        found["gen_ai.usage.cache_read.input_tokens"] = event.cached_tokens
    if event.reasoning_tokens:
        found["gen_ai.usage.reasoning.output_tokens"] = event.reasoning_tokens
    return found


def _pairs(passed: tuple[tuple[str, str], ...]) -> list[str]:
    """As the header x-pointsman-fallback has them."""
    return [f"{backend};reason={reason}" for backend, reason in passed]
