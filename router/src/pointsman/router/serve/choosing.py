"""A policy's predictor at work: reads what it is asked about, and chooses who answers.

Guarantees that a policy without a predictor pays one read of an attribute, that what a router
remembers of conversations is bounded, and that a predictor which breaks leaves it to the rules.
Decides nothing: that is routing/choosing.py.
"""

import hashlib
import logging
from typing import TYPE_CHECKING, Final

from pointsman.analysis import Analysis, AnalysisSettings, Prompt
from pointsman.analysis.analysis import judge, observe
from pointsman.api.predicting import Choice
from pointsman.routing import Decision, RequestFacts
from pointsman.routing.choosing import Asked
from pointsman.routing.choosing import choose as choose_candidate

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_log = logging.getLogger(__name__)
MOST_CONVERSATIONS: Final = 8192
"""That are remembered, at least; twice as many at most: 2 MiB."""
_SETTINGS: Final = AnalysisSettings()
_SESSION_HEADER: Final = b"x-session-id"
_SESSION_FIELDS: Final = ("conversation_id", "session_id")
"""Of the body's metadata."""
_MOST_CHARS: Final = 4096
"""Of a message, for telling conversations apart."""


class Conversations:
    """Which backend each is with; of more than `most` the oldest are forgotten."""

    __slots__ = ("_before", "_most", "_now")

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._now: dict[bytes, str] = {}
        self._before: dict[bytes, str] = {}

    def of(self, key: bytes) -> str:
        """The backend; empty if it is not known here."""
        return self._now.get(key) or self._before.get(key, "")

    def keep(self, key: bytes, backend: str) -> None:
        """It is with this one now."""
        self._now[key] = backend
        if len(self._now) >= self._most:
            self._now, self._before = {}, self._now


def read(exchange: "Exchange", prompt: Prompt) -> Analysis:
    """The analysis; the text that it was made of is kept for `choose`."""
    facts = observe(prompt, _SETTINGS)
    exchange.reading = facts.text
    return judge(facts)


def choose(exchange: "Exchange", decision: Decision, facts: RequestFacts) -> Decision:
    """The decision, with the predictor's order where it is asked and sure."""
    plane, compiled = exchange.plane, exchange.policy.chooser
    reading, exchange.reading = exchange.reading, None
    if compiled is None or reading is None or not exchange.operation.generates:
        return decision
    key = conversation_of(exchange)
    stays = plane.conversations.of(key)
    asked = Asked(reading, facts, plane.wall(), plane.dice(), stays)
    try:
        chosen, choice = choose_candidate(compiled, decision, asked)
    except Exception:  # noqa: BLE001 - rules can decide without it; logged and counted
        _log.exception("request %s was not chosen for", exchange.decision_id.decode())
        plane.bug()
        return decision
    exchange.choice = choice
    first = decision.candidates[0].name if decision.candidates else ""
    if choice.abstained != "Bypass" and (choice.backend or first):
        plane.conversations.keep(key, choice.backend or first)
    plane.metrics.predicted(exchange.policy.name, first, choice.backend, _outcome(choice))
    return chosen


def _outcome(choice: Choice) -> str:
    return choice.abstained or choice.why


def conversation_of(exchange: "Exchange") -> bytes:
    """
    What names a conversation: what its caller says, else all up to the first message of the user.

    Two that begin with the same words and the same caller are one; they stay together no longer
    than the margin lets them. Both arms of a rollout give the same, so it is made once.
    """
    if not exchange.conversation:
        exchange.conversation = _named(exchange)
    return exchange.conversation


def _named(exchange: "Exchange") -> bytes:
    asked = exchange.asked
    headers = exchange.request.head.headers
    told = next((value for name, value in headers if name == _SESSION_HEADER), b"")
    for name in _SESSION_FIELDS:
        told = told or asked.metadata.get(name, "").encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(digest_size=12)
    place = f"{exchange.policy.place}\0{exchange.caller.name}\0"
    digest.update(place.encode("utf-8", "surrogatepass"))
    if told:
        digest.update(told)
        return digest.digest()
    for text in asked.texts():
        digest.update(text[:_MOST_CHARS].encode("utf-8", "surrogatepass"))
        if text.startswith("user:"):
            break
    return digest.digest()
