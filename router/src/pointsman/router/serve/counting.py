"""POST /v1/messages/count_tokens: how many tokens a request has, by the router's own estimate.

Guarantees that the answer says it is an estimate (x-pointsman-estimated: true): the models behind
one name have vocabularies of their own. Asks no backend and counts against no limit.
"""

from typing import TYPE_CHECKING, Final

from pointsman.analysis import analyze
from pointsman.router.callers import Caller
from pointsman.router.errors import BadRequest, Refused
from pointsman.router.serve.authenticate import models_of, no_such_model
from pointsman.router.wire.anthropic.asking import read_sized
from pointsman.router.wire.openai import read_chat
from pointsman.router.wire.received import Request

if TYPE_CHECKING:
    from pointsman.router.serve.app import DataPlane

ESTIMATED: Final = b"x-pointsman-estimated: true\r\n"


def count(plane: "DataPlane", caller: Caller, request: Request) -> object:
    """Raises Problem."""
    if request.head.compressed:
        raise BadRequest("Compressed bodies are not read.", status=415)
    if not plane.live.ready:
        raise Refused("No routing table is in force yet.", code="not_ready", retry_after_s=1)
    asked = read_chat(read_sized(request.body))
    names = models_of(plane, caller)
    if asked.model not in names:
        raise no_such_model(caller, asked.model, names)
    return {"input_tokens": analyze(asked.prompt()).context_tokens}
