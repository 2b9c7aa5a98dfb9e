"""What is made of the pairs that routers tell: scores, a judge's verdicts, and what they cost."""

import asyncio
import logging
from typing import Any

import pytest
from msgspec import structs
from prometheus_client import generate_latest

from pointsman.api.pairs import Pairs
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator import metrics
from pointsman.operator.controllers.pinning import Pins
from pointsman.operator.controllers.shadowing import Seen, Shadower
from pointsman.operator.plan.blobs import Backends
from pointsman.operator.plan.objects import parsed
from pointsman.operator.plan.rollout.shadowing import Judge, Shadow, Shadowed
from pointsman.operator.plan.rollout.state import begin
from tests.operator.objects import backend
from tests.operator.rollout.unseen import QUESTION, Unseen, failed, pair, prefers, says
from tests.router.serve.world import until

ROLLOUT = begin("r1", "r2", now_s=5.0, shadow=True)
SHADOW = Shadow(percent=20, min_pairs=100, deadline_s=600.0, max_spend_nano=10**9, currency="USD")
JUDGED = structs.replace(SHADOW, judge=Judge(backend="judge"))
TOLD = Pairs(stable="r1", candidate="r2", since_ms=1, began_ms=5000)
PRICED = {"inputPerMillion": "1", "outputPerMillion": "10"}


class Desk:
    """One policy in its shadow, one router."""

    def __init__(self, shadow: Shadow = SHADOW, **judge: Any) -> None:
        self.routers = Unseen()
        self.pinned: list[list[str]] = []
        self.shadower = Shadower(self.routers, self, clock=lambda: 1_800_000_000.0)
        self.backends: Backends = {"judge": parsed(ModelBackend, backend("judge", **judge))}
        self.follow(shadow)

    def ask(self, part: str, backends: Any) -> None:
        assert part == "shadow"
        self.pinned.append(list(backends))

    def follow(self, shadow: Shadow) -> None:
        self.shadower.follow({"desk": (ROLLOUT, shadow)}, self.backends)

    async def hear(self, told: Pairs, router: str = "r1") -> Seen:
        self.routers.tell("desk", told, router)
        await self.shadower.look()
        return self.seen

    @property
    def seen(self) -> Seen:
        return self.shadower.seen("desk", ROLLOUT)


async def test_pairs_and_equal_choices_are_scored_by_task() -> None:
    """What was the same choice differs by nothing; an error is a point less."""
    desk = Desk()
    pairs = (failed(), pair(), failed(task=""), pair(task="Coding"))
    told = structs.replace(TOLD, pairs=pairs, equal={"Chat": 3, "": 1}, spent_nano=40)
    seen = await desk.hear(told)

    assert {task: (m.n, m.total) for task, m in seen.pairs.items()} == {
        "Chat": (5, -1.0), "Undecided": (2, -1.0), "Coding": (1, 0.0),
    }  # fmt: skip
    assert (seen.shadowed.pairs, seen.shadowed.equal) == (8, 4)
    assert (seen.shadowed.spent_nano, seen.shadowed.spent) == (40, "0.00 USD")
    assert await desk.hear(structs.replace(told, pairs=())) == seen, "sums are no news"


async def test_a_router_that_began_anew_or_is_gone_has_told_what_it_has() -> None:
    """Sums of several are added; another rollout's are not."""
    desk = Desk()
    await desk.hear(structs.replace(TOLD, equal={"Chat": 3}, spent_nano=10))
    await desk.hear(structs.replace(TOLD, equal={"Chat": 4}, spent_nano=10), "r2")
    seen = await desk.hear(structs.replace(TOLD, since_ms=2, equal={"Chat": 1}, spent_nano=1))
    assert (seen.shadowed.equal, seen.shadowed.spent_nano) == (8, 21)
    for other in ({"candidate": "r9"}, {"began_ms": 4}, {"stable": "r0"}):
        assert await desk.hear(structs.replace(TOLD, equal={"Chat": 99}, **other)) == seen
    desk.routers.told.clear()
    await desk.shadower.look()
    assert desk.seen == seen
    assert desk.shadower.seen("desk", begin("r1", "r2", now_s=6.0)) == Seen({}, Shadowed())


async def test_a_judge_is_asked_twice_and_pinned() -> None:
    """With the places swapped: a judge that likes a place has no say."""
    desk = Desk(JUDGED)
    assert desk.pinned == [["judge"]]
    pairs = tuple(pair(control="old", candidate="new and improved") for _ in range(3))
    desk.routers.judge = prefers("improved")
    seen = await desk.hear(structs.replace(TOLD, pairs=pairs))
    assert (seen.pairs["Chat"].n, seen.pairs["Chat"].total) == (3, 3.0)
    assert [name for name, _ in desk.routers.asked] == ["judge"] * 6
    desk.routers.judge = says('{"better": "A"}')
    seen = await desk.hear(structs.replace(TOLD, pairs=pairs))
    assert (seen.pairs["Chat"].n, seen.pairs["Chat"].total) == (6, 3.0)
    asked = len(desk.routers.asked)
    await desk.hear(structs.replace(TOLD, pairs=(failed(), pair("a", "a"))))
    assert len(desk.routers.asked) == asked, "what needs no judge asks none"
    desk.shadower.follow({}, desk.backends)
    assert desk.pinned[-1] == []


@pytest.mark.parametrize("said", ["", "Both are fine.", '{"better": "D"}', "{}", "[", "\x00", None])
async def test_a_pair_that_nobody_judges_counts_for_nothing(said: str | None) -> None:
    """A judge that talks nonsense, or does not answer."""
    desk = Desk(JUDGED)
    desk.routers.judge = lambda _: said
    seen = await desk.hear(structs.replace(TOLD, pairs=(pair(), pair(), failed())))

    assert seen.shadowed.pairs == 1
    assert seen.shadowed.unjudged == 2


async def test_a_judge_has_half_of_the_money_and_no_more() -> None:
    """The most that a question may cost is set aside before; then nobody is asked any more."""
    desk = Desk(structs.replace(JUDGED, max_spend_nano=30_000_000), cost=PRICED)
    desk.routers.tokens = (200, 20)
    for _ in range(30):
        seen = await desk.hear(structs.replace(TOLD, pairs=(pair(), pair())))
    assert seen.shadowed.spent_up
    assert 0 < seen.shadowed.spent_nano <= 15_000_000
    assert seen.shadowed.spent_nano == 400_000 * len(desk.routers.asked)
    assert seen.shadowed.pairs + seen.shadowed.unjudged == 60
    asked = len(desk.routers.asked)
    await desk.hear(structs.replace(TOLD, pairs=(pair(),)))
    assert len(desk.routers.asked) == asked


async def test_a_judge_that_states_no_tokens_costs_the_most() -> None:
    """Nobody can tell what it took; one that did not answer took nothing."""
    desk = Desk(JUDGED, cost=PRICED)
    desk.routers.tokens = (None, None)
    seen = await desk.hear(structs.replace(TOLD, pairs=(pair(),)))
    assert seen.shadowed.spent_nano > 2 * 256 * 10_000
    desk.routers.judge = lambda _: None
    assert (await desk.hear(structs.replace(TOLD, pairs=(pair(),)))).shadowed.spent_nano == (
        seen.shadowed.spent_nano
    )


async def test_a_judge_that_was_asked_and_lost_costs_the_most() -> None:
    """Whoever answers too late is paid; it is not asked the second question."""
    desk = Desk(JUDGED, cost=PRICED)
    desk.routers.judge = says("")
    desk.routers.tokens = (None, None)
    seen = await desk.hear(structs.replace(TOLD, pairs=(pair(),)))
    assert (seen.shadowed.pairs, seen.shadowed.unjudged) == (0, 1)
    assert seen.shadowed.spent_nano > 256 * 10_000
    assert len(desk.routers.asked) == 1


async def test_a_slow_judge_holds_up_no_other_policy() -> None:
    """Pairs of another one are taken and judged meanwhile; its own wait for it."""
    desk = Desk(JUDGED)
    gate = asyncio.Event()
    ask = desk.routers.ask

    async def slow(backend: str, messages: list[dict[str, str]], max_tokens: int) -> Any:
        if backend == "slow":
            await gate.wait()
        return await ask(backend, messages, max_tokens)

    desk.routers.ask = slow  # type: ignore[method-assign]
    own = structs.replace(SHADOW, judge=Judge(backend="slow"))
    desk.backends = {**desk.backends, "slow": parsed(ModelBackend, backend("slow"))}
    desk.shadower.follow({"first": (ROLLOUT, own), "desk": (ROLLOUT, JUDGED)}, desk.backends)
    for name in ("first", "desk"):
        desk.routers.tell(name, structs.replace(TOLD, pairs=(pair(),)))
    looking = asyncio.create_task(desk.shadower.look())
    watch = desk.shadower._watches["desk"]
    await until(lambda: desk.seen.shadowed.pairs == 1 and not watch.busy)
    await desk.hear(structs.replace(TOLD, pairs=(pair(),)))
    assert desk.seen.shadowed.pairs == 2
    assert not looking.done()
    assert desk.shadower.seen("first", ROLLOUT).shadowed.pairs == 0
    gate.set()
    await looking
    assert desk.shadower.seen("first", ROLLOUT).shadowed.pairs == 1


async def test_a_router_that_is_gone_has_no_say_in_the_money() -> None:
    """A Deployment that was rolled; one that did not answer once is not gone."""
    desk = Desk()
    await desk.hear(structs.replace(TOLD, spent_nano=5, equal={"Chat": 2}))
    assert (await desk.hear(structs.replace(TOLD, spent_up=True), "r2")).shadowed.spent_up is False
    desk.routers.told["desk"]["r1"] = None
    await desk.shadower.look()
    assert not desk.seen.shadowed.spent_up
    gone = desk.routers.told["desk"].pop("r1")
    await desk.shadower.look()
    assert desk.seen.shadowed.spent_up
    assert (desk.seen.shadowed.spent_nano, desk.seen.shadowed.equal) == (5, 2)
    assert gone is None
    seen = await desk.hear(structs.replace(TOLD, spent_nano=6, equal={"Chat": 3}))
    assert (seen.shadowed.spent_nano, seen.shadowed.equal) == (6, 3), "it is counted once"
    assert not seen.shadowed.spent_up


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        ({"cost": {**PRICED, "currency": "EUR"}}, "the judge's prices are in EUR, not USD"),
        (None, "the judge judge is not there"),
    ],
)
async def test_a_judge_that_cannot_be_asked_is_told(judge: Any, problem: str) -> None:
    """It is not there, or its price cannot be held against the cap."""
    desk = Desk(JUDGED, **(judge or {}))
    if judge is None:
        desk.backends = {}
        desk.follow(JUDGED)
    seen = await desk.hear(structs.replace(TOLD, pairs=(pair(),)))
    assert seen.shadowed.problem == problem
    assert seen.shadowed.unjudged == 1
    assert desk.routers.asked == []


async def test_money_is_spent_up_when_no_router_has_any() -> None:
    """One that still has some goes on."""
    desk = Desk()
    assert not desk.seen.shadowed.spent_up
    assert (await desk.hear(structs.replace(TOLD, spent_up=True))).shadowed.spent_up
    assert not (await desk.hear(TOLD, "r2")).shadowed.spent_up


async def test_texts_are_kept_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in what it remembers nor in a log or a metric."""
    caplog.set_level(logging.DEBUG)
    desk = Desk(JUDGED)
    desk.routers.judge = says("What a question: " + QUESTION)
    await desk.hear(structs.replace(TOLD, pairs=(pair(), failed())))
    desk.routers.asked.clear()
    kept = repr(desk.shadower._watches) + repr(desk.seen)

    for text in (QUESTION, "The one at eight."):
        assert text not in kept
        assert text not in caplog.text
        assert text not in generate_latest(metrics.REGISTRY).decode()


async def test_pins_are_kept_until_the_shadows_are_known() -> None:
    """A new process does not take a judge away before it has read which rollouts go on."""
    changes: list[int] = []
    pins = Pins(("shadow",), lambda: changes.append(1))
    shadower = Shadower(Unseen(), pins)
    assert pins._silent == {"shadow"}
    shadower.follow({}, {})
    assert pins._silent == set()
    shadower.follow({}, {})
    assert len(changes) == 1
