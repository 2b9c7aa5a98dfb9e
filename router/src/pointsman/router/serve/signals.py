"""What is seen, not said: the same question again, a stream that its reader left.

Guarantees bounded memory, no text in it, and one signal of a kind for each answer. A question that
came before an answer was complete is none: programs ask in parallel, and SDKs after a cut.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from pointsman.api.table import Signals
from pointsman.events.schema import Feedback, Request
from pointsman.router.wire.question import Question, is_again, question_of, who_asks

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

MOST_ASKERS: Final = 1024
"""Who asked last; about 8 MiB with all their questions."""
MOST_QUESTIONS: Final = 8
"""Of one asker."""


class _Asked(NamedTuple):
    decision: str
    answered_s: float
    question: Question


class Watcher:
    """Of one router: a retry that goes to another one is not seen."""

    def __init__(self, *, most_askers: int = MOST_ASKERS) -> None:
        self._most = most_askers
        self._asked: OrderedDict[tuple[str, str, str], deque[_Asked]] = OrderedDict()

    def look(
        self, exchange: "Exchange", signals: Signals, event: Request, now_s: float
    ) -> Iterator[Feedback]:
        """What is to be told of an exchange that is over."""
        at_ms = event.at_ms + event.duration_us // 1000
        if signals.abandoned and exchange.streamed and event.outcome == "ClientGone":
            yield _feedback(exchange, event.decision, at_ms, "Abandoned")
        if signals.retry_window_s and exchange.operation.generates:
            again = self._again(exchange, signals.retry_window_s, event, now_s)
            if again:
                yield _feedback(exchange, again, event.at_ms, "Retry")

    def _again(self, exchange: "Exchange", window_s: float, event: Request, now_s: float) -> str:
        """The decision whose question was asked again; remembers this one."""
        question = question_of(exchange.asked.prompt())
        if question is None:
            return ""
        key = (event.policy, event.caller, who_asks(exchange.request.body))
        known = self._asked.setdefault(key, deque(maxlen=MOST_QUESTIONS))
        self._asked.move_to_end(key)
        found = _found(known, question, exchange.received_s, window_s)
        if found is not None:
            known.remove(found)
        if event.outcome == "Ok" and event.status == 200:
            known.append(_Asked(event.decision, now_s, question))
        if not known:
            del self._asked[key]
        elif len(self._asked) > self._most:
            self._asked.popitem(last=False)
        return found.decision if found is not None else ""


def _found(
    known: deque[_Asked], question: Question, received_s: float, window_s: float
) -> _Asked | None:
    """The newest answer to this question that its asker may have seen."""
    for one in reversed(known):
        waited_s = received_s - one.answered_s
        if 0 <= waited_s <= window_s and is_again(question, one.question):
            return one
    return None


def _feedback(exchange: "Exchange", decision: str, at_ms: int, signal: str) -> Feedback:
    return Feedback(
        id=exchange.plane.next_id().decode(),
        at_ms=at_ms,
        decision=decision,
        caller=exchange.caller.name,
        signal="Retry" if signal == "Retry" else "Abandoned",
    )
