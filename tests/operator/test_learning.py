"""What predictors learn from, when they are fitted anew, and that a fault unlearns nothing."""

import base64
import copy
from typing import Any

import pytest

from pointsman.api import table
from pointsman.api.predicting import Trait
from pointsman.api.v1alpha1.status import RoutingPolicyStatus
from pointsman.api.validation import parse
from pointsman.operator.cluster.tables import blob_name
from pointsman.operator.controllers.learning import APART, EVERY_S, NO_LEDGER, Learner
from pointsman.operator.controllers.policies import PolicyController
from pointsman.operator.controllers.rollouts import Roller
from pointsman.operator.controllers.shifting import Shifter
from pointsman.operator.plan.learning import Wish, is_due, job_of, moment_s, samples_of, traits_of
from pointsman.operator.plan.predicting import Learned, learned_of
from tests.operator.fake_api import FakeApi
from tests.operator.learning import Fits, Ledger, idle_learner, label
from tests.operator.objects import backend, policy, route
from tests.operator.test_controllers import SETTINGS, Fleet, manifest
from tests.routing.learned import weights
from tests.support.conditions import assert_well_formed

HOUR_S = 3600.0
WISH = Wish(
    models={"a": ("Qwen", "qwen"), "b": ("Kimi", "kimi")}, min_samples=3, half_life_s=16 * HOUR_S
)


def many(backend: str, count: int, quality: float = 1.0, *, first: int = 0, **fields: Any) -> Any:
    """Labels of one backend."""
    return [label(first + n, backend, quality, **fields) for n in range(count)]


def test_labels_count_from_as_many_on_as_the_policy_asks_for() -> None:
    """Of each backend in each task; those of no candidate never."""
    found = [
        *many("a", 3), *many("b", 2, first=10), *many("b", 3, first=20, task="Coding"),
        *many("z", 9, first=30),
    ]  # fmt: skip
    job = job_of(WISH, found, 0.0)
    assert samples_of(job) == {"a": 3, "b": 3}
    assert {one.task for one in job.labels if one.backend == "b"} == {"Coding"}


def test_the_same_labels_are_the_same_job_whatever_their_order_within_a_step_of_time() -> None:
    """So that an unchanged ledger writes no table."""
    found = many("a", 5)
    assert job_of(WISH, found, 10.0) == job_of(WISH, found[::-1], HOUR_S - 1)
    assert job_of(WISH, found, 10.0) != job_of(WISH, found, HOUR_S)
    assert moment_s(3.5 * HOUR_S, 16 * HOUR_S) == 3 * HOUR_S


def test_a_fit_is_due_when_something_changed() -> None:
    """A fiftieth of the labels, a step of time, or what is wished."""
    before = job_of(WISH, many("a", 100), 0.0)
    assert is_due(None, before)
    assert not is_due(before, before)
    assert not is_due(before, job_of(WISH, many("a", 102), 0.0))
    assert is_due(before, job_of(WISH, many("a", 103), 0.0))
    other = [label(0, quality=0.0), label(1, quality=0.0), *many("a", 98, first=2)]
    assert is_due(before, job_of(WISH, other, 0.0))
    assert is_due(before, job_of(WISH, many("a", 100), HOUR_S))
    assert is_due(before, job_of(Wish(models=WISH.models, min_samples=1, half_life_s=HOUR_S),
                                 many("a", 100), 0.0))  # fmt: skip
    nothing = job_of(WISH, [], 0.0)
    assert not is_due(nothing, job_of(WISH, [], HOUR_S))


def test_answers_are_as_long_as_they_were_to_two_digits() -> None:
    """Of twenty or more, and whole ones."""
    found = many("a", 25, output_tokens=1234, duration_us=5_678_901)
    found += many("b", 19, first=50, output_tokens=10)
    found += many("a", 30, first=100, source="Failure")
    assert traits_of(job_of(WISH, found, 0.0)) == {"a": Trait(output_tokens=1200, duration_ms=5700)}


class World:
    """A learner with a clock that is a number."""

    def __init__(self) -> None:
        self.ledger, self.fits, self.changes, self.now_s = Ledger(), Fits(), 0, 1_000_000.0
        self.learner = Learner(
            self.ledger.ask, self.fits.fit, self._changed, clock=lambda: self.now_s
        )

    def _changed(self) -> None:
        self.changes += 1

    async def learn(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        await self.learner.learn("p")


@pytest.fixture
def world() -> World:
    """With one policy, and five labels of its backend a."""
    found = World()
    found.learner.follow({"p": WISH})
    found.ledger.labels = many("a", 5, 0.25)
    return found


def learned(world: World) -> dict[str, float]:
    """The quality that is thought of each backend."""
    known = world.learner.learned.get("p")
    if known is None:
        return {}
    return dict(zip(known.weights.backends, known.weights.base, strict=True))


async def test_it_learns_and_says_so_once(world: World) -> None:
    """Six half-lives are asked for; the same again changes nothing."""
    await world.learn()
    assert learned(world) == {"a": 0.25}
    assert (world.changes, world.ledger.asked) == (1, [("p", 6 * 16 * HOUR_S)])
    await world.learn(after_s=10 * EVERY_S)
    assert (world.changes, len(world.fits.jobs)) == (1, 1)


async def test_fits_are_apart(world: World) -> None:
    """However much feedback there is; the first one is at once."""
    await world.learn()
    world.ledger.labels += many("a", 5, first=10)
    await world.learn(after_s=APART * EVERY_S - 1)
    assert len(world.fits.jobs) == 1
    await world.learn(after_s=1)
    assert len(world.fits.jobs) == 2
    assert learned(world) == {"a": 0.625}


async def test_a_fit_that_leads_to_the_same_is_none(world: World) -> None:
    """No table is written for it."""
    await world.learn()
    before = world.learner.learning("p")
    await world.learn(after_s=HOUR_S)
    assert len(world.fits.jobs) == 2
    assert (world.changes, world.learner.learning("p")) == (1, before)


async def test_a_ledger_or_a_fit_that_fails_unlearns_nothing(world: World) -> None:
    """Each problem is told once, and that it is over."""
    await world.learn()
    world.ledger.away = "the ledger answers 503"
    for _ in range(3):
        await world.learn()
    found = world.learner.learning("p")
    assert found is not None
    assert (found.problem, learned(world), world.changes) == (
        "the ledger answers 503", {"a": 0.25}, 2,
    )  # fmt: skip
    world.ledger.away, world.fits.fails = "", "the fit took longer than 120 s"
    world.ledger.labels += many("a", 5, first=10)
    await world.learn(after_s=HOUR_S)
    found = world.learner.learning("p")
    assert found is not None
    assert (found.problem, world.changes) == ("the fit took longer than 120 s", 3)
    world.fits.fails = ""
    await world.learn(after_s=HOUR_S)
    found = world.learner.learning("p")
    assert found is not None
    assert (found.problem, learned(world), world.changes) == ("", {"a": 0.625}, 4)


async def test_when_labels_are_too_few_what_is_published_counts_again(world: World) -> None:
    """They grew old, or the ledger is another one."""
    await world.learn()
    world.ledger.labels = []
    await world.learn(after_s=HOUR_S)
    assert learned(world) == {}


async def test_what_was_learned_before_a_restart_is_taken_over() -> None:
    """And forgotten with its policy."""
    world = World()
    before = Learned(weights({"a": 0.5}, labels=(9.0,)))
    world.learner.follow({"p": WISH}, {"p": before})
    assert world.learner.learned == {"p": before}
    world.learner.follow({})
    assert world.learner.learned == {}
    world.learner.follow({"p": WISH})
    assert world.learner.learned == {}


async def test_without_a_ledger_it_says_so() -> None:
    """And asks nobody."""
    learner = idle_learner()
    learner.follow({"p": WISH})
    await learner.run()
    found = learner.learning("p")
    assert found is not None
    assert found.problem == NO_LEDGER


def predicting(**predictor: Any) -> dict[str, Any]:
    """A policy to a, then b, with a predictor."""
    found = policy(default=route("a", chain=("b",)))
    found["spec"]["predictor"] = {"mode": "Apply", "minSamples": 3, **predictor}
    return found


@pytest.mark.usefixtures("logged")
async def test_what_is_learned_comes_into_the_table_and_stays_over_a_restart() -> None:
    """The blob is the store; a typo in the spec does not unlearn it either."""
    api, world = FakeApi(), World()
    api.put(backend("a"), backend("b"), predicting())
    fleet = Fleet(api)
    shifter = Shifter(fleet, lambda _: None, lambda: None)
    controller = PolicyController(
        api,
        SETTINGS,
        fleet,
        shifter,
        learner=world.learner,
        roller=Roller(fleet, lambda: None, shifter.scene),
    )
    await controller.reconcile()
    assert learned_of(table.decode_blob(blob_of(api, "desk"))) is None
    world.ledger.labels = [*many("a", 5, 0.25), *many("b", 5, 0.75, first=9)]
    await world.learner.learn("desk")
    await controller.reconcile()
    first = blob_of(api, "desk")
    found = learned_of(table.decode_blob(first))
    assert found is not None
    assert found.weights.base == (0.25, 0.75)
    status = api.stored["RoutingPolicy", "desk"]["status"]
    assert status["predictor"]["samples"] == 10
    assert status["predictor"]["lastFitTime"] == "1970-01-12T13:46:40Z"

    again = PolicyController(
        api,
        SETTINGS,
        fleet,
        shifter,
        learner=idle_learner(),
        roller=Roller(fleet, lambda: None, shifter.scene),
    )
    serial = _serial(api)
    await again.reconcile()
    assert blob_of(api, "desk") == first
    stored = copy.deepcopy(api.stored["RoutingPolicy", "desk"])
    stored["spec"]["default"]["targets"][0]["weight"] = -1
    api.put(stored)
    await again.reconcile()
    assert (blob_of(api, "desk"), _serial(api)) == (first, serial)
    status = api.stored["RoutingPolicy", "desk"]["status"]
    assert status["predictor"] == {
        "mode": "Apply", "samples": 10, "lastFitTime": "1970-01-12T13:46:40Z",
        "backends": [
            {"name": "a", "samples": 5, "prior": status["predictor"]["backends"][0]["prior"]},
            {"name": "b", "samples": 5, "prior": status["predictor"]["backends"][1]["prior"]},
        ],
        "message": NO_LEDGER,
    }  # fmt: skip
    parse(RoutingPolicyStatus, status)
    assert_well_formed(status, generation=1)


def blob_of(api: FakeApi, policy: str) -> bytes:
    """The compiled policy that is in force."""
    found = manifest(api)
    assert found is not None
    (entry,) = [one for one in found.policies if one.name == policy]
    item = api.stored["ConfigMap", blob_name(SETTINGS.release, entry.blob)]
    return table.unpack(base64.b64decode(item["binaryData"]["blob"]), entry.blob)


def _serial(api: FakeApi) -> int:
    found = manifest(api)
    assert found is not None
    return found.serial
