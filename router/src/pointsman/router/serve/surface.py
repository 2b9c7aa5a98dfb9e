"""Which paths there are, and the answers that need no backend.

Guarantees OpenAI's error shape for what is not there: 404 for unknown paths, 405 with Allow for
other methods; the request's id on every answer. All but /healthz is only for who may call.
"""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

import msgspec

from pointsman.router.callers import Caller
from pointsman.router.errors import BadRequest, Problem, Refused
from pointsman.router.serve import feedback, words
from pointsman.router.serve.authenticate import caller_of, models_of, no_such_model
from pointsman.router.wire import problem
from pointsman.router.wire.operation import OPERATIONS
from pointsman.router.wire.received import Head, Request

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane

_MODELS: Final = b"/v1/models"
_COUNT: Final = b"/v1/messages/count_tokens"
_HEALTH: Final = b"/healthz"
_READS: Final = (b"GET", b"HEAD")
_OURS: Final = b"|".join(one.removeprefix(b"/v1") for one in (*OPERATIONS, _MODELS))
_ELSEWHERE: Final = re.compile(rb"(?:/openai|/api|/v1)?(?:/v1|/deployments/[^/]+)?(%b)/?" % _OURS)
_encode = msgspec.json.Encoder().encode


def answer(plane: "DataPlane", request: Request, *, keep_alive: bool) -> bytes:
    """The answer to what is not routed."""
    try:
        return _answer(plane, request, keep_alive=keep_alive)
    except Problem as problem:
        plane.metrics.unrouted.answered(problem.status)
        return words.refusal(
            problem,
            request_id(plane, request),
            request.head.target,
            head=request.head,
            keep_alive=keep_alive,
        )


def _answer(plane: "DataPlane", request: Request, *, keep_alive: bool) -> bytes:
    head = request.head
    path = head.target.partition(b"?")[0]
    if path == _HEALTH:  # load balancers have no key
        caller = None
    else:
        caller = caller_of(plane, request)
        if path == _COUNT and head.method == b"POST":
            return _counted(plane, caller, request, keep_alive=keep_alive)
        if path in OPERATIONS or path in (feedback.PATH, _COUNT):
            raise _wrong_method(head, path, "POST")
        if path != _MODELS and not path.startswith(_MODELS + b"/"):
            shown = path[:200].decode("latin-1")
            raise BadRequest(
                f"Unknown request URL: {head.method.decode('latin-1')} {shown}.{_meant(path)}",
                status=404,
                code="unknown_url",
            )
    if head.method not in _READS:
        raise _wrong_method(head, path, "GET, HEAD")
    if caller is None:
        found: object = {"status": "draining" if plane.live.draining else "ok"}
    else:
        found = _models(plane, caller, head, path[len(_MODELS) + 1 :])
    plane.metrics.unrouted.answered(200)
    return problem.answer(
        200,
        _encode(found),
        more=b"x-request-id: %b\r\n" % request_id(plane, request),
        keep_alive=keep_alive,
        without_body=head.method == b"HEAD",
    )


def _meant(path: bytes) -> str:
    """Where it is, of what was asked under a base URL without /v1, with two, or of Azure's."""
    found = _ELSEWHERE.fullmatch(path)
    return f" It is at /v1{found[1].decode()}: look at the client's base URL." if found else ""


def request_id(plane: "DataPlane", request: Request | None = None) -> bytes:
    """The caller's if it sent one, else a new one."""
    given = request.head.request_id if request is not None else None
    return given or plane.next_id()


def _wrong_method(head: Head, path: bytes, allow: str) -> BadRequest:
    method = head.method.decode("latin-1")
    return BadRequest(
        f"{path[:200].decode('latin-1')} takes {allow}, not {method}.",
        status=405,
        code="method_not_allowed",
        allow=allow,
    )


def _counted(plane: "DataPlane", caller: Caller, request: Request, *, keep_alive: bool) -> bytes:
    from pointsman.router.serve import counting  # noqa: PLC0415 - of an API that is seldom spoken

    body = _encode(counting.count(plane, caller, request))
    plane.metrics.unrouted.answered(200)
    more = counting.ESTIMATED + b"x-request-id: %b\r\n" % request_id(plane, request)
    return problem.answer(200, body, more=more, keep_alive=keep_alive)


def _models(plane: "DataPlane", caller: Caller, head: Head, quoted: bytes) -> object:
    if not plane.live.ready:
        raise Refused("No routing table is in force yet.", code="not_ready", retry_after_s=1)
    names = models_of(plane, caller)
    wanted = unquote_to_bytes(quoted).decode("utf-8", "replace")
    if quoted and wanted not in names:
        raise no_such_model(caller, wanted, names)
    if words.is_anthropics(head):
        from pointsman.router.wire.anthropic import models  # noqa: PLC0415 - see `_counted`

        return models.card(wanted) if quoted else models.listing(names)
    if quoted:
        return _card(wanted)
    return {"object": "list", "data": [_card(name) for name in names]}


def _card(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "pointsman"}
