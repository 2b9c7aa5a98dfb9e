"""Who is not approved gets no request, from the resources to the servers: whatever is tried."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pointsman.api.table import Endpoint, Shadow, decode_blob
from pointsman.operator.plan.table import compile_revision
from pointsman.routing import Canary, CompiledPolicy, compile_policy, compile_table
from tests.operator.objects import NAMESPACE, accepted, blob_of, policy, route, rule, target
from tests.operator.test_vetting import KNOWN, asking, everywhere, plan_of
from tests.router.serve.world import World, chat, until, world

PROMPTS = (
    "Which train leaves first?",
    "Write a Python function that sorts a list of names.",
    "Prove that the square root of two is irrational, step by step.",
    "Wie komme ich von Hamburg nach Bremen, und was kostet das?",
    "Two trains leave at 8 and at 9. How long does each take for 300 km at 120 km/h?",
)


@pytest.fixture
async def there() -> AsyncIterator[World]:
    """Servers of all four backends; nobody has approved of `b`."""
    async with world() as found:
        for name in ("a", "b", "c", "d"):
            _, port = await found.simulated(name)
            place(found, name, port)
        found.live.ready = True
        yield found


def place(there: World, name: str, *ports: int) -> None:
    ready = tuple(Endpoint(host="127.0.0.1", port=port) for port in ports)
    key = f"{NAMESPACE}/{name}-model:8000"
    there.live.replace_endpoints({**there.live.endpoints, key: ready})


def compiled(item: dict[str, Any]) -> CompiledPolicy:
    blob = blob_of(plan_of(item))
    return compile_policy(blob, blob.revision)


async def ask_everything(there: World, *models: str) -> list[int]:
    """Each prompt by each model name, over the whole range of the dice."""
    statuses = []
    for model in models:
        for number in range(20):
            there.plane.dice = lambda share=number / 20: share  # type: ignore[misc]
            messages = [{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}]
            reply = await there.ask(chat(model, messages=messages))
            assert reply.headers.get("x-pointsman-backend") != "b"
            statuses.append(reply.status)
    return statuses


async def test_weights_fallback_predictor_and_its_own_name_lead_nowhere(there: World) -> None:
    """Its servers are ready all the time, and see nothing; a rule with nobody else says 503."""
    there.live.table = compile_table([compiled(asking(everywhere()))])
    statuses = await ask_everything(there, "auto", "b")

    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > len(statuses) / 2
    assert there.live.finished.get("b", 0) == 0
    assert there.live.finished["a"] > 0


async def test_neither_when_all_others_are_down(there: World) -> None:
    """The chain has it first and last; what is left out is not a last resort."""
    desk = asking(policy(default=route("a", chain=("b", "c"))))
    there.live.table = compile_table([compiled(desk)])
    for name in ("a", "c"):
        place(there, name)
    assert set(await ask_everything(there, "auto")) == {503}
    assert there.live.finished.get("b", 0) == 0


async def test_neither_as_a_canary(there: World) -> None:
    """A candidate that would give it nine of ten requests, at any weight of the step."""
    stable = compiled(asking(policy(default=route("a"))))
    item = asking(policy(rules=(rule("de", {"language": ["de"]}, "b", chain=("d",)),),
                         default={"targets": [target("b", 9), target("c")]}))  # fmt: skip
    (revision,) = accepted(item).values()
    blob = compile_revision(revision, namespace=NAMESPACE, backends=KNOWN)
    assert blob is not None
    candidate = compile_policy(decode_blob(blob), "candidate")
    there.live.table = compile_table([stable], {"desk": Canary(candidate, 99)})

    assert set(await ask_everything(there, "auto")) == {200}
    assert there.live.finished.get("b", 0) == 0
    assert there.live.finished["c"] > 0


async def test_neither_unseen(there: World) -> None:
    """A candidate's shadow goes to those that are left, and an approval that ends ends it, too."""
    stable = compiled(asking(policy(default=route("a"))))
    item = asking(policy(default={"targets": [target("b", 9), target("c")]}))
    (revision,) = accepted(item).values()
    blob = compile_revision(revision, namespace=NAMESPACE, backends=KNOWN)
    assert blob is not None
    candidate = compile_policy(decode_blob(blob), "candidate")
    told = Shadow(percent=100, max_spend_nano=10**9)
    there.live.table = compile_table([stable], {"desk": Canary(candidate, 0, told)})

    assert set(await ask_everything(there, "auto")) == {200}
    await until(lambda: there.live.finished.get("c", 0) > 0)
    assert there.live.finished.get("b", 0) == 0
