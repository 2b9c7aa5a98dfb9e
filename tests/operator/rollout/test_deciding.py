"""One look at a rollout; each row of its table, and what can never happen."""

from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.operator.plan.rollout import (
    Approval,
    Arm,
    Finding,
    Limits,
    Moments,
    Orders,
    Phase,
    Plan,
    Rollout,
    Scene,
    Step,
    Stretch,
    Verdict,
    advance,
    begin,
    judged,
    queued,
    together,
    weight_percent,
)
from pointsman.operator.plan.rollout.probing import Probed
from pointsman.operator.plan.rollout.record import essence

BOUNDS_S = tuple(0.1 * 1.5**n for n in range(16))
PLAN = Plan(
    steps=(
        Step(weight_percent=5, min_requests=30, min_s=10),
        Step(weight_percent=50, min_requests=300, min_s=10),
    ),
    limits=Limits(quality_points=None),
    deadline_s=600,
)
FAILED = Finding(guardrail="Golden/Chat", verdict=Verdict.FAIL, value=20.0, limit=5.0)
ASKS = Plan(steps=(Step(weight_percent=5, min_requests=30, min_s=0, approval=True),
                   Step(weight_percent=50, min_requests=300, min_s=0)))  # fmt: skip


def arm(requests: int, *, errors: int = 0, slow: int = 0, cost: float = 0.01) -> Arm:
    """Requests of about 1 s; `slow` ones took about 10."""
    durations = [0] * (len(BOUNDS_S) + 1)
    durations[6], durations[12] = requests - slow, slow
    spread = cost * 0.5
    squares = requests * (cost * cost + spread * spread)
    return Arm(requests, errors, tuple(durations), Moments(requests, requests * cost, squares))


def scene(
    candidate: Arm = Arm(),  # noqa: B008 - frozen
    control: Arm = Arm(),  # noqa: B008 - frozen
    *,
    wanted: str = "p-2",
    verified: bool = True,
    orders: Orders = Orders(),  # noqa: B008 - frozen
    pairs: dict[str, Moments] | None = None,
    probed: Probed | None = None,
) -> Scene:
    """Of the revision p-2 beside p-1."""
    return Scene(
        wanted=wanted, verified=verified, orders=orders, bounds_s=BOUNDS_S,
        counted=Stretch(candidate, control, pairs or {}), probed=probed,
    )  # fmt: skip


def looked(rollout: Rollout, seen: Scene, *, now_s: float = 0.0, plan: Plan = PLAN) -> Rollout:
    """One look."""
    return advance(rollout, plan, seen, now_s=now_s)


def second_step() -> Rollout:
    """The first step went well."""
    rollout = looked(begin("p-1", "p-2", now_s=0.0), scene(arm(40), arm(800)))
    rollout = looked(rollout, scene(arm(40), arm(800)), now_s=10.0)
    assert (rollout.step, rollout.reason) == (1, "StepTaken")
    return rollout


def test_good_steps_lead_to_promotion() -> None:
    """5 %, 50 %, all."""
    rollout = second_step()
    assert weight_percent(rollout, PLAN) == 50
    rollout = looked(rollout, scene(arm(2000), arm(2000)), now_s=20.0)
    rollout = looked(rollout, scene(arm(2000), arm(2000)), now_s=30.0)
    assert (rollout.phase, rollout.reason) == (Phase.PROMOTED, "AnalysisPassed")
    assert weight_percent(rollout, PLAN) == 100


@pytest.mark.parametrize(
    ("bad", "guardrail"),
    [
        (arm(400, errors=40), "Errors"),
        (arm(400, slow=200), "Latency"),
        (arm(400, cost=0.02), "Cost"),
    ],
    ids=["errors", "latency", "cost"],
)
def test_what_is_worse_is_taken_back(bad: Arm, guardrail: str) -> None:
    """By the guardrail that saw it; its message has the figures."""
    rollout = looked(second_step(), scene(bad, arm(400)), now_s=20.0)
    assert (rollout.phase, rollout.reason) == (Phase.ABORTED, "GuardrailFailed")
    assert rollout.message.startswith(f"{guardrail}: ")
    assert weight_percent(rollout, PLAN) == 0


def test_a_task_that_got_worse_is_found_among_others() -> None:
    """Reasoning lost 10 points, Chat nothing."""
    pairs = {"Reasoning": Moments(600, -60.0, 90.0), "Chat": Moments(600, 0.0, 30.0)}
    plan = msgspec.structs.replace(PLAN, limits=Limits())
    rollout = looked(second_step(), scene(arm(99), arm(99), pairs=pairs), plan=plan, now_s=20.0)
    assert rollout.phase is Phase.ABORTED
    assert rollout.message.startswith("Quality/Reasoning: ")


def test_without_traffic_nothing_is_promoted() -> None:
    """It waits, and then a person is asked; what comes later still counts."""
    rollout = looked(second_step(), scene(), now_s=20.0)
    assert rollout.phase is Phase.PROGRESSING
    rollout = looked(rollout, scene(), now_s=10_000.0)
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, "Inconclusive")
    assert weight_percent(rollout, PLAN) == 50
    rollout = looked(rollout, scene(arm(2000), arm(2000)), now_s=10_001.0)
    assert rollout.phase is Phase.PROMOTED


def golden(verdict: Literal["Waits", "Pass", "Fail", "Unknown"]) -> Probed:
    return Probed(verdict=verdict, message=f"golden prompts say {verdict}")


def late(seen: Scene, *, now_s: float = 700.0) -> Rollout:
    """The first step, whose time is up, as it was begun at 0 and is looked at now."""
    begun = looked(begin("p-1", "p-2", now_s=0.0), scene())
    return looked(begun, seen, now_s=now_s)


def test_golden_prompts_decide_a_step_without_traffic() -> None:
    """Step by step to the promotion; nobody asks them before the time is up."""
    seen = scene(probed=golden("Pass"))
    assert late(seen, now_s=599.0).reason == "Begun"
    rollout = late(seen)
    assert (rollout.step, rollout.phase, rollout.reason) == (1, Phase.PROGRESSING, "ProbesPassed")
    assert rollout.message.endswith("0 of 30 requests, 10 of 10 s; golden prompts say Pass")
    rollout = looked(looked(rollout, seen, now_s=701.0), seen, now_s=1400.0)
    assert (rollout.phase, rollout.reason) == (Phase.PROMOTED, "ProbesPassed")


def test_a_candidate_whose_golden_prompts_fail_is_taken_back() -> None:
    """As by a guardrail; findings stay."""
    failed = msgspec.structs.replace(golden("Fail"), findings=(FAILED,))
    rollout = late(scene(probed=failed))
    assert (rollout.phase, rollout.reason) == (Phase.ABORTED, "ProbesFailed")
    assert rollout.findings[-1] == FAILED


def test_golden_prompts_are_waited_for_as_long_as_the_step() -> None:
    """Then a person is asked; what comes later counts."""
    waits = scene(probed=golden("Waits"))
    rollout = late(waits)
    assert (rollout.phase, rollout.reason) == (Phase.PROGRESSING, "WaitingForProbes")
    assert rollout.probing_since_s == 700.0
    rollout = looked(rollout, waits, now_s=1299.0)
    assert rollout.reason == "WaitingForProbes"
    rollout = looked(rollout, waits, now_s=1300.0)
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, "Inconclusive")
    assert rollout.message.endswith("golden prompts say Waits; the time is up")
    rollout = looked(rollout, scene(probed=golden("Pass")), now_s=1400.0)
    assert (rollout.step, rollout.probing_since_s) == (1, None)


def test_golden_prompts_that_cannot_tell_pause_it() -> None:
    """With their reason, and at once."""
    rollout = late(scene(probed=golden("Unknown")))
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, "Inconclusive")
    assert rollout.message.endswith("golden prompts say Unknown")


def test_a_new_operator_goes_on_waiting_for_golden_prompts() -> None:
    """What is stored says so; it does not count the step's time anew."""
    stored = essence(late(scene(probed=golden("Waits"))))
    assert (stored.step_began_s, stored.probing_since_s) == (None, None)
    rollout = looked(stored, scene(probed=golden("Waits")), now_s=5000.0)
    assert (rollout.reason, rollout.probing_since_s) == ("WaitingForProbes", 5000.0)
    assert looked(rollout, scene(probed=golden("Pass")), now_s=5002.0).step == 1
    assert looked(rollout, scene(arm(40), arm(800)), now_s=5020.0).step == 1, "requests came"


def test_requests_that_look_worse_are_not_outvoted() -> None:
    """Too few for a verdict, and against it: a person has to say."""
    plan = msgspec.structs.replace(PLAN, steps=PLAN.steps[1:])
    begun = looked(begin("p-1", "p-2", now_s=0.0), scene(), plan=plan)
    bad = scene(arm(60, errors=6), arm(60, errors=2), probed=golden("Pass"))
    rollout = looked(begun, bad, plan=plan, now_s=700.0)
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, "Inconclusive")
    assert "requests look worse: Errors" in rollout.message
    good = scene(arm(60), arm(60), probed=golden("Pass"))
    assert looked(begun, good, plan=plan, now_s=700.0).phase is Phase.PROMOTED


def test_golden_prompts_replace_no_person() -> None:
    """A step with an approval waits for it all the same."""
    begun = looked(begin("p-1", "p-2", now_s=0.0), scene(), plan=ASKS)
    rollout = looked(begun, scene(probed=golden("Pass")), plan=ASKS, now_s=3700.0)
    assert (rollout.phase, rollout.reason) == (Phase.AWAITING_APPROVAL, "ApprovalNeeded")


def test_a_deadline_before_the_time_is_over_is_no_want_of_requests() -> None:
    """It pauses, and golden prompts are not asked."""
    plan = msgspec.structs.replace(PLAN, deadline_s=5.0)
    begun = looked(begin("p-1", "p-2", now_s=0.0), scene(arm(40), arm(800)), plan=plan)
    seen = scene(arm(40), arm(800), probed=golden("Pass"))
    rollout = looked(begun, seen, plan=plan, now_s=6.0)
    assert (rollout.phase, rollout.step) == (Phase.PAUSED, 0)
    assert looked(rollout, seen, plan=plan, now_s=10.0).step == 1


def test_a_step_begins_when_all_routers_have_it() -> None:
    """What a router that lags answers is not what the step is about."""
    rollout = begin("p-1", "p-2", now_s=0.0)
    for now_s in (0.0, 1000.0):
        rollout = looked(rollout, scene(arm(40), arm(800), verified=False), now_s=now_s)
    assert (rollout.step, rollout.step_began_s) == (0, None)
    rollout = looked(rollout, scene(arm(40), arm(800)), now_s=1001.0)
    assert (rollout.step, rollout.step_began_s) == (0, 1001.0)


def test_an_approval_is_for_one_step_of_one_revision() -> None:
    """Another revision's, and that of another step, are none."""
    waits = looked(begin("p-1", "p-2", now_s=0.0), scene(arm(40), arm(800)), plan=ASKS)
    assert waits.phase is Phase.AWAITING_APPROVAL
    for revision, step in (("p-3", 0), ("p-2", 1)):
        stale = Approval(revision=revision, step=step, approver="eve", at_s=0.0)
        orders = Orders(approvals=(stale,))
        again = looked(waits, scene(arm(40), arm(800), orders=orders), plan=ASKS)
        assert again.phase is Phase.AWAITING_APPROVAL
    given_ = Approval(revision="p-2", step=0, approver="ann", at_s=1.0)
    seen = scene(arm(40), arm(800), orders=Orders(approvals=(given_,)))
    rollout = looked(waits, seen, plan=ASKS)
    assert (rollout.step, rollout.approved_by) == (1, ("ann",))


def test_an_edit_in_the_middle_leaves_the_stable_one_stable() -> None:
    """The candidate is no step towards the next one."""
    rollout = looked(second_step(), scene(wanted="p-3"))
    assert (rollout.phase, rollout.stable, weight_percent(rollout, PLAN)) == (
        Phase.SUPERSEDED, "p-1", 0,
    )  # fmt: skip


def test_the_stable_spec_again_takes_it_back() -> None:
    """`git revert` is an abort."""
    rollout = looked(second_step(), scene(wanted="p-1"))
    assert (rollout.phase, rollout.reason) == (Phase.ABORTED, "Withdrawn")


def test_a_pause_stops_no_guardrail() -> None:
    """Who pauses to look at it does not let it go on harming."""
    paused = looked(second_step(), scene(arm(99), arm(99), orders=Orders(paused=True)))
    assert (paused.phase, weight_percent(paused, PLAN)) == (Phase.PAUSED, 50)
    seen = scene(arm(400, errors=40), arm(400), orders=Orders(paused=True))
    assert looked(paused, seen).phase is Phase.ABORTED
    assert looked(paused, scene(arm(99), arm(99))).reason == "Resumed"


def test_orders_are_for_one_revision() -> None:
    """An abort of the last candidate does not stop this one."""
    old = Orders(abort="p-0", promote="p-0")
    assert looked(second_step(), scene(orders=old)).phase is Phase.PROGRESSING
    assert looked(second_step(), scene(orders=Orders(promote="p-2"))).reason == "AnalysisSkipped"
    assert looked(second_step(), scene(orders=Orders(abort="p-2"))).reason == "AbortRequested"


@pytest.mark.parametrize(
    ("requests", "verdict"), [(130, Verdict.INCONCLUSIVE), (700, Verdict.PASS)]
)
def test_luck_with_rare_errors_is_no_pass(requests: int, verdict: Verdict) -> None:
    """Of those that fail 2.5 % one in 27 has no error in 130, and one in 50 million in 700."""
    stretch = Stretch(arm(requests), arm(2500, errors=12))
    errors = judged([stretch], Limits(), bounds_s=BOUNDS_S)[0]
    assert (errors.guardrail, errors.verdict) == ("Errors", verdict)


def test_what_is_no_number_promotes_nobody() -> None:
    """It is an error, neither good nor bad."""
    broken = Arm(2000, 0, arm(2000).durations, Moments(2000, float("inf"), float("inf")))
    found = judged([Stretch(broken, arm(2000))], Limits(), bounds_s=BOUNDS_S)
    assert {one.guardrail: one.verdict for one in found}["Cost"] is not Verdict.PASS
    assert together(found) is not Verdict.PASS


@pytest.mark.parametrize(
    ("costs", "verdict", "said"),
    [
        ((0.0, 0.01), Verdict.PASS, "its answers cost nothing"),
        ((0.0, 0.0), Verdict.PASS, "its answers cost nothing"),
        ((0.01, 0.0), Verdict.INCONCLUSIVE, "it costs something, and the control nothing"),
    ],
)
def test_who_costs_nothing_is_not_too_dear(
    costs: tuple[float, float], verdict: Verdict, said: str
) -> None:
    """A priced backend that is only the fallback of one without prices: no ratio, no promotion."""
    candidate, control = (arm(2000, cost=cost) for cost in costs)
    found = judged([Stretch(candidate, control)], Limits(), bounds_s=BOUNDS_S)
    (cost,) = (one for one in found if one.guardrail == "Cost")
    assert (cost.verdict, cost.message.partition(":")[0]) == (verdict, said)
    few = [Stretch(arm(29, cost=costs[0]), control)]
    cost = judged(few, Limits(), bounds_s=BOUNDS_S)[2]
    assert (cost.guardrail, cost.verdict) == ("Cost", Verdict.INCONCLUSIVE)
    assert cost.message == "too few requests"


ARMS = st.builds(
    lambda n, errors, slow, cost: arm(n, errors=min(errors, n), slow=min(slow, n), cost=cost),
    st.integers(0, 3000), st.integers(0, 200), st.integers(0, 200), st.floats(0.001, 0.1),
)  # fmt: skip
SCENES = st.builds(
    lambda candidate, control, wanted, verified, orders, probed: scene(
        candidate, control, wanted=wanted, verified=verified, orders=orders, probed=probed
    ),
    ARMS,
    ARMS,
    st.sampled_from(["p-2"] * 12 + ["p-1", "p-3"]),
    st.booleans(),
    st.builds(
        Orders,
        paused=st.sampled_from([False, False, False, True]),
        abort=st.sampled_from(["", "", "", "p-2", "p-9"]),
        promote=st.sampled_from(["", "", "", "p-2", "p-9"]),
    ),
    st.sampled_from([None, golden("Waits"), golden("Pass"), golden("Fail"), golden("Unknown")]),
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(st.tuples(SCENES, st.floats(0, 700)), max_size=12))
def test_whatever_is_seen_it_goes_one_step_at_a_time_and_ends_once(
    seen: list[tuple[Scene, float]],
) -> None:
    """Steps never go back or skip, an end stays, and what is stored is read again as it was."""
    rollout, now_s = begin("p-1", "p-2", now_s=0.0), 0.0
    for one, passed_s in seen:
        now_s += passed_s
        after = advance(rollout, PLAN, one, now_s=now_s)
        assert after == advance(rollout, PLAN, one, now_s=now_s)
        assert msgspec.json.decode(msgspec.json.encode(after), type=Rollout) == after
        assert after.step - rollout.step in {0, 1}
        assert (after.stable, after.candidate) == ("p-1", "p-2")
        assert not rollout.ended or after == rollout
        if after.phase is Phase.PROMOTED and after.reason == "AnalysisPassed":
            assert together(after.findings) is Verdict.PASS or rollout.ended
        if after.reason == "ProbesPassed" != rollout.reason:
            assert one.probed == golden("Pass")
            assert not any(one.verdict is Verdict.FAIL for one in after.findings)
        rollout = after


@settings(max_examples=60)
@given(st.lists(st.tuples(SCENES, st.sampled_from(["", "others"]), st.sampled_from(["", "b"]),
                          st.floats(0, 700)), max_size=12))  # fmt: skip
def test_no_weight_grows_before_its_turn_and_its_replicas(
    seen: list[tuple[Scene, str, str, float]],
) -> None:
    """A step is taken only in a look that misses nothing; waiting is no end and no step."""
    rollout, now_s = queued("p-1", "p-2", now_s=0.0), 0.0
    for one, turn, short, passed_s in seen:
        now_s += passed_s
        looked_at = msgspec.structs.replace(one, turn=turn, short=short)
        after = advance(rollout, PLAN, looked_at, now_s=now_s)
        assert after == advance(rollout, PLAN, looked_at, now_s=now_s)
        if after.phase is not Phase.PROMOTED and weight_percent(after, PLAN) > weight_percent(
            rollout, PLAN
        ):
            assert not short
            assert not (rollout.held and turn)
        assert not (after.held and after.step), "the first weight is the first step's"
        assert rollout.held or not after.held, "what has begun is not held again"
        if after.phase is Phase.WAITING:
            assert (after.reason, after.message) == ("WaitingForTurn", turn)
        rollout = after


def test_waiting_for_replicas_has_a_deadline_of_its_own() -> None:
    """However long the step before has lasted; what is ready in the end goes on."""
    rollout = looked(begin("p-1", "p-2", now_s=0.0), scene(arm(40), arm(800)))
    short = msgspec.structs.replace(scene(arm(40), arm(800)), short="b has 0 of 1")
    rollout = looked(rollout, short, now_s=5000.0)
    assert (rollout.phase, rollout.reason) == (Phase.PROGRESSING, "WaitingForCapacity")
    rollout = looked(rollout, short, now_s=5000.0 + PLAN.deadline_s)
    assert (rollout.phase, rollout.reason) == (Phase.PAUSED, "DeadlineExceeded")
    assert weight_percent(rollout, PLAN) == 5
    rollout = looked(rollout, scene(arm(40), arm(800)), now_s=6000.0)
    assert (rollout.step, rollout.reason) == (1, "StepTaken")
