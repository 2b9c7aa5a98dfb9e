"""The two arms of a policy's rollout: who goes to the candidate, and what became of both.

Guarantees that a conversation stays in its arm while the part of the candidate grows, and that a
policy without a candidate pays one read of an attribute. Decides nothing of the rollout.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from pointsman.api.counted import DURATION_BOUNDS_S, MOST_ARMS, ArmCounts
from pointsman.api.counted import Arms as Told
from pointsman.api.statuses import CLIENT_GONE
from pointsman.router.serve.choosing import conversation_of
from pointsman.routing import Canary, CompiledTable

if TYPE_CHECKING:
    from pointsman.api.pairs import Pairs
    from pointsman.router.serve.app import DataPlane
    from pointsman.router.serve.exchange import Exchange
    from pointsman.router.serve.mirror import Mirror
    from pointsman.router.serve.shadowing import Shadows
    from pointsman.router.wire.sse import StreamTail

_BACKENDS_FAULT: Final = frozenset({401, 403, 404, 405, 408})
"""Of a backend's answers: no caller can cause them, for model, path and key are the router's."""
_NANO: Final = 1e-9
_SHADOW: Final = "/shadow"
"""Its conversations are others than those of the first step."""
_NO_DURATIONS: Final = (0,) * (len(DURATION_BOUNDS_S) + 1)


def in_candidate(conversation: bytes, revision: str, percent: float) -> bool:
    """
    Whether a conversation belongs to the candidate's part.

    The parts are nested: who is in a small one is in each larger one. Another revision has others.
    """
    digest = hashlib.blake2b(conversation + revision.encode(), digest_size=8).digest()
    return int.from_bytes(digest) < percent / 100 * 2**64


class Arm:
    """What one revision did."""

    __slots__ = (
        "cost", "cost_squares", "durations", "errors", "priced", "refused", "requests",
    )  # fmt: skip
    hears: ClassVar[bool] = False
    """Whether it wants the text of a stream."""

    def __init__(self) -> None:
        self.requests = self.errors = self.refused = self.priced = 0
        self.cost = self.cost_squares = 0.0
        self.durations = list(_NO_DURATIONS)

    def count(self, exchange: "Exchange", now_s: float) -> None:
        """An exchange that is over. What its caller's own limits refused says nothing of an arm."""
        track, code = exchange.track, exchange.code
        if track is None and code < 500:
            return
        self.requests += 1
        if _failed(exchange):
            self.errors += 1
        elif exchange.committed and 400 <= code < CLIENT_GONE:
            self.refused += 1
        self.durations[bisect_left(DURATION_BOUNDS_S, now_s - exchange.received_s)] += 1
        if exchange.usage is not None and track is not None and track.backend is not None:
            cost = exchange.cost_nano * _NANO
            self.priced += 1
            self.cost += cost
            self.cost_squares += cost * cost

    def listen(self, tail: "StreamTail") -> "StreamTail":
        """Asked where it hears."""
        return tail

    def counts(self) -> ArmCounts:
        """As the operator is told."""
        return ArmCounts(
            requests=self.requests,
            errors=self.errors,
            refused=self.refused,
            durations=tuple(self.durations) if self.requests else (),
            priced=self.priced,
            cost=self.cost,
            cost_squares=self.cost_squares,
        )


def _failed(exchange: "Exchange") -> bool:
    """
    What a caller would call a failure: 5xx, a timeout, a stream that broke, no backend that can.

    So is a 429 of its backends, and none of the caller's limits and budgets, which refuse before
    one is asked. Its mistakes, which a backend refuses with 400 or 422, are none, nor that it left.
    """
    track, code = exchange.track, exchange.code
    if track is None or track.backend is None:
        return code >= 400
    if code == 429:
        return bool(exchange.failures)
    return code >= 500 or (exchange.committed and code in _BACKENDS_FAULT)


class _Pair:
    """Both arms of one policy, since this router has these two revisions."""

    __slots__ = ("candidate", "mirror", "of_candidate", "of_stable", "since_ms", "stable")

    def __init__(self, stable: str, candidate: str, since_ms: int) -> None:
        self.stable, self.candidate, self.since_ms = stable, candidate, since_ms
        self.of_stable, self.of_candidate = Arm(), Arm()
        self.mirror: Mirror | None = None
        """Where the candidate answers requests of the stable one as well."""

    def told(self) -> Told:
        return Told(
            stable=self.stable,
            candidate=self.candidate,
            since_ms=self.since_ms,
            of_stable=self.of_stable.counts(),
            of_candidate=self.of_candidate.counts(),
        )


class Arms:
    """All rollouts of the table in force."""

    def __init__(self, plane: "DataPlane") -> None:
        self._plane = plane
        self._live = live = plane.live
        self._wall = plane.wall
        self.shadows: Shadows | None = None
        """Since a rollout had a shadow phase."""
        live.pairs = self.take_pairs
        self._table: CompiledTable | None = None
        self._pairs: dict[str, _Pair] = {}
        """By policy; bounded by what one table names."""

    def pair(self, policy: str) -> _Pair | None:
        """The arms of a policy; None if it has no candidate."""
        if self._table is not self._live.table:
            self._follow()
        return self._pairs.get(policy)

    def told(self) -> dict[str, Told]:
        """By policy, for the operator: as many as a line holds."""
        if self._table is not self._live.table:
            self._follow()
        return {name: self._pairs[name].told() for name in sorted(self._pairs)[:MOST_ARMS]}

    def _follow(self) -> None:
        """Count on where both revisions are the same, whatever else has changed."""
        self._table = table = self._live.table
        stable = {one.name: one.revision for one in table.by_model.values()}
        before, self._pairs = self._pairs, {}
        for name, canary in table.canaries.items():
            wanted = (stable.get(name, ""), canary.policy.revision)
            known = before.get(name)
            if known is None or (known.stable, known.candidate) != wanted:
                known = _Pair(*wanted, int(self._wall() * 1000))
            self._pairs[name] = known
        shadowed = {name: one for name, one in table.canaries.items() if one.shadow is not None}
        if shadowed or self.shadows is not None:
            self._shadow(shadowed)

    def _shadow(self, wanted: Mapping[str, Canary]) -> None:
        """What is needed for it is loaded with the first."""
        if self.shadows is None:
            from pointsman.router.serve.shadowing import Shadows  # noqa: PLC0415

            self.shadows = Shadows(self._plane)
        asked = {
            name: (self._pairs[name].stable, self._pairs[name].of_stable, one)
            for name, one in wanted.items()
        }
        mirrors = self.shadows.follow(asked, self._wall())
        for name, pair in self._pairs.items():
            pair.mirror = mirrors.get(name)

    def take_pairs(self, policy: str) -> "Pairs | None":
        """What its candidate's shadow has to be compared, once; None if there is none."""
        self.pair(policy)
        return self.shadows.take(policy) if self.shadows is not None else None

    def close(self) -> None:
        """The router ends: nobody waits for what a shadow does."""
        if self.shadows is not None:
            self.shadows.close()


def take(exchange: "Exchange") -> None:
    """Give a request of a policy with a candidate its arm."""
    plane, policy = exchange.plane, exchange.policy
    canary = plane.live.table.canaries.get(policy.name)
    pair = plane.arms.pair(policy.name)
    if canary is None or pair is None:
        return
    revision = canary.policy.revision
    if in_candidate(conversation_of(exchange), revision, canary.weight_percent):
        exchange.policy, exchange.arm = canary.policy, pair.of_candidate
    elif pair.mirror is None:
        exchange.arm = pair.of_stable
    else:
        exchange.arm = _stable(exchange, pair, pair.mirror)


def _stable(exchange: "Exchange", pair: _Pair, mirror: "Mirror") -> Arm:
    """The stable arm; of the shadow's conversations one that offers them to the candidate."""
    shadows, salted = exchange.plane.arms.shadows, mirror.policy.revision + _SHADOW
    if shadows is None or not in_candidate(
        conversation_of(exchange), salted, mirror.shadow.percent
    ):
        return pair.of_stable
    return shadows.mirrored(mirror)
