"""Limits over any traffic: what a minute lets through, and what is left, in whole numbers."""

from dataclasses import dataclass, field
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.api.callers import Limits
from pointsman.router.policy.limits import (
    MINUTE_NS,
    Refusal,
    State,
    What,
    at,
    refusal,
    requests_left,
    settle,
    take,
    tokens_left,
)

SECOND_NS = 10**9


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: how long after the one before, and what it reserves, uses and takes."""

    after_ns: int
    tokens: int
    used: int
    takes_ns: int


@dataclass
class Router:
    """The decision with its memory, and what it let through."""

    limits: Limits
    routers: int = 1
    state: State = field(default_factory=State)
    running: list[tuple[int, int, Ask]] = field(default_factory=list)
    let_in: list[tuple[int, int]] = field(default_factory=list)
    """(time, 1) of each request."""
    used: list[tuple[int, int]] = field(default_factory=list)
    """(time of its end, tokens) of each."""

    def end_until(self, now_ns: int) -> None:
        while self.running and self.running[0][0] <= now_ns:
            end_ns, _, ask = heappop(self.running)
            now = at(self.state, self.limits, self.routers, end_ns)
            self.state = settle(now, ask.tokens, ask.used)
            self.used.append((end_ns, ask.used))

    def ask(self, now_ns: int, ask: Ask) -> Refusal | None:
        self.end_until(now_ns)
        self.state = at(self.state, self.limits, self.routers, now_ns)
        before = self.state
        found = refusal(self.state, self.limits, self.routers, ask.tokens)
        assert self.state is before
        if found is None:
            self.state = take(self.state, ask.tokens)
            self.let_in.append((now_ns, 1))
            heappush(self.running, (now_ns + ask.takes_ns, len(self.let_in), ask))
        assert min(self.state) >= 0
        return found


def most_in_a_minute(events: list[tuple[int, int]]) -> int:
    """Of any 60 s that begin at an event."""
    return max(
        (sum(n for t, n in events if start <= t < start + MINUTE_NS) for start, _ in events),
        default=0,
    )


gaps = st.one_of(
    st.integers(0, 50),
    st.integers(0, 3 * SECOND_NS),
    st.sampled_from([0, MINUTE_NS, MINUTE_NS - 1]),
)
asks = st.builds(
    lambda after, tokens, part, takes: Ask(after, tokens, tokens * part // 100, takes),
    gaps, st.integers(0, 400), st.integers(0, 100), st.integers(0, 90 * SECOND_NS),
)  # fmt: skip
counts = st.none() | st.integers(1, 300)
limits_of = st.builds(
    lambda r, t, c: Limits(rpm=r, tpm=t, max_concurrent_requests=c) if r or t or c else None,
    counts, counts, st.none() | st.integers(1, 9),
).filter(lambda found: found is not None)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(limits_of, st.integers(1, 4), st.lists(asks, max_size=60))
@pytest.mark.slow
def test_no_minute_has_more_than_the_limit_and_the_burst(
    limits: Limits, routers: int, traffic: list[Ask]
) -> None:
    """
    Any 60 s let through at most twice this router's share, of requests and of tokens.

    One request or its tokens more where the share is less than that. At once: the share, rounded
    up. Requests that use less than they reserved earn nothing by it.
    """
    router, now_ns = Router(limits, routers), 0
    for ask in traffic:
        now_ns += ask.after_ns
        router.ask(now_ns, ask)
        if limits.max_concurrent_requests:
            assert router.state.running < limits.max_concurrent_requests / routers + 1
    router.end_until(10**15)

    assert router.state.running == router.state.held_tokens == 0
    if limits.rpm:
        assert most_in_a_minute(router.let_in) <= limits.rpm / routers + max(
            limits.rpm / routers, 1
        )
    if limits.tpm:
        share, largest = limits.tpm / routers, max((ask.tokens for ask in traffic), default=0)
        assert most_in_a_minute(router.used) <= share + max(share, largest)


@settings(deadline=None)
@given(limits_of, st.integers(1, 4), st.lists(asks, max_size=40))
def test_who_waits_as_told_is_let_in(limits: Limits, routers: int, traffic: list[Ask]) -> None:
    """Alone, after what runs has ended; and a nanosecond earlier it is not."""
    router, now_ns = Router(limits, routers), 0
    for ask in traffic:
        now_ns += ask.after_ns
        found = router.ask(now_ns, ask)
        if found is not None and found.wait_ns is not None and not router.running:
            assert found.wait_ns > 0
            then = at(router.state, limits, routers, now_ns + found.wait_ns)
            again = refusal(then, limits, routers, ask.tokens)
            assert again is None or again.what is not found.what
            early = at(router.state, limits, routers, now_ns + found.wait_ns - routers)
            assert refusal(early, limits, routers, ask.tokens) is not None


@settings(deadline=None)
@given(limits_of, st.integers(1, 4), st.lists(asks, max_size=40))
def test_what_is_said_to_be_left_is_let_in(
    limits: Limits, routers: int, traffic: list[Ask]
) -> None:
    """So many requests, and so many tokens, right now; never less than none."""
    router, now_ns = Router(limits, routers), 0
    for ask in traffic:
        now_ns += ask.after_ns
        router.ask(now_ns, ask)
        requests = requests_left(router.state, limits, routers)
        tokens = tokens_left(router.state, limits, routers)
        assert (requests is None) is (limits.rpm is None)
        assert (tokens is None) is (limits.tpm is None)
        if requests is not None:
            assert 0 <= requests.left <= requests.limit
            alone = Limits(rpm=limits.rpm)
            assert refusal(router.state, alone, routers, 0) is None or requests.left == 0
            later = at(router.state, limits, routers, router.state.at_ns + requests.reset_ns)
            assert later.requests == 0
        if tokens is not None and tokens.left:
            alone = Limits(tpm=limits.tpm)
            assert refusal(router.state, alone, routers, tokens.left) is None


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61, 999_999_937])
def test_nothing_drifts(limit: int) -> None:
    """After a million steps of odd length exactly what a minute gives is given back."""
    limits, now_ns = Limits(rpm=limit), 0
    state = State(requests=limit * MINUTE_NS)
    for _ in range(1000):
        now_ns += MINUTE_NS // 1000
        state = at(state, limits, 1, now_ns)
        assert state.requests == limit * (MINUTE_NS - now_ns)
    assert state.requests == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """And takes nothing when it is right again."""
    limits, state = Limits(rpm=60), State(at_ns=1000 * SECOND_NS, requests=MINUTE_NS)
    assert at(state, limits, 1, 5) == state
    assert at(state, limits, 1, 1001 * SECOND_NS).requests == 0


def test_more_than_a_minute_has_never_goes() -> None:
    """Waiting is of no use; exactly as much as it has goes once."""
    limits = Limits(tpm=100)
    assert refusal(State(), limits, 1, 101) == Refusal(What.TOKENS, 100, None)
    assert refusal(State(), limits, 1, 100) is None


def test_a_request_that_a_share_is_too_small_for_goes_when_nothing_is_used() -> None:
    """Else it could never go, though the limit allows it; the next ones wait until it is paid."""
    limits = Limits(tpm=100)
    assert refusal(State(), limits, 4, 80) is None
    after = settle(take(State(), 80), 80, 80)
    assert refusal(after, limits, 4, 1) == Refusal(What.TOKENS, 100, (80 - 24) * 4 * 600_000_000)


def test_an_answer_longer_than_reserved_is_paid_for() -> None:
    """What an estimate missed counts afterwards, and what is left is none, not less."""
    limits = Limits(tpm=100)
    state = settle(take(State(), 10), 10, 250)
    found = tokens_left(state, limits, 1)
    assert found is not None
    assert found.left == 0
    assert refusal(state, limits, 1, 1) == Refusal(What.TOKENS, 100, 151 * 600_000_000)
