"""What two revisions made of one request, as it is told to be compared."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pointsman.api.pairs import Outcome, Pair, Side
from pointsman.api.table import Shadow
from pointsman.router.serve.account import MOST_TOKENS
from pointsman.router.serve.arms import Arm
from pointsman.router.wire.excerpt import Excerpt
from pointsman.router.wire.mirrored import said_of
from pointsman.router.wire.spoken import Spoken
from pointsman.router.wire.stated import read_stated
from pointsman.routing.compiled import CompiledPolicy
from pointsman.routing.cost import cost_nano

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange


@dataclass(eq=False, slots=True)
class Mirror:
    """One policy's shadow on this router, since it knows this rollout."""

    of_stable: Arm
    stable: str
    policy: CompiledPolicy
    """The candidate."""
    shadow: Shadow
    since_ms: int
    equal: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    spent_nano: int = 0
    aside_nano: int = 0
    spent_up: bool = False
    kept: deque["Kept"] = field(default_factory=deque)

    def note(self, outcome: Outcome) -> None:
        """Count one request."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def room_nano(self, routers: int) -> int:
        """What is left of this router's share."""
        share = self.shadow.max_spend_nano // max(routers, 1)
        return share - self.spent_nano - self.aside_nano


@dataclass(frozen=True, slots=True)
class Kept:
    pair: Pair
    size: int
    until_s: float


@dataclass(eq=False, slots=True)
class Job:
    """One request that is to be sent again; `told` is its caller's exchange, which is over."""

    mirror: Mirror
    told: "Exchange"
    heard: Spoken | None
    latency_s: float
    size: int
    aside_nano: int = 0
    wants_json: bool = False


def pair_of(job: Job, exchange: "Exchange", latency_s: float, spent: int) -> Pair:
    """`exchange` is the candidate's, and over."""
    return Pair(
        question=_excerpt(job.told.asked.texts()),
        control=_control(job),
        candidate=_side(exchange, latency_s, spent),
        task=task_of(exchange),
        wants_json=job.wants_json,
    )


def task_of(exchange: "Exchange") -> str:
    analysis = getattr(exchange, "analysis", None)
    return str(analysis.task) if analysis is not None and analysis.decided else ""


def _excerpt(texts: Iterable[str]) -> str:
    found = Excerpt()
    for index, text in enumerate(texts):
        found.add(("\n" + text if index else text).encode("utf-8", "replace"))
    return found.text(bytes).decode("utf-8", "ignore")


def _control(job: Job) -> Side:
    """What its caller got."""
    told, heard = job.told, job.heard
    spent = told.cost_nano
    if heard is None:
        return _side(told, job.latency_s, spent)
    finish = read_stated(told.said, told.opening, told.end).finish
    return Side(
        status=told.code,
        text=heard.excerpt.text(bytes).decode("utf-8", "ignore"),
        finish=finish,
        calls=finish in ("tool_calls", "function_call"),
        cut=heard.gave_up or heard.excerpt.is_cut,
        backend=_backend(told),
        latency_ms=round(job.latency_s * 1000, 1),
        cost_nano=spent,
    )


def _side(exchange: "Exchange", latency_s: float, spent: int) -> Side:
    """Of an exchange whose answer was whole, or none."""
    if exchange.code != 200:
        return Side(
            status=exchange.code,
            backend=_backend(exchange),
            latency_ms=round(latency_s * 1000, 1),
            cost_nano=spent,
        )
    said = said_of(exchange.end)
    text = Excerpt()
    text.add(said.text.encode("utf-8", "replace"))
    return Side(
        status=200,
        text=text.text(bytes).decode("utf-8", "ignore"),
        finish=said.finish,
        calls=said.calls,
        cut=text.is_cut,
        backend=_backend(exchange),
        latency_ms=round(latency_s * 1000, 1),
        cost_nano=spent,
    )


def _backend(exchange: "Exchange") -> str:
    track = exchange.track
    backend = track.of[1] if track is not None else None
    return backend.name if backend is not None else ""


def spent_nano(exchange: "Exchange", job: Job, now_s: float) -> int:
    """By the tokens that were said; all that was set aside where nobody can tell."""
    usage, track = exchange.usage, exchange.track
    if usage is None or max(usage.prompt_tokens, usage.completion_tokens) > MOST_TOKENS:
        sent = exchange.attempts > 0 and not 400 <= exchange.code < 499
        return job.aside_nano if sent else 0
    if track is None:
        return 0
    return cost_nano(usage, track.tariff.at(now_s))
