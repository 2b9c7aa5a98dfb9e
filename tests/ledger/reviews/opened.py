"""Openings, decisions and people of the tests."""

import hashlib
import json
from typing import Any

from pointsman.events.reviews import Opening
from pointsman.events.schema import Review as Flagged
from pointsman.ledger.people.person import Person, Role
from pointsman.ledger.reviews.review import Decision, Verdict
from tests.ledger.events import NOW_MS

ADA = Person("ada", Role.REVIEWER)
BEN = Person("ben", Role.REVIEWER)
VERA = Person("vera", Role.VIEWER)
OTTO = Person("otto", Role.OPERATOR)
MINUTE_MS = 60_000


def hash_of(text: str) -> str:
    """As a router tells it."""
    return hashlib.sha256(text.encode()).hexdigest()


def request_text(content: str = "May I have a refund?", **fields: Any) -> str:
    """A chat request of one message."""
    asked = {"model": "auto", "messages": [{"role": "user", "content": content}], **fields}
    return json.dumps(asked)


def answer_text(content: str | None = "Yes.", **message: Any) -> str:
    """A whole chat answer of one choice."""
    told = {"role": "assistant", "content": content, **message}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "desk-small",
            "choices": [{"index": 0, "message": told, "finish_reason": "stop"}],
        }
    )


def opening(number: int = 1, **fields: Any) -> Opening:
    """A held answer of policy `support` to caller `app`, for ten minutes."""
    request = fields.pop("request", request_text(f"refund {number}"))
    stage = fields.get("stage", "Answer")
    values: dict[str, Any] = {
        "id": f"d-{number}",
        "request_hash": hash_of(request),
        "stage": "Answer",
        "reason": "Rule:refunds",
        "policy": "support",
        "rule": "refunds",
        "caller": "app",
        "team": "blue",
        "backend": "small",
        "model": "desk-small",
        "within_ms": 10 * MINUTE_MS,
        "keep_ms": 720 * 60 * MINUTE_MS,
        "request": request,
        "answer": answer_text() if stage == "Answer" else "",
    }
    return Opening(**(values | fields))


def flagged(number: int = 1, **fields: Any) -> Flagged:
    """An answered request that somebody shall look at."""
    request = request_text(f"refund {number}")
    values: dict[str, Any] = {
        "id": f"d-{number}",
        "at_ms": NOW_MS,
        "request_hash": hash_of(request),
        "mode": "Flag",
        "reason": "Rule:refunds",
        "policy": "support",
        "caller": "app",
        "request": request,
        "answer": answer_text(),
        "keep_s": 3600,
    }
    return Flagged(**(values | fields))


def decision(of: Opening, verdict: Verdict = "approve", **fields: Any) -> Decision:
    """About just this request."""
    return Decision(**({"verdict": verdict, "request_hash": of.request_hash} | fields))
