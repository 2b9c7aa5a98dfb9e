"""What a routed request was, as an event for the ledger.

Guarantees that nothing of a prompt or an answer is in it but counts and words of the analysis' own
lists, unless the policy asks for texts (capture.py); that a bug here is counted and logged, and
ends no request.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pointsman.api.dataclass import CLASSES, RANKS
from pointsman.api.tasks import Domain
from pointsman.events.schema import Feedback, Request, Try, encode
from pointsman.router.serve.arrival import read_late
from pointsman.router.serve.capture import Captor
from pointsman.router.serve.signals import Watcher
from pointsman.router.wire.stated import Stated, read_stated

if TYPE_CHECKING:
    from pointsman.analysis import Analysis
    from pointsman.router.serve.exchange import Exchange

_log = logging.getLogger(__name__)
_GENERAL: Final = Domain.GENERAL
_REMEMBERED: Final = 4096
"""Requests whose callers are remembered, at least: about 2 MiB, for feedback that comes at once,
before the ledger has them."""


class Recorder:
    """`put` takes an encoded event; `wall` is Unix time."""

    def __init__(self, put: Callable[[bytes], None], wall: Callable[[], float]) -> None:
        self._put = put
        self._wall = wall
        self.failures = 0
        """Requests that are not recorded because of a bug."""
        self.heard: Callable[[Exchange], None] | None = None
        """Told of each exchange besides: local mode has a user who looks on."""
        self.captor = Captor(put)
        self._watcher = Watcher()
        self._callers: dict[str, str] = {}
        self._callers_before: dict[str, str] = {}
        self._responses: dict[str, str] = {}
        self._responses_before: dict[str, str] = {}

    def __call__(self, exchange: "Exchange", now_s: float) -> None:
        """Of an exchange that reached a rule and is over; `now_s` is of the plane's clock."""
        try:
            read_late(exchange)
            stated = read_stated(exchange.said, exchange.opening, exchange.end)
            event = event_of(exchange, stated, now_s, self._wall())
            capture, signals = exchange.policy.capture, exchange.policy.signals
            if capture is not None and capture.takes(exchange.decision_id):
                self.captor.take(exchange, capture, event)
            else:
                self._put(encode(event))
            self._callers[event.decision] = event.caller
            if stated.id:
                self._responses[stated.id] = event.caller
            if len(self._callers) >= _REMEMBERED:
                self._callers, self._callers_before = {}, self._callers
                self._responses, self._responses_before = {}, self._responses
            if self.heard is not None:
                self.heard(exchange)
            if signals is not None:
                for seen in self._watcher.look(exchange, signals, event, now_s):
                    self._put(encode(seen))
        except Exception:  # noqa: BLE001 - the request is answered; counted and logged
            self.failures += 1
            self.captor.forget(exchange)
            _log.exception("request %s was not recorded", exchange.decision_id.decode())

    def answered(self, feedback: Feedback) -> bool | None:
        """
        Whether its caller got the answer that is meant.

        None if that is not among the last few thousand. Two backends may give one id: where
        another caller got it, the ledger may know one more.
        """
        if feedback.decision:
            named, callers, before = feedback.decision, self._callers, self._callers_before
        else:
            named, callers, before = feedback.response_id, self._responses, self._responses_before
        known = callers.get(named, before.get(named))
        if known is None or (known != feedback.caller and not feedback.decision):
            return None
        return known == feedback.caller


def event_of(exchange: "Exchange", stated: Stated, now_s: float, wall_s: float) -> Request:
    """Of an exchange that reached a rule and ended at `now_s`, which is `wall_s` in Unix time."""
    analysis, asked, caller = exchange.analysis, exchange.asked, exchange.caller
    track, usage, received_s = exchange.track, exchange.usage, exchange.received_s
    assert track is not None
    backend = track.of[1]
    duration_s = now_s - received_s
    return Request(
        decision=exchange.decision_id.decode(),
        at_ms=int((wall_s - duration_s) * 1000),
        policy=exchange.policy.name,
        revision=exchange.policy.revision,
        rule=exchange.taken.route.name,
        operation=exchange.operation.name,
        request_id=_given_id(exchange),
        caller=caller.name,
        team=caller.team,
        task=analysis.task if analysis.decided else "",
        complexity=analysis.complexity,
        domain=analysis.domain,
        language=analysis.language,
        confidence=analysis.confidence,
        evidence=analysis.evidence if analysis.domain is _GENERAL else _evidence(analysis),
        context_tokens=analysis.context_tokens,
        tools=asked.tools,
        images=exchange.images,
        stream=asked.stream,
        data_class=_class(exchange)
        if exchange.data_rank or exchange.taken.route.data_class
        else "",
        candidates=tuple([candidate.name for candidate in exchange.candidates]),
        skipped=_skipped(exchange) if exchange.skipped else (),
        choice=exchange.choice,
        left=_left(exchange) if exchange.failures else (),
        backend=backend.name if backend else "",
        model=backend.model if backend else "",
        status=exchange.code,
        outcome=_outcome(exchange),
        duration_us=int(duration_s * 1e6),
        first_token_us=int((exchange.committed_s - received_s) * 1e6) if exchange.streamed else 0,
        overhead_us=int(exchange.overhead_s * 1e6),
        held_us=int(exchange.held_s * 1e6),
        input_tokens=usage.prompt_tokens if usage else 0,
        output_tokens=usage.completion_tokens if usage else 0,
        cached_tokens=usage.cached_tokens if usage else 0,
        reasoning_tokens=usage.reasoning_tokens if usage else 0,
        estimated=usage is not None and usage.estimated,
        cost_nano=exchange.cost_nano,
        baseline_nano=exchange.baseline_nano,
        currency=backend.currency if backend else "",
        response_id=stated.id,
        reported_model=stated.model,
        fingerprint=stated.fingerprint,
        finish=stated.finish,
    )


def _class(exchange: "Exchange") -> str:
    """Its own, or that of its rule, whichever is stricter; empty is Public."""
    rank = max(exchange.data_rank, RANKS.get(exchange.taken.route.data_class, 0))
    return str(CLASSES[rank]) if rank else ""


def _evidence(analysis: "Analysis") -> tuple[str, ...]:
    """All but the words that told the domain: of an illness or a crime they would say too much."""
    return tuple(
        [
            fact.partition(" by ")[0] if fact.startswith("domain: ") else fact
            for fact in analysis.evidence
        ]
    )


def _skipped(exchange: "Exchange") -> tuple[Try, ...]:
    return tuple([Try(backend=skip.backend, reason=skip.reason) for skip in exchange.skipped])


def _left(exchange: "Exchange") -> tuple[Try, ...]:
    return tuple([Try(backend=name, reason=fault.reason) for name, fault in exchange.failures])


def _given_id(exchange: "Exchange") -> str:
    given = exchange.request_id
    return "" if given is exchange.decision_id else given.decode("latin-1")


def _outcome(exchange: "Exchange") -> str:
    """Of a request that got no answer, why the last attempt failed."""
    if exchange.outcome == "Refused" and exchange.failures:
        return exchange.failures[-1][1].reason
    return exchange.outcome
