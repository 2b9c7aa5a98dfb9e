"""From callers' requests to a decision: a real router, simulators, a judge, the leader's part."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from pointsman.api.table import PINS, PolicyBlob, Price, Route, Target
from pointsman.api.v1alpha1 import ModelBackend
from pointsman.operator.cluster.doors import Doors
from pointsman.operator.controllers.shadowing import Shadower
from pointsman.operator.plan.objects import parsed
from pointsman.operator.plan.rollout.deciding import advance, weight_percent
from pointsman.operator.plan.rollout.guarding import Limits, Stretch
from pointsman.operator.plan.rollout.shadowing import Judge, Shadow, table_shadow
from pointsman.operator.plan.rollout.state import Phase, Plan, Rollout, Scene, Step, begin
from pointsman.router.control.admin import Admin
from pointsman.router.control.metrics import ControlMetrics
from pointsman.router.control.source import TableFeed
from pointsman.router.serve.pinned import Desk
from pointsman.routing import Canary, CompiledPolicy, compile_policy, compile_table
from tests.operator.objects import backend
from tests.operator.rollout.unseen import prefers
from tests.router.serve.world import World, chat, until, world

pytestmark = pytest.mark.slow
PLAN = Plan(
    steps=(Step(weight_percent=5),),
    limits=Limits(quality_points=3.0),
    shadow=Shadow(
        percent=100, min_pairs=120, deadline_s=600.0, max_spend_nano=10**9, currency="USD",
        judge=Judge(backend="judge"),
    ),
    quality_passes=False,
)  # fmt: skip
BATCH = 15


class Fleet:
    """One router."""

    def __init__(self, base: str) -> None:
        self.base = base

    def doors(self) -> Mapping[str, str]:
        return {"router-0": self.base}

    def headers(self) -> dict[str, str]:
        return {"x-pointsman-epoch": "1"}


class Nobody:
    """Pins are put into the table by hand."""

    def ask(self, part: str, backends: object) -> None:
        """They are there."""


def blob(there: World, name: str, revision: str, to: str) -> CompiledPolicy:
    made = PolicyBlob(
        namespace="default",
        name=name,
        revision=revision,
        model_names=("auto",) if name else (),
        routes=(Route(name="default", targets=(Target(backend=to),)),),
        backends={one: found for one, found in there.backends.items() if name or one == to},
    )
    return compile_policy(made, f"digest-{revision}")


async def place_judge(there: World) -> None:
    """Prefers what says of itself that it is right; hears no more than a judge is asked."""

    async def answer(body: bytes) -> bytes:
        asked = json.loads(body)["messages"][-1]["content"]
        said = prefers("Declared right.")(asked)
        message = {"role": "assistant", "content": said}
        usage = {"prompt_tokens": 50, "completion_tokens": 5}
        found = {"choices": [{"index": 0, "message": message}], "usage": usage}
        return json.dumps(found).encode()

    async def serve(reader: object, writer: object) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")  # type: ignore[attr-defined]
            lines = head.decode().lower().split("\r\n")
            size = next(int(line.split(":")[1]) for line in lines if "content-length" in line)
            found = await answer(await reader.readexactly(size))  # type: ignore[attr-defined]
            start = (
                f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(found)}"
            )
            writer.write(start.encode() + b"\r\n\r\n" + found)  # type: ignore[attr-defined]

    await there.scripted("judge", serve)


@asynccontextmanager
async def rolled(**candidate: object) -> AsyncIterator[tuple[World, Rollout]]:
    """A rollout in its shadow is looked at until something is decided."""
    async with world() as there:
        await there.simulator("old", quality={"Chat": 0.9})
        await there.simulator("new", **candidate)
        await place_judge(there)
        price = (Price(input_pico=1_000_000, output_pico=1_000_000),)
        there.backends["new"] = structs.replace(
            there.backends["new"], prices=price, context_window=2000
        )
        feed = TableFeed(there.live, ControlMetrics(CollectorRegistry()), namespace="default")
        port = Admin(
            feed, ControlMetrics(CollectorRegistry()), router="router-0", auth=None,
            desk=lambda: Desk(there.plane),
        )  # fmt: skip
        doors = Doors(Fleet(f"http://127.0.0.1:{await port.start('127.0.0.1', 0)}"))
        shadower = Shadower(doors, Nobody())
        try:
            yield there, await _decide(there, shadower)
        finally:
            await doors.close()
            await port.close()


async def _decide(there: World, shadower: Shadower) -> Rollout:
    assert PLAN.shadow is not None
    rollout = begin("r1", "r2", now_s=5.0, shadow=True)
    there.live.table = compile_table(
        [blob(there, "desk", "r1", "old")],
        {
            "desk": Canary(
                blob(there, "desk", "r2", "new"),
                weight_percent(rollout, PLAN),
                table_shadow(PLAN.shadow, began_s=rollout.began_s),
            )
        },
        pins=blob(there, PINS, "", "judge"),
    )
    there.live.ready = True
    backends = {"judge": parsed(ModelBackend, backend("judge"))}
    for number in range(40):
        shadower.follow({"desk": (rollout, PLAN.shadow)}, backends)
        for one in range(BATCH):
            content = f"Question {number}/{one}: which train?"
            body = {**chat(stream=one % 2 == 0), "messages": [{"role": "user", "content": content}]}
            reply = await there.ask(body)
            assert reply.status == 200
            assert reply.headers["x-pointsman-backend"] == "old"
        shadows = there.plane.arms.shadows
        await until(lambda: shadows is not None and not any(shadows.held.values()))  # noqa: B023
        await shadower.look()
        seen = shadower.seen("desk", rollout)
        now = Scene(
            wanted="r2",
            verified=True,
            counted=Stretch(pairs=seen.pairs),
            shadowed=seen.shadowed,
            bounds_s=(0.1, 1.0),
        )
        rollout = advance(rollout, PLAN, now, now_s=5.0 + number)
        if rollout.ended or not rollout.in_shadow:
            return rollout
    raise AssertionError(f"nothing is decided: {rollout}")


async def test_a_candidate_that_answers_worse_is_found_unseen() -> None:
    """Its declared quality is lower: the judge prefers the old one; no caller has met it."""
    async with rolled(quality={"Chat": 0.3}) as (there, rollout):
        assert (rollout.phase, rollout.reason) == (Phase.ABORTED, "GuardrailFailed")
        assert "Quality/" in rollout.message
        assert there.plane.arms.told()["desk"].of_candidate.requests == 0
        assert rollout.shadowed is not None
        assert rollout.shadowed.unjudged == 0
        assert rollout.shadowed.spent_nano > 0


@pytest.mark.parametrize("error_rate", [1.0, 0.9])
async def test_a_candidate_that_fails_is_found_unseen(error_rate: float) -> None:
    """Without asking a judge about what it did not answer; retries hide a part of it."""
    async with rolled(error_rate=error_rate) as (there, rollout):
        assert rollout.reason == "GuardrailFailed"
        assert rollout.shadowed is not None
        assert 30 <= rollout.shadowed.pairs < 120
        assert there.plane.arms.told()["desk"].of_candidate.requests == 0


async def test_a_candidate_that_is_as_good_begins_its_steps() -> None:
    """After as many pairs as were asked for; only then callers meet it."""
    async with rolled(quality={"Chat": 0.92}) as (there, rollout):
        assert rollout.reason == "ShadowPassed"
        assert weight_percent(rollout, PLAN) == 5
        assert rollout.shadowed is not None
        assert rollout.shadowed.pairs >= 120
        assert there.plane.arms.told()["desk"].of_candidate.requests == 0
