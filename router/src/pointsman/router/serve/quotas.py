"""Limits of callers and teams at work: a request takes from each that it is under, or from none.

Guarantees that whatever a request took is settled exactly once, when its exchange ends, however it
ends. Keeps nothing of callers without limits, and of others only while a Secret names them or a
request of theirs runs. What may go is decided in policy/limits.py.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pointsman.api.callers import Limits
from pointsman.api.statuses import CLIENT_GONE
from pointsman.router.callers import Caller, Callers
from pointsman.router.errors import RateLimited
from pointsman.router.live import Live
from pointsman.router.policy import limits as policy
from pointsman.router.policy.limits import Refusal, Standing, State, What
from pointsman.router.wire.choices import choices
from pointsman.router.wire.usage import Usage

if TYPE_CHECKING:
    from pointsman.router.serve.exchange import Exchange

_MOST_TOKENS: Final = 10**9
"""What an answer may count, whatever its backend states."""
_BYTES_A_TOKEN: Final = 4
_NOUNS: Final = {
    What.REQUESTS: "requests per minute",
    What.TOKENS: "tokens per minute",
    What.CONCURRENCY: "requests at once",
}
_Key = tuple[str, str]


class Quota:
    """What one caller or team has in use."""

    __slots__ = ("limits", "state", "whose")

    def __init__(self, whose: str, limits: Limits, now_ns: int) -> None:
        self.whose = whose
        self.limits = limits
        self.state = State(at_ns=now_ns)


class Quotas:
    """Of one router."""

    def __init__(self, live: Live, clock: Callable[[], float]) -> None:
        self._live = live
        self.clock = clock
        self._known: Callers | None = None
        self._quotas: dict[_Key, Quota] = {}

    @property
    def routers(self) -> int:
        """Between how many the limits are divided."""
        return max(self._live.routers, 1)

    def now_ns(self) -> int:
        """Of the plane's clock."""
        return int(self.clock() * 1e9)

    def of(self, caller: Caller) -> tuple[Quota, ...]:
        """All that this caller is under."""
        if self._known is not self._live.callers:
            self._forget()
        own, team = caller.limits, caller.team_limits
        if team is None:
            return (self._quota(("caller", caller.name), own),) if own is not None else ()
        teams = self._quota(("team", caller.team), team)
        return (teams,) if own is None else (self._quota(("caller", caller.name), own), teams)

    def _quota(self, key: _Key, limits: Limits) -> Quota:
        quota = self._quotas.get(key)
        if quota is None:
            quota = self._quotas[key] = Quota(" ".join(key), limits, self.now_ns())
        elif quota.limits is not limits:  # what was given back until now was by the old ones
            quota.state = policy.at(quota.state, quota.limits, self.routers, self.now_ns())
            quota.limits = limits
        return quota

    def _forget(self) -> None:
        """Those whom no Secret names any more."""
        self._known = known = self._live.callers
        named: set[_Key] = set()
        for caller in known.everyone:
            if caller.limits is not None:
                named.add(("caller", caller.name))
            if caller.team_limits is not None:
                named.add(("team", caller.team))
        self._quotas = {
            key: quota for key, quota in self._quotas.items() if key in named or quota.state.running
        }


class Ticket:
    """What a request of a limited caller has taken."""

    __slots__ = ("_quotas", "_taken", "_tokens", "quotas")

    def __init__(self, quotas: Quotas, caller: Caller, tokens: int) -> None:
        self._quotas = quotas
        self._tokens = tokens
        self._taken = False
        self.quotas = quotas.of(caller)

    @property
    def reserved(self) -> int:
        """Tokens; 0 for one that was refused."""
        return self._tokens if self._taken else 0

    def take(self) -> tuple[Quota, Refusal] | None:
        """From all of them; the one that refuses longest if any does, and then from none."""
        routers, now_ns, tokens = self._quotas.routers, self._quotas.now_ns(), self._tokens
        refused: list[tuple[Quota, Refusal]] = []
        for quota in self.quotas:
            quota.state = state = policy.at(quota.state, quota.limits, routers, now_ns)
            refusal = policy.refusal(state, quota.limits, routers, tokens)
            if refusal is not None:
                refused.append((quota, refusal))
        if refused:
            return max(refused, key=lambda pair: _or_never(pair[1].wait_ns))
        self._taken = True
        for quota in self.quotas:
            quota.state = policy.take(quota.state, tokens)
        return None

    def settle(self, used: int) -> None:
        """Give back what it held, and keep what it used; once."""
        if self._taken:
            self._taken = False
            routers, now_ns = self._quotas.routers, self._quotas.now_ns()
            for quota in self.quotas:
                state = policy.at(quota.state, quota.limits, routers, now_ns)
                quota.state = policy.settle(state, self._tokens, used)

    def lines(self) -> bytes:
        """OpenAI's header lines, each about the limit of which least is left."""
        routers, now_ns = self._quotas.routers, self._quotas.now_ns()
        requests: Standing | None = None
        tokens: Standing | None = None
        for quota in self.quotas:
            limits = quota.limits
            state = policy.at(quota.state, limits, routers, now_ns)
            requests = _tighter(requests, policy.requests_left(state, limits, routers))
            tokens = _tighter(tokens, policy.tokens_left(state, limits, routers))
        lines = b"" if requests is None else _told(b"requests", requests)
        return lines if tokens is None else lines + _told(b"tokens", tokens)


def limit(exchange: "Exchange") -> None:
    """The layer: raises RateLimited, in OpenAI's words, for what is over a limit."""
    caller = exchange.caller
    if caller.limits is None and caller.team_limits is None:
        return
    plane = exchange.plane
    exchange.ticket = ticket = Ticket(plane.quotas, caller, estimate(exchange))
    found = ticket.take()
    if found is None:
        return
    quota, refusal = found
    plane.metrics.team(caller.team).refused(refusal.what)
    what = f"Rate limit reached for {quota.whose} on {_NOUNS[refusal.what]}: limit {refusal.limit}"
    if refusal.wait_ns is None:
        what = f"Request too large for {quota.whose} on {_NOUNS[refusal.what]}: limit "
        what += f"{refusal.limit}, requested {estimate(exchange)}. Shorten the prompt or ask for"
        raise RateLimited(f"{what} fewer tokens.", retry_after_s=None)
    wait_s = refusal.wait_ns / 1e9
    raise RateLimited(f"{what}. Please try again in {wait_s:.3g}s.", retry_after_s=wait_s)


def settle(exchange: "Exchange") -> None:
    """The layer: what the request took, by what it turned out to use."""
    ticket = exchange.ticket
    if ticket is None:
        return
    usage, used = exchange.usage, 0
    if usage is not None:
        used = min(usage.prompt_tokens + usage.completion_tokens, _MOST_TOKENS)
    if counted(exchange) is None and nobody_can_tell(exchange):
        used = max(used, ticket.reserved)  # of an answer that nobody bounds the guess may be more
    ticket.settle(used)


def counted(exchange: "Exchange") -> Usage | None:
    """What it took; None where nobody knows, or the router guesses, since its caller left."""
    usage = exchange.usage
    if usage is not None and usage.estimated and exchange.code == CLIENT_GONE:
        return None
    return usage


def nobody_can_tell(exchange: "Exchange") -> bool:
    """True for one that ended without a count of its tokens, and may have had some."""
    if exchange.code == CLIENT_GONE:  # to leave just before the end must not be free
        return exchange.attempts > 0
    return exchange.committed and not 400 <= exchange.code < 500


def estimate(exchange: "Exchange") -> int:
    """Tokens that the request may use: of its prompt, and the most that it lets answers have."""
    asked, operation = exchange.asked, exchange.operation
    prompt = exchange.analysis.context_tokens
    if operation.text != "messages":  # of several texts the analysis saw the longest only
        prompt = max(prompt, len(exchange.request.body) // _BYTES_A_TOKEN)
    if not operation.generates:
        return prompt
    output, profile = asked.max_output_tokens, exchange.candidates[0].profile
    if profile is not None:  # of who is asked first, as it changes the request
        prompt, output = prompt + profile.text_tokens, profile.output_tokens(output)
    return prompt + choices(exchange.request.body) * (output or policy.UNSAID_TOKENS)


def _or_never(wait_ns: int | None) -> float:
    return float("inf") if wait_ns is None else wait_ns


def _tighter(one: Standing | None, other: Standing | None) -> Standing | None:
    if one is None or other is None:
        return other if one is None else one
    return other if other.left < one.left else one


def _told(of: bytes, standing: Standing) -> bytes:
    limit, left, reset_ns = standing
    return (
        b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
        % (of, limit, of, left, of, _duration(reset_ns))
    )


def _duration(time_ns: int) -> bytes:
    """As OpenAI writes one: `17ms`, `1.2s`, `1m30s`; rounded up to a millisecond."""
    ms = -(-time_ns // 10**6)
    if ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    seconds = (b"%.3f" % (ms / 1000)).rstrip(b"0").rstrip(b".")
    return b"%dm%bs" % (minutes, seconds) if minutes else seconds + b"s"
