"""PURE: what a caller says about an answer it got: the body of POST /v1/feedback.

Guarantees that what is taken says something about one answer and is bounded. Refuses fields it does
not know, so that a misspelled one is not lost in silence.
"""

import re
from typing import Annotated, Final, Literal

import msgspec

from pointsman.events.schema import Feedback
from pointsman.router.errors import BadRequest
from pointsman.router.wire.openai import decoded

MAX_COMMENT_CHARS: Final = 4_000
MAX_DEMONSTRATION_CHARS: Final = 64_000
_MAX_BODY_BYTES: Final = 512 * 1024
"""Both texts with every character escaped."""
_ID: Final = re.compile(r"[!-~]{1,200}")

Comment = Annotated[str, msgspec.Meta(max_length=MAX_COMMENT_CHARS)]
Demonstration = Annotated[str, msgspec.Meta(max_length=MAX_DEMONSTRATION_CHARS)]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]
Verdict = Literal["good_fit", "underpowered", "overprovisioned", "failed"]


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    decision_id: str | None = None
    response_id: str | None = None
    score: Score | None = None
    good: bool | None = None
    verdict: Verdict | None = None
    comment: Comment | None = None
    demonstration: Demonstration | None = None


_said = msgspec.json.Decoder(_Said).decode


def read_feedback(body: bytes, *, id: str, at_ms: int, caller: str) -> Feedback:  # noqa: A002
    """Of `caller`, by its API key. Raises BadRequest, with the field's name where there is one."""
    if len(body) > _MAX_BODY_BYTES:
        raise BadRequest(
            f"Feedback has at most {_MAX_BODY_BYTES:,} bytes: a comment of {MAX_COMMENT_CHARS:,} "
            f"characters, a demonstration of {MAX_DEMONSTRATION_CHARS:,}.",
            status=413,
        )
    said = decoded(_said, body)
    if (said.decision_id is None) == (said.response_id is None):
        raise BadRequest(
            "Exactly one of decision_id (the header x-pointsman-decision-id) and response_id (the "
            "answer's id) says which answer is meant.",
            param="decision_id",
        )
    for name, value in (("decision_id", said.decision_id), ("response_id", said.response_id)):
        if value is not None and not _ID.fullmatch(value):
            raise BadRequest(f"{name} is no id: 1 to 200 visible ASCII characters.", param=name)
    feedback = Feedback(
        id=id,
        at_ms=at_ms,
        decision=said.decision_id or "",
        response_id=said.response_id or "",
        caller=caller,
        score=said.score,
        good=said.good,
        verdict=said.verdict,
        comment=said.comment or "",
        demonstration=said.demonstration or "",
    )
    values = (said.score, said.good, said.verdict, said.comment or None, said.demonstration or None)
    if all(value is None for value in values):
        raise BadRequest("One of score, good, verdict, comment and demonstration is needed.")
    return feedback
