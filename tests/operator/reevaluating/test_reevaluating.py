"""From a model that drifts to another revision and back, with the API server in memory."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pointsman.api import table
from pointsman.operator.plan.reevaluating.record import Memory, load_memories
from tests.operator.objects import backend, policy, target
from tests.operator.reevaluating.known import status_of
from tests.operator.rollout.world import ROLLOUT, World
from tests.operator.test_controllers import MANIFEST

pytestmark = pytest.mark.usefixtures("logged")
REEVALUATE: Mapping[str, Any] = {"onDetected": "Reevaluate"}


class Drifting(World):
    """`a` answers, `b` is its fallback; both are measured."""

    def find(self, name: str, **found: Any) -> None:
        """What evaluation and detector have written."""
        governance = found.pop("governance", None)
        spec = {} if governance is None else {"governance": governance}
        self.api.put({**backend(name, **spec), "status": dict(status_of(**found))})

    async def declare(
        self,
        *,
        rollout: Mapping[str, Any] | None = None,
        tests: Sequence[Mapping[str, Any]] = (),
        governance: Mapping[str, Any] | None = None,
        **drift: Any,
    ) -> None:
        """The policy with `spec.drift`."""
        route = {"targets": [target("a")], "fallback": {"chain": [{"name": "b"}]}}
        item = policy(default=route, rollout=rollout)
        spec = {**item["spec"], "drift": {**REEVALUATE, **drift}}
        spec |= {} if governance is None else {"governance": dict(governance)}
        self.api.put({**item, "spec": {**spec, "tests": list(tests)} if tests else spec})
        await self.reconcile()

    def targets(self, *, candidate: bool = False) -> dict[str, int]:
        """Of the default route, as routers are told."""
        digest = self.entry.candidate.blob if candidate else self.entry.blob
        return {one.backend: one.weight for one in self.blob_of(digest).routes[-1].targets}

    def chain(self) -> tuple[str, ...]:
        fallback = self.blob_of(self.entry.blob).routes[-1].fallback
        return fallback.chain if fallback else ()

    def blob_of(self, digest: str) -> table.PolicyBlob:
        name = f"pointsman-table-{digest[:12]}"
        data = self.api.stored["ConfigMap", name]["binaryData"]["blob"]
        return table.decode_blob(table.unpack(b64decode(data), digest))

    @property
    def memory(self) -> Memory | None:
        data = self.api.stored["ConfigMap", MANIFEST]["binaryData"].get("learned", "")
        return load_memories(b64decode(data)).get("desk") if data else None

    def revision(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.stored["ControllerRevision", name]
        return found


@pytest.fixture
def world() -> Drifting:
    made = Drifting()
    made.find("a", score=0.86)
    made.find("b", score=0.84)
    return made


async def test_a_backend_that_got_worse_loses_its_requests(world: Drifting) -> None:
    """Without a rollout at once; the spec stays as it was written, and all of it is told."""
    await world.declare()
    declared = world.entry.revision
    assert world.says("DriftDetected")[:2] == ("False", "Steady")
    assert "learned" not in world.status
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()

    assert world.targets() == {"a": 0, "b": 1}
    assert world.chain() == ("b", "a")
    learned = world.status["learned"]
    assert learned["cause"] == "Drifted"
    assert learned["revision"] == world.entry.revision != declared
    assert learned["diff"] == [
        "default: a 100 -> 0 %, b 0 -> 100 %", "default: fallbacks b -> b, a"
    ]  # fmt: skip
    assert "a is worse in all by 16.7 points" in learned["reasons"][0]
    assert world.says("Ready")[0] == "True"
    assert world.says("DriftDetected")[:2] == ("True", "Worse")
    spec = world.api.stored["RoutingPolicy", "desk"]["spec"]
    assert spec["default"]["targets"] == [target("a")]
    about = world.revision(world.entry.revision)["metadata"]["annotations"]
    assert about["pointsman.dev/revision-parent"] == declared
    assert about["pointsman.dev/revision-cause"] == "Drifted"
    assert about["pointsman.dev/revision-diff"].startswith("default: a 100 -> 0 %")
    assert world.events()[-2:] == ["DriftDetected", "Reevaluated"]
    writes = len(world.writes)
    await world.reconcile()
    assert len(world.writes) == writes, "the same evidence changes nothing"


async def test_drift_is_told_each_time_it_begins(world: Drifting) -> None:
    """Also within one second, and once for each, however often it is looked at."""
    await world.declare()
    for state in ("Worse", "Steady", "Worse"):
        world.find("a", score=0.62, state=state)
        await world.reconcile()
        await world.reconcile()

    assert world.events().count("DriftDetected") == 2
    assert world.events().count("DriftOver") == 1


_UNKNOWN = {
    "conditions": [
        {"type": "Drifted", "status": "Unknown", "reason": "NoBaseline", "message": "too few runs"}
    ]
}


@pytest.mark.parametrize(
    "status",
    [
        {},
        _UNKNOWN,
        {"evaluation": {"suite": "golden", "run": 3, "ended": "SpendCap", "message": "5 of 120"}},
        {**_UNKNOWN, "evaluation": {"suite": "golden", "run": 1, "ended": "Unreachable"}},
        {"quality": [], "evaluation": {"suite": "no-such-suite", "message": "not found"}},
    ],
    ids=["nothing", "no baseline", "spend cap", "judge away", "unknown suite"],
)
async def test_without_a_verdict_nothing_is_promoted(
    world: Drifting, status: dict[str, Any]
) -> None:
    """A run that was cut, a suite that is not there, answers that nobody could judge."""
    await world.declare(rollout=ROLLOUT)
    declared = world.entry.revision
    world.api.put({**backend("a"), "status": status})
    await world.look(20)
    await world.reconcile()

    assert world.entry.revision == declared
    assert world.entry.candidate is None
    assert "learned" not in world.status
    assert world.says("DriftDetected")[:2] == ("False", "Steady")


async def test_a_backend_that_recovered_gets_them_back(world: Drifting) -> None:
    """The revision of the spec is in force again."""
    await world.declare()
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    world.find("a", score=0.86)
    await world.reconcile()

    assert world.entry.revision == declared
    assert world.targets() == {"a": 1}
    assert world.status["learned"]["cause"] == "Recovered"
    assert "revision" not in world.status["learned"]
    assert world.says("DriftDetected")[:2] == ("False", "Steady")


async def test_with_a_rollout_it_is_a_candidate_like_an_edit(world: Drifting) -> None:
    """20, 60, then all, beside the revision of the spec."""
    await world.declare(rollout=ROLLOUT)
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    assert (world.entry.revision, world.weight) == (declared, 20)
    assert world.targets(candidate=True) == {"a": 0, "b": 1}
    learned = world.status["candidateRevision"]
    await world.serve_and_look()
    assert world.weight == 60
    world.begin()
    await world.reconcile()
    assert world.weight == 60, "another operator goes on"
    await world.serve_and_look()

    assert (world.entry.revision, world.weight) == (learned, 0)
    assert world.says("Promoted")[0] == "True"
    assert world.status["learned"]["revision"] == learned


async def test_what_was_rolled_back_is_not_proposed_again(world: Drifting) -> None:
    """Until something else is known; the policy is Ready with its spec meanwhile."""
    await world.declare(rollout=ROLLOUT)
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    await world.serve_and_look(errors=120)
    await world.look()
    await world.reconcile()
    assert (world.entry.revision, world.weight) == (declared, 0)
    assert world.says("Ready")[0] == "True"
    assert "GuardrailFailed" in world.status["learned"]["message"]
    assert "not tried again" in world.says("DriftDetected")[2]
    world.find("a", score=0.63, state="Worse", time="2026-11-26T11:00:00Z")
    await world.look(600)
    await world.reconcile()
    assert world.weight == 0, "another run that says the same is no news"
    world.find("a", score=0.50, state="Worse", time="2026-11-26T12:00:00Z")
    await world.reconcile()

    assert world.weight == 20
    assert "LearnedRevisionRefused" in world.events()


async def test_an_edit_makes_what_was_learned_void(world: Drifting) -> None:
    """It goes through the same gate alone; then it is looked at again."""
    await world.declare()
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    item = world.api.stored["RoutingPolicy", "desk"]
    spec = {**item["spec"], "drift": {"onDetected": "Alert"}}
    world.api.put({**item, "spec": spec, "metadata": {**item["metadata"], "generation": 9}})
    await world.reconcile()

    assert world.targets() == {"a": 1}
    assert "learned" not in world.status
    assert world.memory is None
    about = world.revision(world.entry.revision)["metadata"]["annotations"]
    assert about["pointsman.dev/revision-cause"] == "Edited"
    assert 'drift.onDetected: "Reevaluate" -> "Alert"' in about["pointsman.dev/revision-diff"]
    assert world.says("DriftDetected")[:2] == ("True", "Worse")


async def test_quarantine_is_at_once_and_ends_by_itself(world: Drifting) -> None:
    """No revision and no rollout is made for it; probes still reach the backend."""
    await world.declare(rollout=ROLLOUT, onDetected="Quarantine")
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    assert (world.entry.revision, world.weight) == (declared, 0)
    assert world.targets() == {"b": 1}
    assert "a" in world.blob_of(world.entry.blob).backends
    assert world.says("DriftDetected")[:2] == ("True", "Worse")
    assert "in quarantine" in world.says("DriftDetected")[2]
    assert world.says("Ready")[0] == "True"
    world.find("a", score=0.86)
    await world.reconcile()

    assert world.targets() == {"a": 1}
    assert world.chain() == ("b",)


async def test_quarantine_empties_no_rule(world: Drifting) -> None:
    """Who is the last one stays, and that is said."""
    await world.declare(onDetected="Quarantine")
    world.find("a", score=0.62, state="Worse")
    world.find("b", score=0.62, state="Worse")
    await world.reconcile()

    assert world.targets() == {"a": 1}
    assert "stays in default: nobody else is left there" in world.says("DriftDetected")[2]


async def test_quarantine_is_of_what_is_in_force_not_of_a_typo(world: Drifting) -> None:
    """An edit that cannot be read leaves the backend out, and the condition says so still."""
    await world.declare(onDetected="Quarantine")
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    spec = world.api.stored["RoutingPolicy", "desk"]["spec"]
    await change(world, {**spec, "default": {"targets": []}})
    world.begin()
    await world.reconcile()

    assert world.says("Accepted")[:2] == ("False", "Invalid")
    assert world.targets() == {"b": 1}
    assert world.says("DriftDetected")[:2] == ("True", "Worse")
    assert "in quarantine" in world.says("DriftDetected")[2]


@pytest.mark.parametrize("drift", [None, {"onDetected": "Alert"}])
async def test_an_edit_that_its_tests_refuse_lifts_no_quarantine(
    world: Drifting, drift: Mapping[str, Any] | None
) -> None:
    """Whatever it says of drift."""
    await world.declare(onDetected="Quarantine")
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    spec = dict(world.api.stored["RoutingPolicy", "desk"]["spec"])
    del spec["drift"]
    spec |= {} if drift is None else {"drift": drift}
    test = {"name": "hello", "prompt": "hello", "expect": {"backend": "b"}}
    await change(world, {**spec, "tests": [test]})

    assert world.says("Accepted")[:2] == ("False", "TestsFailed")
    assert world.targets() == {"b": 1}
    assert world.says("DriftDetected")[:2] == ("True", "Worse")


async def test_a_candidate_lifts_quarantine_of_its_own_part_alone(world: Drifting) -> None:
    """The stable revision's goes on until the candidate is promoted."""
    await world.declare(rollout=ROLLOUT, onDetected="Quarantine")
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    spec = world.api.stored["RoutingPolicy", "desk"]["spec"]
    default = {"targets": [target("a", 3), target("b")]}
    await change(world, {**spec, "drift": {"onDetected": "Alert"}, "default": default})

    assert world.weight == 20
    assert world.targets() == {"b": 1}
    assert world.targets(candidate=True) == {"a": 3, "b": 1}
    assert "a is worse" in world.says("DriftDetected")[2]
    assert "in quarantine" in world.says("DriftDetected")[2]
    await world.serve_and_look()
    await world.serve_and_look()
    await world.reconcile()
    assert world.targets() == {"a": 3, "b": 1}


async def test_a_candidate_begins_quarantine_in_its_own_part_alone(world: Drifting) -> None:
    """The stable revision never asked for it."""
    await world.declare(rollout=ROLLOUT, onDetected="Alert")
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    spec = world.api.stored["RoutingPolicy", "desk"]["spec"]
    default = {"targets": [target("a", 3), target("b")]}
    await change(world, {**spec, "drift": {"onDetected": "Quarantine"}, "default": default})

    assert world.weight == 20
    assert world.targets() == {"a": 1}
    assert world.targets(candidate=True) == {"b": 1}
    assert "in quarantine in the candidate" in world.says("DriftDetected")[2]


async def test_a_candidate_whose_reason_is_over_is_withdrawn(world: Drifting) -> None:
    """In the middle of its rollout."""
    await world.declare(rollout=ROLLOUT)
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    assert world.weight == 20
    world.find("a", score=0.86)
    await world.reconcile()

    assert (world.entry.revision, world.weight) == (declared, 0)
    assert world.record is None
    assert world.status["learned"]["cause"] == "Recovered"
    assert world.says("Ready")[0] == "True"


async def test_what_was_promoted_goes_back_by_a_rollout(world: Drifting) -> None:
    """The spec is the candidate then; a rollback leaves what was learned in force."""
    await world.declare(rollout=ROLLOUT)
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    await world.serve_and_look()
    await world.serve_and_look()
    learned = world.entry.revision
    world.find("a", score=0.86)
    await world.reconcile()
    assert (world.entry.revision, world.weight) == (learned, 20)
    assert world.status["candidateRevision"] == declared
    await world.serve_and_look(errors=120)
    await world.look()
    await world.reconcile()
    assert (world.entry.revision, world.weight) == (learned, 0)
    assert world.status["learned"]["revision"] == learned
    assert declared in world.status["learned"]["message"]
    await world.look(600)
    assert world.weight == 0, "it is not tried again on the same evidence"
    world.find("a", score=0.97, time="2026-11-26T12:00:00Z")
    await world.reconcile()

    assert world.weight == 20


async def test_tests_refuse_what_is_learned_and_not_the_spec(world: Drifting) -> None:
    """The policy stays accepted; it says what was refused, and does not try again."""
    test = {"name": "hello", "prompt": "hello", "expect": {"backend": "a"}}
    await world.declare(tests=[test])
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()

    assert world.entry.revision == declared
    assert world.says("Accepted")[0] == world.says("TestsPassed")[0] == "True"
    assert "its tests" in world.status["learned"]["message"]
    assert "revision" not in world.status["learned"]
    assert world.events().count("LearnedRevisionRefused") == 1
    writes = len(world.writes)
    await world.reconcile()
    assert len(world.writes) == writes


async def test_an_edit_that_is_refused_leaves_what_was_learned(world: Drifting) -> None:
    """A typo takes nothing away; taken back, it is as before."""
    await world.declare()
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    learned = world.entry.revision
    item = world.api.stored["RoutingPolicy", "desk"]
    await change(world, {**item["spec"], "default": {"targets": []}})
    assert world.entry.revision == learned
    assert world.says("Accepted")[:2] == ("False", "Invalid")
    await change(world, item["spec"])

    assert world.entry.revision == learned
    assert world.targets() == {"a": 0, "b": 1}


async def change(world: Drifting, spec: Mapping[str, Any]) -> None:
    item = world.api.stored["RoutingPolicy", "desk"]
    about = {**item["metadata"], "generation": item["metadata"]["generation"] + 1}
    world.api.put({**item, "spec": spec, "metadata": about})
    await world.reconcile()


async def test_an_edit_takes_over_alone_before_it_is_looked_again(world: Drifting) -> None:
    """What somebody wrote is in force first; then the same drift moves it."""
    await world.declare()
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    item = world.api.stored["RoutingPolicy", "desk"]
    about = {**item["metadata"], "generation": 9}
    spec = {**item["spec"], "modelNames": ["auto", "other"]}
    world.api.put({**item, "spec": spec, "metadata": about})
    await world.controller.reconcile()
    assert world.targets() == {"a": 1}
    await world.reconcile()

    assert world.targets() == {"a": 0, "b": 1}
    assert world.entry.model_names == ("auto", "other")


async def test_alert_only_tells(world: Drifting) -> None:
    """And without `spec.drift` nothing is told at all."""
    await world.declare(onDetected="Alert")
    declared = world.entry.revision
    world.find("a", score=0.62, state="Worse")
    await world.reconcile()
    assert world.entry.revision == declared
    assert world.targets() == {"a": 1}
    assert world.says("DriftDetected")[:2] == ("True", "Worse")
    assert "a is worse in all by 16.7 points" in world.says("DriftDetected")[2]
    item = world.api.stored["RoutingPolicy", "desk"]
    await change(world, {key: value for key, value in item["spec"].items() if key != "drift"})

    assert "DriftDetected" not in {one["type"] for one in world.status["conditions"]}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("Better", ("True", "Better")),
        ("IdentityChanged", ("True", "IdentityChanged")),
        ("Suspected", ("False", "Suspected")),
        ("NoBaseline", ("False", "Steady")),
    ],
)
async def test_the_condition_says_what_the_backends_say(
    world: Drifting, state: str, said: tuple[str, str]
) -> None:
    """The gravest word of all of them; every status is well-formed."""
    await world.declare(onDetected="Quarantine")
    world.find("a", state=state)
    await world.reconcile()

    assert world.says("DriftDetected")[:2] == said
    assert world.targets() == {"a": 1}, "quarantine is for what is worse"


async def test_of_what_nobody_measures_nothing_is_known(world: Drifting) -> None:
    """Unknown, and nothing is changed."""
    world.api.put(backend("a"), backend("b"))
    await world.declare()

    assert world.says("DriftDetected")[:2] == ("Unknown", "NoBaseline")


async def test_quarantine_for_another_identity_if_it_is_asked_for(world: Drifting) -> None:
    """Whoever answers there now was never measured."""
    await world.declare(onDetected="Quarantine", quarantineOn=["Worse", "IdentityChanged"])
    world.find("a", state="IdentityChanged")
    await world.reconcile()

    assert world.targets() == {"b": 1}
    assert "says that it is another model: in quarantine" in world.says("DriftDetected")[2]


@pytest.mark.slow
@pytest.mark.parametrize("dies_after", range(1, 14))
async def test_however_often_it_dies_it_ends_the_same(world: Drifting, dies_after: int) -> None:
    """Killed after its k-th write, again and again: the same revision, the same memory."""
    await world.declare(rollout=ROLLOUT)
    world.find("a", score=0.62, state="Worse")
    whole = Drifting()
    whole.find("a", score=0.86)
    whole.find("b", score=0.84)
    await whole.declare(rollout=ROLLOUT)
    whole.find("a", score=0.62, state="Worse")
    await whole.reconcile()

    class Killed(Exception):
        pass

    left = dies_after

    def die(what: str, _kind: object) -> None:
        nonlocal left
        if what not in {"get", "list"}:
            left -= 1
            if left < 0:
                raise Killed

    hook = world.api.hook
    for _ in range(8):
        left, world.api.hook = dies_after, die
        try:
            await world.controller.reconcile()
        except* Killed:
            pass
        world.begin()
    world.api.hook = hook
    await world.reconcile()

    assert world.entry.revision == whole.entry.revision
    assert world.entry.candidate.revision == whole.entry.candidate.revision
    assert world.memory is not None
    assert whole.memory is not None
    assert world.memory.moves == whole.memory.moves
    assert world.status["learned"]["revision"] == whole.status["learned"]["revision"]


async def test_nobodys_requests_go_to_a_model_that_governance_leaves_out(world: Drifting) -> None:
    """However good it is; and when it is approved no longer, they come back."""
    licensed, bare = {"license": "MIT"}, {"license": "Apache-2.0"}
    world.find("a", score=0.86, governance=licensed)
    world.find("b", score=0.84, governance=bare)
    await world.declare(governance={"require": {"licenses": ["MIT"]}})
    world.find("a", score=0.62, state="Worse", governance=licensed)
    await world.reconcile()
    assert world.targets() == {"a": 1}

    world.find("b", score=0.84, governance=licensed)
    await world.reconcile()
    assert world.targets() == {"a": 0, "b": 1}

    world.find("b", score=0.84, governance=bare)
    await world.reconcile()
    assert world.targets() == {"a": 1}
