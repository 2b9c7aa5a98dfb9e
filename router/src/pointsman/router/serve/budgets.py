"""Budgets at work: each request reserves the most that it may take from this router's slices.

Guarantees that a request waits for nothing, that what it reserved is settled exactly once, and that
an Enforce budget lets through no more than the ledger has granted. What is missing is asked for
beside the requests (router/leases.py). How much is decided in policy/budget.py.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from pointsman.api.table import MOST_BUDGETS, Budget, BudgetUse
from pointsman.events.leases import MAX_BUDGETS, MOST, Granted, Wanted
from pointsman.router.errors import BudgetExceeded, Refused
from pointsman.router.live import Live
from pointsman.router.metrics import Metrics
from pointsman.router.policy import budget as policy
from pointsman.router.policy.budget import Slice, Window
from pointsman.router.serve.quotas import counted, nobody_can_tell
from pointsman.router.wire.choices import choices
from pointsman.routing import CompiledPolicy
from pointsman.routing.cap import UNSAID_TOKENS
from pointsman.routing.cost import most_nano as most_of

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_AHEAD_MS: Final = 60_000
"""So long before a window begins its slices are asked for."""
_AGAIN_S: Final = 5.0
"""Between two questions about a budget that nobody waits for."""


class Purse:
    """One budget of one subject in one window."""

    __slots__ = (
        "asked_s", "budget", "exhausted", "known", "left", "low", "missing", "part", "place",
        "policy", "subject", "told", "urgent", "window",
    )  # fmt: skip

    def __init__(
        self, place: str, budget: Budget, window: Window, *, policy: str, subject: str
    ) -> None:
        self.place = place
        self.policy = policy
        self.subject = subject
        self.budget = budget
        self.window = window
        self.part = Slice()
        self.left = budget.limit
        """What nobody has used, as far as the ledger knew."""
        self.low = self.missing = self.told = 0
        self.known = self.exhausted = False
        """Exhausted: all of it is granted, here or to other routers."""
        self.urgent = True
        self.asked_s = -inf


class Budgets:
    """Of one router; `wall` is Unix time."""

    def __init__(self, live: Live, metrics: Metrics, wall: Callable[[], float]) -> None:
        self._live = live
        live.budgets = self.shown
        self._metrics = metrics
        self._wall = wall
        self._purses: dict[tuple[str, int], Purse] = {}
        self._named: set[tuple[str, int]] = set()
        self._named_by: tuple[object, object, int] | None = None
        self.lender = False
        """True if there is a ledger to ask."""
        self._forgotten_s = 0.0
        """Until when nothing more is to be forgotten where there is none."""
        self.hurry: Callable[[], None] = lambda: None
        """Called when a request found too little."""

    @property
    def held(self) -> int:
        """Reserved by requests that run, over all budgets."""
        return sum(purse.part.held for purse in self._purses.values())

    def charge(self, exchange: "Exchange") -> None:
        """Reserve from all budgets that the request is under, or raise and reserve from none."""
        found, now_s = exchange.policy, self._wall()
        prompt, answers = _tokens(exchange), _answers(exchange)
        taken: list[tuple[Purse, int]] = []
        for budget in found.budgets:
            purse = self._purse(found, budget, _subject(exchange, budget), now_s)
            # What can never fit counts as a little more than all: it must not be asked for, nor
            # stay for the whole window in a budget that only counts.
            amount = min(_most(exchange, budget, prompt, answers, now_s), budget.limit + 1)
            if amount > purse.part.free:
                if amount <= purse.left:
                    purse.missing = max(purse.missing, amount)
                    if not purse.exhausted:
                        purse.urgent = True
                        self.hurry()
                self._metrics.over_budget(found.name, budget.name, enforce=budget.enforce)
                if budget.enforce:
                    raise _refusal(purse, amount, lender=self.lender)
            taken.append((purse, amount))
        for purse, amount in taken:
            purse.part = purse.part._replace(held=purse.part.held + amount)
            if purse.part.free < purse.low and not purse.urgent:
                purse.urgent = True
                self.hurry()
        exchange.charges = tuple(taken)

    def questions(self, *, leaving: bool = False) -> tuple[Wanted, ...]:
        """What to ask the ledger now; `leaving` gives back all that is not in use."""
        now_s, found = self._wall(), []
        named = set() if leaving else self._named_now(now_s)
        for key, purse in list(self._purses.items()):
            over, part = key not in named, purse.part
            if over and not part.held and purse.told == part.used == part.granted:
                del self._purses[key]
            elif (question := self._question(purse, now_s, over=over)) is not None:
                found.append(question)
                if len(found) == MAX_BUDGETS:
                    break
        return tuple(found)

    def granted(self, asked: Iterable[Wanted], answers: Iterable[Granted]) -> None:
        """The ledger's answer to `questions`."""
        for question, answer in zip(asked, answers, strict=True):
            purse = self._purses[question.budget, question.from_ms]
            purse.part = purse.part._replace(granted=answer.granted)
            purse.told, purse.known = question.used, True
            purse.left = max(0, purse.budget.limit - answer.used_by_all)
            purse.exhausted = answer.granted_to_all >= purse.budget.limit
            purse.low = purse.part.free // 2

    def shown(self) -> dict[str, tuple[BudgetUse, ...]]:
        """By policy, the fullest of those whose window is now; as the ledger told them last."""
        now_ms, found = self._wall() * 1000, {}  # type: ignore[var-annotated]
        for purse in self._purses.values():
            if purse.known and purse.window.from_ms <= now_ms < purse.window.until_ms:
                budget = purse.budget
                use = BudgetUse(
                    budget.name, purse.subject, purse.window.from_ms, budget.limit,
                    max(budget.limit - purse.left, purse.part.used), budget.currency,
                )  # fmt: skip
                found.setdefault(purse.policy, []).append(use)
        for name, uses in found.items():
            uses.sort(key=lambda use: (-use.used / use.limit, use.name, use.subject))
            found[name] = tuple(uses[:MOST_BUDGETS])
        return found

    def _purse(self, found: CompiledPolicy, budget: Budget, subject: str, now_s: float) -> Purse:
        window = policy.window_of(budget.window, now_s)
        unit = budget.currency or "tokens"
        place = f"{found.place}/{budget.name}/{budget.window}/{unit}/{budget.scope}/{subject}"
        purse = self._purses.get((place, window.from_ms))
        if purse is None:
            if not self.lender and now_s >= self._forgotten_s:
                self._forget(now_s)
            purse = Purse(place, budget, window, policy=found.name, subject=subject)
            self._purses[place, window.from_ms] = purse
        elif purse.budget is not budget and purse.budget != budget:
            purse.budget, purse.urgent = budget, True
        return purse

    def _forget(self, now_s: float) -> None:
        """Those whose window is over: `questions` would, but nobody asks them without a ledger."""
        self._forgotten_s = policy.window_of("Hour", now_s).until_ms / 1000  # none ends before
        for key, purse in list(self._purses.items()):
            if purse.window.until_ms <= now_s * 1000 and not purse.part.held:
                del self._purses[key]

    def _named_now(self, now_s: float) -> set[tuple[str, int]]:
        """Found anew when something changed, and twice a minute: there may be thousands."""
        by = (self._live.table, self._live.callers, int(now_s // 30))
        if by != self._named_by:
            self._named_by, self._named = by, self._name(now_s)
        return self._named

    def _name(self, now_s: float) -> set[tuple[str, int]]:
        """Every subject that a request could name now has a slice before the first one comes."""
        named = set()
        for found in self._live.table.policies:
            for budget in found.budgets:
                window = policy.window_of(budget.window, now_s)
                ahead = now_s * 1000 > window.until_ms - _AHEAD_MS
                times = (now_s, window.until_ms / 1000) if ahead else (now_s,)
                for subject in self._subjects(found, budget):
                    for at_s in times:
                        purse = self._purse(found, budget, subject, at_s)
                        named.add((purse.place, purse.window.from_ms))
        return named

    def _subjects(self, found: CompiledPolicy, budget: Budget) -> Iterator[str]:
        callers = self._live.callers
        match budget.scope:
            case "Policy":
                yield ""
            case "Rule":
                yield from (route.route.name for route in found.routes)
            case "Caller":
                yield from (one.name for one in callers.everyone if one.may_use(found.name))
            case "Team":
                yield from {one.team for one in callers.everyone if one.may_use(found.name)}
        if callers.open and budget.scope in ("Caller", "Team"):
            yield ""

    def _question(self, purse: Purse, now_s: float, *, over: bool) -> Wanted | None:
        part, waited = purse.part, now_s - purse.asked_s >= _AGAIN_S
        if over:
            if not waited and part.used + part.held == part.granted:
                return None
            want, least = part.used + part.held, 0
        else:
            wanted = policy.wanted(
                part, left=purse.left, routers=self._live.routers, missing=purse.missing
            )
            if wanted is not None and (purse.urgent or waited):
                want, least = wanted
            elif not purse.known or (waited and part.used != purse.told):
                want, least = part.granted, 0
            else:
                return None
        purse.asked_s, purse.urgent, purse.missing = now_s, False, 0
        if want < part.granted:  # from here on: the answer may never come
            purse.part = part._replace(granted=want)
        return Wanted(
            budget=purse.place, from_ms=purse.window.from_ms, until_ms=purse.window.until_ms,
            amount=purse.budget.limit, used=min(part.used, MOST), want=min(want, MOST),
            least=min(least, MOST),
        )  # fmt: skip


def spend(exchange: "Exchange") -> None:
    """The layer: raises BudgetExceeded, and Refused while no slice is known."""
    if exchange.policy.budgets:
        exchange.plane.budgets.charge(exchange)


def settle(exchange: "Exchange") -> None:
    """The layer: what the request reserved, by what it turned out to take."""
    charges, exchange.charges = exchange.charges, ()
    usage, track = exchange.usage, exchange.track
    guessed = counted(exchange) is None and nobody_can_tell(exchange)
    for purse, reserved in charges:
        currency = purse.budget.currency
        used = 0
        if usage is None:
            pass
        elif not currency:
            used = usage.prompt_tokens + usage.completion_tokens
        elif track is not None and track.tariff.currency == currency:
            used = exchange.cost_nano
        if guessed:
            used = max(used, reserved)
        purse.part = policy.settle(purse.part, reserved, used)


def _subject(exchange: "Exchange", budget: Budget) -> str:
    match budget.scope:
        case "Rule":
            return exchange.taken.route.name
        case "Caller":
            return exchange.caller.name
        case "Team":
            return exchange.caller.team
    return ""


def _tokens(exchange: "Exchange") -> int:
    """No token is shorter than a byte; images may be references, so the estimate counts as well."""
    return max(len(exchange.request.body), exchange.analysis.context_tokens)


def _answers(exchange: "Exchange") -> int:
    return choices(exchange.request.body) if exchange.operation.generates else 0


def _most(exchange: "Exchange", budget: Budget, prompt: int, answers: int, now_s: float) -> int:
    """What the request takes at most, whichever of its candidates answers."""
    most, said = 0, exchange.asked.max_output_tokens
    for backend in exchange.candidates:
        longest, texts, profile = said, prompt, backend.profile
        if profile is not None:
            longest, texts = profile.output_tokens(said), prompt + profile.text_bytes
        output = answers * (longest or backend.context_window or UNSAID_TOKENS)
        if not budget.currency:
            most = max(most, texts + output)
        elif backend.currency == budget.currency:
            track = exchange.plane.tracks.of(exchange.policy, exchange.taken, backend)
            most = max(most, most_of(texts, output, track.tariff.at(now_s)))
    return most


def most_nano(exchange: "Exchange", currency: str, now_s: float) -> int:
    """The most that a request may cost in a currency, in billionths, whoever answers."""
    budget = Budget("", "Policy", "Hour", enforce=True, limit=0, currency=currency)
    return _most(exchange, budget, _tokens(exchange), _answers(exchange), now_s)


def _refusal(purse: Purse, amount: int, *, lender: bool) -> BudgetExceeded | Refused:
    name = purse.budget.name
    if not purse.known:
        why = "the ledger has not answered yet" if lender else "this router has no ledger"
        return Refused(
            f"What is left of budget {name} is not known: {why}.",
            code="budget_unavailable",
            retry_after_s=1,
        )
    each = "" if purse.budget.scope == "Policy" else f" of this {purse.budget.scope.lower()}"
    message = f"Budget {name}{each} has too little left for this request in this "
    message += f"{purse.budget.window.lower()}."
    in_vain = purse.exhausted or amount > purse.left
    return BudgetExceeded(message, retry_after_s=None if in_vain else 1)
