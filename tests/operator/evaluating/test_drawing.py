"""Golden prompts from the ledger: when they are drawn, what is kept of them, and what is said."""

from collections.abc import Callable
from typing import Any

import pytest

from pointsman.evaluation.suite.content import Suite
from pointsman.events.draws import Asked, Drawn, Pin, Told
from pointsman.operator.controllers.drawing import REFRESH_S, RETRY_S, Drawer
from pointsman.operator.controllers.suites import SuiteController
from pointsman.operator.errors import Waiting
from tests.operator.fake_api import FakeApi
from tests.operator.objects import NAMESPACE
from tests.operator.test_suites import PROMPT, begun, of, suite, told

HOUR_MS = 3_600_000
NOW_MS = 1_795_000_000_000
LEDGER: dict[str, Any] = {
    "policyRef": {"name": "desk"}, "minimum": 2, "sample": 4, "since": "24h",
}  # fmt: skip
JUDGE = {"model": "big"}
SECRET = "What my doctor said"


class Ledger:
    """Requests by their decisions; answers like the real one."""

    def __init__(self, *decisions: str) -> None:
        self.kept = {one: drawn(one) for one in decisions}
        self.away = ""
        self.asked: list[Asked] = []

    async def __call__(self, asked: Asked) -> Told:
        self.asked.append(asked)
        if self.away:
            raise Waiting(self.away)
        if asked.pins:
            known = [self.kept.get(pin.decision) for pin in asked.pins]
            return Told(prompts=[one for one in known if one is not None])
        return Told(prompts=list(self.kept.values())[: asked.sample], candidates=len(self.kept))


def drawn(decision: str, expires_ms: int = NOW_MS + 24 * HOUR_MS, label: Any = "Good") -> Drawn:
    pin = Pin(decision, label, "Coding")
    return Drawn(
        pin=pin, expires_ms=expires_ms, system="", user=f"{SECRET} {decision}",
        reference=f"{SECRET}, answer of {decision}",
    )  # fmt: skip


def policy(mode: str | None = "Full") -> dict[str, Any]:
    spec: dict[str, Any] = {
        "modelNames": ["desk"], "default": {"targets": [{"backendRef": {"name": "m"}}]},
    }  # fmt: skip
    if mode:
        spec["capture"] = {"mode": mode} | ({"samplePercent": 5} if mode == "Sampled" else {})
    return {
        "apiVersion": "pointsman.dev/v1alpha1", "kind": "RoutingPolicy",
        "metadata": {"name": "desk", "namespace": NAMESPACE, "generation": 1}, "spec": spec,
    }  # fmt: skip


class World:
    """An API server, a ledger, a clock, and the controller between them."""

    def __init__(self, *decisions: str, **spec: Any) -> None:
        self.now_s = NOW_MS / 1000
        self.api, self.ledger = FakeApi(), Ledger(*decisions)
        self.api.put(policy())
        self.put(**spec)
        self.restart()

    def put(self, generation: int = 1, order: str = "", **spec: Any) -> None:
        item = suite(generation=generation, ledger=LEDGER | spec, judge=JUDGE)
        if order:
            item["metadata"]["annotations"] = {"pointsman.dev/redraw": order}
        self.api.put(item)

    def restart(self) -> None:
        drawer = Drawer(
            self.api, self.ledger, clock=lambda: self.now_s, monotonic=lambda: self.now_s
        )
        self.controller = SuiteController(self.api, drawer=drawer)

    async def look(self, after_s: float = 0.0) -> dict[str, Any]:
        self.now_s += after_s
        return await told(self.api, self.controller)

    async def runs(self) -> set[str]:
        """What would be asked now."""
        task = await begun(self.controller)
        found = self.controller.found("golden")
        task.cancel()
        if not isinstance(found, Suite):
            return set()
        return {one.messages[-1]["content"].removeprefix(f"{SECRET} ") for one in
                found.prompts.values()}  # fmt: skip

    @property
    def draws(self) -> int:
        return sum(not one.pins for one in self.ledger.asked)


async def test_a_draw_is_ready_and_no_text_of_it_is_in_the_api_server() -> None:
    """The ConfigMap has ids, belongs to the suite, and says what a restart goes on with."""
    world = World("a", "b", "c")
    status = await world.look()
    assert of(status, "Ready")[:2] == ("True", "Ready")
    assert (status["prompts"], status["draw"]["drawn"], status["draw"]["left"]) == (3, 3, 3)
    assert "3 are left" in of(status, "ResolvedRefs")[2]
    assert await world.runs() == {"a", "b", "c"}
    assert SECRET not in str(world.api.stored)
    stored = world.api.stored["ConfigMap", "golden-draw"]
    assert stored["metadata"]["ownerReferences"][0]["kind"] == "EvaluationSuite"
    assert '"decision":"a"' in stored["data"]["draw.json"]


async def test_a_draw_stays_what_it_is_while_the_ledger_grows() -> None:
    """Over looks, restarts and edits that decide nothing of it; each costs at most a look."""
    world = World("a", "b", "c")
    before = await world.look()
    world.ledger.kept = {"z": drawn("z")} | world.ledger.kept
    for _ in range(5):
        assert await world.look(10) == before
    assert len(world.ledger.asked) == 1
    world.restart()
    assert await world.look(REFRESH_S) == before
    world.put(generation=2, minimum=1)
    after = await world.look()
    assert after["contentHash"] == before["contentHash"]
    assert (world.draws, await world.runs()) == (1, {"a", "b", "c"})


async def test_what_expires_or_is_deleted_drops_out_and_the_content_stays() -> None:
    """By its time at once, also while the ledger is away; deleted, at the next look."""
    world = World("a", "b", "c", "d")
    world.ledger.kept["a"] = drawn("a", NOW_MS + 5_000)
    before = await world.look()
    world.ledger.away = "no route"
    status = await world.look(10)
    assert (status["draw"]["drawn"], status["draw"]["left"], status["prompts"]) == (4, 3, 3)
    assert status["contentHash"] == before["contentHash"]
    assert "of 4 requests" in of(status, "ResolvedRefs")[2]
    world.ledger.away = ""
    del world.ledger.kept["b"]
    status = await world.look(REFRESH_S)
    assert (status["draw"]["left"], await world.runs()) == (2, {"c", "d"})
    assert status["contentHash"] == before["contentHash"]


async def test_too_few_left_are_drawn_anew() -> None:
    """With another content; and if there are too few for that, nothing is run."""
    world = World("a", "b")
    before = await world.look()
    world.ledger.kept = {one: drawn(one) for one in ("b", "x", "y")}
    after = await world.look(REFRESH_S)
    assert of(after, "Ready")[0] == "True"
    assert after["contentHash"] != before["contentHash"]
    assert await world.runs() == {"b", "x", "y"}
    world.ledger.kept = {"x": drawn("x")}
    status = await world.look(REFRESH_S)
    assert of(status, "Ready")[:2] == ("False", "TooFewPrompts")
    assert "minimum is 2" in of(status, "Ready")[2]
    assert of(status, "Reconciling")[0] == "True"
    assert await world.runs() == set()
    world.ledger.kept = {one: drawn(one) for one in ("x", "w")}
    assert of(await world.look(RETRY_S / 2), "Ready")[0] == "False"
    assert of(await world.look(RETRY_S), "Ready")[0] == "True"


async def test_it_is_drawn_anew_by_order_once_for_each_value() -> None:
    """And when its interval is over; the old one goes on where there is not enough."""
    world = World("a", "b")
    await world.look()
    world.ledger.kept |= {"c": drawn("c")}
    world.put(order="1")
    assert (await world.look())["draw"]["drawn"] == 3
    for _ in range(3):
        await world.look(REFRESH_S)
    assert world.draws == 2
    world.put(generation=2, order="1", redrawInterval="1h")
    await world.look()
    assert world.draws == 2
    world.ledger.kept |= {"d": drawn("d")}
    assert (await world.look(3_600))["draw"]["drawn"] == 4
    world.put(generation=3, order="2", minimum=4)
    world.ledger.kept["e"] = world.ledger.kept.pop("a")
    status = await world.look()
    assert of(status, "Ready")[0] == "True"


@pytest.mark.parametrize(
    ("spoil", "reason", "kind", "word"),
    [
        (lambda w: w.api.put(policy(None)), "TextsNotKept", "Stalled", "capture.mode is not set"),
        (lambda w: w.api.put(policy("Hash")), "TextsNotKept", "Stalled", "is Hash"),
        (
            lambda w: w.api.stored.pop(("RoutingPolicy", "desk")),
            "PolicyNotFound", "Reconciling", "no RoutingPolicy desk",
        ),
        (lambda w: w.ledger.kept.clear(), "TooFewPrompts", "Reconciling", "0 requests"),
        (
            lambda w: setattr(w.ledger, "away", "no route"),
            "LedgerUnreachable", "Reconciling", "no route",
        ),
        (
            lambda w: w.api.put({"kind": "ConfigMap", "metadata": {"name": "golden-draw"}}),
            "NameConflict", "Stalled", "belongs to someone else",
        ),
    ],
)  # fmt: skip
async def test_without_what_it_needs_nothing_is_run(
    spoil: Callable[[World], object], reason: str, kind: str, word: str
) -> None:
    """And the reason says what to do; never a part of the suite."""
    world = World("a", "b")
    spoil(world)
    status = await world.look()
    state, why, message = of(status, "Ready")
    assert (state, why, of(status, kind)[0]) == ("False", reason, "True")
    assert word in message
    assert "prompts" not in status
    assert await world.runs() == set()


async def test_who_stops_keeping_texts_stops_the_draw() -> None:
    """Although the ledger still has some; and back."""
    world = World("a", "b")
    before = await world.look()
    world.api.put(policy("Hash"))
    assert of(await world.look(), "Ready")[1] == "TextsNotKept"
    assert await world.runs() == set()
    world.api.put(policy("Sampled"))
    assert (await world.look())["contentHash"] == before["contentHash"]
    assert world.draws == 1


async def test_without_a_ledger_it_says_so() -> None:
    """It is a flag of the operator's; prompts of the object are not run without the others."""
    api = FakeApi()
    api.put(policy(), suite(prompts=[PROMPT], ledger=LEDGER, judge=JUDGE))
    status = await told(api)
    assert of(status, "Ready")[:2] == ("False", "NoLedger")
    assert "--ledger" in of(status, "Ready")[2]


async def test_a_silent_ledger_is_no_reason_for_another_draw() -> None:
    """A restart while it is away waits; the draw goes on as it was."""
    world = World("a", "b")
    before = await world.look()
    world.restart()
    world.ledger.away = "no route"
    assert of(await world.look(), "Ready")[1] == "LedgerUnreachable"
    asked = len(world.ledger.asked)
    await world.look(10)
    assert len(world.ledger.asked) == asked
    world.ledger.away = ""
    assert (await world.look(RETRY_S))["contentHash"] == before["contentHash"]
    assert world.draws == 1


async def test_a_draw_whose_write_failed_is_not_run() -> None:
    """It is tried again at once."""
    world = World("a", "b")

    def refuse(what: str, kind: Any) -> None:
        if (what, kind.name) == ("create", "ConfigMap"):
            raise Waiting("no answer")

    world.api.hook = refuse
    with pytest.raises(Waiting):
        await world.look()
    world.api.hook = lambda *_: None
    assert of(await world.look(), "Ready")[0] == "True"


async def test_an_edit_of_the_draw_draws_anew() -> None:
    """Of what decides which requests; the rubric makes another content of the same requests."""
    world = World("a", "b")
    first = await world.look()
    world.put(generation=2, rubric="Is it short?")
    second = await world.look()
    assert (world.draws, second["contentHash"] != first["contentHash"]) == (1, True)
    world.put(generation=3, since="48h")
    await world.look()
    assert world.draws == 2
