"""The table carries backends that the operator asks itself, whether or not a policy does."""

from pointsman.api import table
from pointsman.operator.cluster import kinds
from pointsman.operator.cluster.kinds import Kind
from pointsman.operator.cluster.tables import read_blob
from pointsman.operator.controllers.pinning import JUDGES, Pins
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.errors import Stalled
from tests.operator.fake_api import FakeApi
from tests.operator.learning import idle_learner
from tests.operator.objects import backend, policy
from tests.operator.test_controllers import SETTINGS, Fleet, manifest


def controller_of(api: FakeApi, pins: Pins) -> PolicyController:
    """With one router that takes everything."""
    fleet = Fleet(api)
    shifter = Shifter(fleet, lambda _: None, lambda: None)
    return PolicyController(
        api,
        SETTINGS,
        fleet,
        shifter,
        learner=idle_learner(),
        roller=Roller(fleet, lambda: None, shifter.scene),
        pins=pins,
    )


async def pinned(api: FakeApi) -> set[str]:
    """Whom the stored table lets the operator ask."""
    found = manifest(api)
    assert found is not None
    if not found.pins:
        return set()
    blob = await read_blob(api, SETTINGS.release, found.pins)
    assert blob is not None
    assert (blob.name, blob.model_names) == (table.PINS, ())
    assert {t.backend for route in blob.routes for t in route.targets} == set(blob.backends)
    return set(blob.backends)


async def test_who_is_asked_is_carried_and_who_is_not_any_more_is_not() -> None:
    """Of two parts together; what is not there is left out, and no policy changes."""
    changes: list[int] = []
    api, pins = FakeApi(), Pins(on_change=lambda: changes.append(1))
    api.put(backend("a"), backend("b"), backend("c"), policy())
    controller = controller_of(api, pins)
    await controller.reconcile()
    assert await pinned(api) == set()
    before = manifest(api)
    assert before is not None
    pins.ask("evaluating", ["b", "gone"])
    pins.ask("shadowing", ["c"])
    pins.ask("shadowing", ["c"])
    assert len(changes) == 2
    await controller.reconcile()
    assert await pinned(api) == {"b", "c"}
    after = manifest(api)
    assert after is not None
    assert (after.serial, after.policies) == (before.serial + 1, before.policies)
    await controller.reconcile()
    assert manifest(api) == after
    pins.ask("evaluating", [])
    pins.ask("shadowing", [])
    await controller.reconcile()
    assert await pinned(api) == set()


async def test_a_new_operator_keeps_them_until_it_knows_better() -> None:
    """Or each restart would make every router forget whom it may ask."""
    api, pins = FakeApi(), Pins()
    api.put(backend("a"), backend("b"), policy())
    pins.ask("evaluating", ["b"])
    await controller_of(api, pins).reconcile()
    again = Pins(parts=["evaluating"])
    controller = controller_of(api, again)
    await controller.reconcile()
    assert await pinned(api) == {"b"}
    again.ask("evaluating", [])
    await controller.reconcile()
    assert await pinned(api) == set()


async def test_pins_that_cannot_be_stored_hold_up_no_policy() -> None:
    """The policy is in force, and the pins follow later."""
    api, pins = FakeApi(), Pins()
    api.put(backend("a"), backend("b"), policy())
    controller = controller_of(api, pins)
    await controller.reconcile()
    pins.ask("evaluating", ["b"])

    def refuse(what: str, of: Kind) -> None:
        if (what, of) == ("create", kinds.CONFIG_MAP):
            raise Stalled("403: exceeded quota")

    api.hook = refuse
    await controller.reconcile()
    assert await pinned(api) == set()
    api.hook = lambda *_: None
    await controller.reconcile()
    assert await pinned(api) == {"b"}


async def test_an_evaluation_brings_its_backend_and_its_judge() -> None:
    """The judge by its name, or by the model that it serves; no other backend."""
    api, pins = FakeApi(), Pins([JUDGES])
    evaluation = {"suiteRef": {"name": "golden"}}
    api.put(backend("a"), backend("b", evaluation=evaluation), backend("c", model="big"), policy())
    controller = controller_of(api, pins)
    pins.judged_by({})
    await controller.reconcile()
    assert await pinned(api) == {"b"}
    pins.judged_by({"golden": "big", "other": "a"})
    await controller.reconcile()
    assert await pinned(api) == {"b", "c"}
    pins.judged_by({"golden": "a"})
    await controller.reconcile()
    assert await pinned(api) == {"a", "b"}
