"""PURE: a policy without the backends that a request may not go to.

Guarantees that what is taken out stands in no order, no chain and no pool, so whatever decides
cannot choose it. Made anew only when an approval begins or ends: not for each request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from math import inf
from typing import Final

import msgspec

from pointsman.api.dataclass import CLASSES, HEADER, METADATA, RANKS, rank_of
from pointsman.api.redaction import Pattern
from pointsman.api.table import Backend
from pointsman.routing.chooser import CompiledChooser, Pool
from pointsman.routing.compiled import CompiledPolicy, CompiledRoute
from pointsman.routing.facts import RequestFacts
from pointsman.routing.governance import CompiledGovernance

SEARCHED_CHARS: Final = 65_536
"""Of a request; a longer one has the class of what might be found, unread: nobody else is answered
while one is searched."""
DATA_CLASS: Final = "DataClassNotAllowed"
EXPIRED: Final = "ApprovalExpired"
NOT_BEGUN: Final = "ApprovalNotBegun"


class NoClass(ValueError):
    """What a caller gave as a class of data is none; the text says where and which there are."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A policy for requests of one class, as it is from `from_s` on until `until_s`."""

    policy: CompiledPolicy
    from_s: float
    until_s: float


def finds(patterns: tuple[Pattern, ...], texts: list[str] | None) -> bool:
    """Whether one of them is in these texts, or they are too long, or not readable (None)."""
    if texts is None or sum(map(len, texts)) > SEARCHED_CHARS:
        return True
    data = "\n".join(texts).encode("utf-8", "replace")
    return any(pattern.found(data) for pattern in patterns)


def told_rank(
    asks: CompiledGovernance | None,
    *,
    key: int,
    header: str | None,
    metadata: Mapping[str, str],
    texts: Callable[[], list[str] | None],
) -> int:
    """
    The strictest class that anybody gave a request, but for its rule; of dataclass.RANKS.

    `metadata` and texts count where the policy has governance; texts are None where not all that a
    model gets can be read. Raises NoClass.
    """
    rank = key if asks is None else max(key, asks.rank)
    if header is not None:
        rank = max(rank, _read(header, "header x-pointsman-data-class"))
    if asks is None:
        return rank
    if (said := metadata.get(METADATA)) is not None:
        rank = max(rank, _read(said, f"metadata.{METADATA}"))
    if asks.patterns and rank < asks.detected and finds(asks.patterns, texts()):
        rank = asks.detected
    return rank


def _read(written: str, where: str) -> int:
    rank = rank_of(written)
    if rank is None:
        shown = written.encode("ascii", "replace").decode()[:64]
        raise NoClass(f"{where} is {shown!r}, which is no class of data: {', '.join(CLASSES)}")
    return rank


def rank_of_facts(
    policy: CompiledPolicy, facts: RequestFacts, *, texts: list[str], key: int = 0
) -> int:
    """As `told_rank`, for whoever decides without a router."""
    return told_rank(
        policy.governance,
        key=key,
        header=facts.headers.get(HEADER.decode()),
        metadata=facts.metadata,
        texts=lambda: texts,
    )


def for_facts(
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    texts: list[str],
    now_s: float | None,
    key: int = 0,
) -> CompiledPolicy:
    """
    The policy as a router would use it for this request; raises NoClass.

    Without `now_s` whatever approval there is holds: a verdict that time must not change.
    """
    rank = rank_of_facts(policy, facts, texts=texts, key=key)
    return narrowed(policy, rank, now_s).policy if policy.governance or rank else policy


def narrowed(policy: CompiledPolicy, rank: int, now_s: float | None) -> Narrowed:
    """For requests of this class, at this moment; `rank` is of dataclass.RANKS."""
    if policy.governance is not None:
        rank = max(rank, policy.governance.rank)
    routes = {id(route): _route(route, rank, now_s) for route in policy.routes}
    bounds = [
        moment
        for backend in policy.backends.values()
        if backend.approval is not None
        for moment in (backend.approval.from_s, backend.approval.until_s)
    ]
    chooser = policy.chooser
    return Narrowed(
        replace(
            policy,
            routes=tuple(routes[id(route)] for route in policy.routes),
            tries=tuple((routes[id(route)], match) for route, match in policy.tries),
            chooser=_chooser(chooser, policy, rank, now_s) if chooser else None,
        ),
        max((moment for moment in bounds if now_s is not None and moment <= now_s), default=-inf),
        min((moment for moment in bounds if now_s is not None and moment > now_s), default=inf),
    )


def why_not(backend: Backend, rank: int, now_s: float | None) -> str:
    """Why a request of this class may not go there at this moment; empty if it may."""
    approval = backend.approval
    if approval is not None and now_s is not None and not approval.holds(now_s):
        return NOT_BEGUN if now_s < approval.from_s else EXPIRED
    return DATA_CLASS if RANKS.get(backend.max_data_class, 0) < rank else ""


def _route(compiled: CompiledRoute, rank: int, now_s: float | None) -> CompiledRoute:
    route = compiled.route
    rank = max(rank, RANKS.get(route.data_class, 0))
    known = {backend.name: backend for order in compiled.orders for backend in order}
    out = {name: why for name, one in known.items() if (why := why_not(one, rank, now_s))}
    if not out:
        return compiled
    targets = [one for one in route.targets if one.weight > 0 and one.backend not in out]
    whole = route.fallback.chain if route.fallback else ()
    chain = tuple(name for name in whole if name not in out)
    orders = [(one.backend, *(n for n in chain if n != one.backend)) for one in targets] or [
        tuple(chain)
    ]
    return replace(
        compiled,
        route=msgspec.structs.replace(route, left_out=route.left_out | out),
        bounds=tuple(accumulate(target.weight for target in targets)),
        orders=tuple(tuple(known[name] for name in order) for order in orders or [chain]),
    )


def _chooser(
    compiled: CompiledChooser, policy: CompiledPolicy, rank: int, now_s: float | None
) -> CompiledChooser:
    ranks = {one.route.name: RANKS.get(one.route.data_class, 0) for one in policy.routes}
    return replace(
        compiled,
        pools={
            name: _pool(pool, max(rank, ranks.get(name, 0)), now_s)
            for name, pool in compiled.pools.items()
        },
    )


def _pool(pool: Pool, rank: int, now_s: float | None) -> Pool:
    pairs = zip(pool.backends, pool.traits, strict=True)
    kept = [(backend, trait) for backend, trait in pairs if not why_not(backend, rank, now_s)]
    return replace(
        pool,
        backends=tuple(backend for backend, _ in kept),
        traits=tuple(trait for _, trait in kept),
    )


def left_out_words(out: Mapping[str, str]) -> str:
    """As `qwen (ApprovalExpired), kimi (NotApproved)`."""
    return ", ".join(f"{name} ({reason})" for name, reason in sorted(out.items()))
