"""A policy narrowed to a class and a moment: who is left, at which weights, and for how long."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.dataclass import CLASSES, RANKS, rank_of
from pointsman.api.governed import Approved, Governed
from pointsman.api.table import Backend, Fallback, Match, PolicyBlob, Route, ServiceAddress, Target
from pointsman.routing import CompiledPolicy, compile_policy
from pointsman.routing.governance import CompiledGovernance
from pointsman.routing.governing import NoClass, narrowed, told_rank
from tests.routing.learned import chooser

NAMES = ("a", "b", "c", "d")
TIMES = st.integers(0, 10).map(float)
RANK = st.integers(0, 3)
WINDOWS = st.one_of(
    st.none(), st.builds(lambda a, b: Approved(from_s=a, until_s=a + b + 1), TIMES, TIMES)
)


@st.composite
def policies(draw: st.DrawFn) -> CompiledPolicy:
    backends = {
        name: Backend(
            name=name, model="m",
            address=ServiceAddress(namespace="n", service=name, port=80),
            max_data_class=draw(st.sampled_from(["", *CLASSES])),
            approval=draw(WINDOWS),
        )
        for name in NAMES
    }  # fmt: skip
    routes = []
    for name in ("one", "two", "default"):
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
        chain = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)))
        routes.append(
            Route(
                name=name,
                targets=tuple(Target(backend=one, weight=draw(st.integers(0, 5))) for one in names),
                match=None if name == "default" else Match(tasks=("Chat",)),
                fallback=Fallback(chain=chain) if chain else None,
                data_class=draw(st.sampled_from(["", *CLASSES])),
            )
        )
    floor = draw(st.sampled_from(["", *CLASSES]))
    blob = PolicyBlob(
        namespace="n", name="desk", revision="r", model_names=("auto",), routes=tuple(routes),
        backends=backends, governance=Governed(data_class=floor),
        predictor=draw(st.sampled_from([None, chooser({"a": 0.5, "b": 0.6, "c": 0.7})])),
    )  # fmt: skip
    return compile_policy(blob, "d")


def may(policy: CompiledPolicy, route: Route, backend: Backend, rank: int, now_s: float) -> bool:
    """As the docs say it, in one line."""
    assert policy.governance is not None
    wanted = max(rank, policy.governance.rank, RANKS.get(route.data_class, 0))
    approved = backend.approval is None or backend.approval.holds(now_s)
    return approved and RANKS.get(backend.max_data_class, 0) >= wanted


@pytest.mark.slow
@given(policies(), RANK, TIMES)
def test_exactly_those_are_left_that_may_be_asked(
    policy: CompiledPolicy, rank: int, now_s: float
) -> None:
    """In each order, in the order that they had; targets with their weights; pools likewise."""
    found = narrowed(policy, rank, now_s).policy
    assert [one.route.name for one in found.routes] == [one.route.name for one in policy.routes]
    assert {id(route) for route, _ in found.tries} <= {id(route) for route in found.routes}
    for before, after in zip(policy.routes, found.routes, strict=True):
        route = before.route
        good = {
            name for name, one in policy.backends.items() if may(policy, route, one, rank, now_s)
        }
        targets = [one for one in route.targets if one.weight and one.backend in good]
        chain = [name for name in (route.fallback.chain if route.fallback else ()) if name in good]
        orders = [(t.backend, *(n for n in chain if n != t.backend)) for t in targets]
        assert [tuple(b.name for b in order) for order in after.orders] == (
            orders or [tuple(chain)]
        )
        steps = [0, *after.bounds]
        assert [b - a for a, b in itertools.pairwise(steps)] == [one.weight for one in targets]
        used = {one.backend for one in route.targets if one.weight} | set(
            route.fallback.chain if route.fallback else ()
        )
        assert set(after.route.left_out) == used - good
        if found.chooser is not None and (pool := found.chooser.pools.get(route.name)):
            assert {one.name for one in pool.backends} <= good


@pytest.mark.slow
@given(policies(), RANK, TIMES, st.lists(st.floats(0, 25), min_size=1))
def test_it_is_the_same_as_long_as_it_says(
    policy: CompiledPolicy, rank: int, now_s: float, others: list[float]
) -> None:
    """So routers make it anew only when an approval begins or ends."""
    found = narrowed(policy, rank, now_s)
    assert found.from_s <= now_s < found.until_s
    for other in others:
        if found.from_s <= other < found.until_s:
            again = narrowed(policy, rank, other).policy
            assert [one.orders for one in again.routes] == [
                one.orders for one in found.policy.routes
            ]


@pytest.mark.slow
@given(policies(), RANK, RANK, TIMES)
def test_a_stricter_class_lets_nobody_in(
    policy: CompiledPolicy, one: int, other: int, now_s: float
) -> None:
    """Whoever takes the stricter takes the other as well."""
    less, more = sorted((one, other))
    loose, strict = (narrowed(policy, rank, now_s).policy for rank in (less, more))
    for before, after in zip(loose.routes, strict.routes, strict=True):
        wide = {one.name for order in before.orders for one in order}
        assert {one.name for order in after.orders for one in order} <= wide


GOVERNANCE = CompiledGovernance(rank=1, detected=3, patterns=())


@given(RANK, st.one_of(st.none(), st.sampled_from(CLASSES)), st.sampled_from(["", *CLASSES]))
def test_of_all_that_is_said_the_strictest_counts(
    key: int, header: str | None, metadata: str
) -> None:
    """In any spelling; without governance the body's metadata is nobody's business."""
    said = {"data_class": metadata.upper()} if metadata else {}
    every = [key, rank_of(header or "Public") or 0]
    told = {"key": key, "header": header, "metadata": said, "texts": list}
    assert told_rank(None, **told) == max(every)  # type: ignore[arg-type]
    every += [1, RANKS.get(metadata, 0)]
    assert told_rank(GOVERNANCE, **told) == max(every)  # type: ignore[arg-type]


@given(st.text(max_size=20))
def test_what_is_no_class_is_never_taken_for_one(written: str) -> None:
    """Four words, in any case and with blanks around them; all else is refused."""
    known = written.strip().lower() in {one.lower() for one in CLASSES}
    if known:
        assert rank_of(written) is not None
        return
    with pytest.raises(NoClass):
        told_rank(None, key=3, header=written, metadata={}, texts=list)
