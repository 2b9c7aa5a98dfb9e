"""What a replay leads to, and that the process that does it can hold nobody up."""

import sys
from pathlib import Path

import msgspec
import pytest

from pointsman.events.ship import Target
from pointsman.operator.cluster.replaying import read_recent, replay
from pointsman.operator.controllers.replaying import (
    GIVES_UP_S,
    NO_LEDGER,
    NO_STABLE,
    Key,
    Replayer,
    Wanted,
)
from pointsman.operator.errors import Waiting
from pointsman.operator.plan.rollout.guarding import Verdict
from pointsman.operator.plan.rollout.record import Record, dump_rollouts, load_rollouts
from pointsman.operator.plan.rollout.replaying import (
    DEADLINE_S,
    Counts,
    Replayed,
    ReplayPlan,
    gate,
    judged,
    no_result,
)
from pointsman.operator.plan.rollout.rerouting import Job
from pointsman.operator.plan.rollout.rerouting import replay as replay_here
from pointsman.operator.plan.rollout.state import Phase, begin
from tests.ledger.events import DAY_MS, NOW_MS, batch, request
from tests.ledger.test_service import ledger
from tests.operator.rollout.replays import blob, chats, job, rule

A, B = (blob(f"desk-{number}", rule("default", to)) for number, to in ((1, "a"), (2, "b")))
KEY = Key("desk-1", "desk-2", 100.0)
PLAN = ReplayPlan()


def result(verdict: Verdict) -> Replayed:
    return Replayed(verdict=verdict, message="so")


@pytest.mark.parametrize(
    ("verdict", "needed", "reason", "aborts"),
    [
        (Verdict.PASS, True, "ReplayPassed", False),
        (Verdict.FAIL, False, "ReplayFailed", True),
        (Verdict.INCONCLUSIVE, False, "ReplayInconclusive", False),
        (Verdict.INCONCLUSIVE, True, "ReplayInconclusive", True),
        (Verdict.ERROR, False, "ReplayInconclusive", False),
        (Verdict.ERROR, True, "ReplayInconclusive", True),
    ],
)
def test_each_verdict_leads_somewhere(
    verdict: Verdict, needed: bool, reason: str, aborts: bool
) -> None:
    """Only what failed, and what the spec does not go on without, ends a rollout."""
    found = gate(result(verdict), ReplayPlan(needed=needed), waited_s=1, now_s=1)
    assert (found.reason, found.aborts) == (reason, aborts)


def test_it_waits_for_a_result_and_not_for_ever() -> None:
    """The time is of the rollout, whoever restarts."""
    assert gate(None, PLAN, waited_s=DEADLINE_S - 1, now_s=9).replayed is None
    found = gate(None, PLAN, waited_s=DEADLINE_S, now_s=9)
    assert found.replayed == no_result("no result in 300 s", 9)


def test_a_result_is_stored_with_the_rollout() -> None:
    """As it was."""
    kept = replay_here(job(A, B, chats()))
    rollout = msgspec.structs.replace(begin("desk-1", "desk-2", now_s=1.5), replayed=kept)
    record = Record(uid="u", rollout=rollout)
    assert load_rollouts(dump_rollouts({"desk": record})) == {"desk": record}
    assert rollout.phase is Phase.PROGRESSING


def test_a_candidate_that_costs_where_nothing_did_fails() -> None:
    """There is no percent of nothing."""
    counts = Counts(requests=200)
    for _ in range(200):
        counts.cost.add(0, 5)
    found = judged(counts, PLAN, at_s=0)
    assert (found.verdict, found.cost_percent) == (Verdict.FAIL, None)
    counts = Counts(requests=200)
    for _ in range(200):
        counts.cost.add(0, 0)
    assert judged(counts, PLAN, at_s=0).verdict is Verdict.PASS


@pytest.mark.slow
async def test_the_process_replays_as_the_function_does() -> None:
    """Equal jobs have equal results."""
    asked = job(A, B, chats())
    assert await replay(asked) == replay_here(asked)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no such thing')", "ended with 1: ValueError: no such thing"),
        ("print('hello')", "answer is none"),
        ("while True: pass", "took longer than 0 s"),
    ],
)
async def test_a_process_that_fails_is_ended(code: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(Waiting, match=why):
        await replay(job(A, B, []), replayer=[sys.executable, "-S", "-c", code],
                     deadline_s=0.3 if "while" in code else 30)  # fmt: skip


@pytest.mark.slow
async def test_the_largest_job_fits_its_bounds() -> None:
    """10,000 requests with the longest names: within the memory and the time of the process."""
    name = "x" * 253
    fields = {
        "rule": name, "caller": name, "team": name, "language": name, "candidates": (name,) * 20,
    }  # fmt: skip
    requests = [*chats(10_000, **fields)]
    found = await replay(job(A, B, requests, ReplayPlan(requests=10_000)))
    assert (found.requests, found.verdict) == (10_000, Verdict.FAIL)


@pytest.mark.slow
@pytest.mark.parametrize("recent", [b"{}", b"[", b'{"requests": [{"decision": 1}]}'])
async def test_a_ledger_that_answers_nonsense_is_no_crash(recent: bytes) -> None:
    """It is told."""
    asked = msgspec.structs.replace(job(A, B, []), recent=msgspec.Raw(recent))
    with pytest.raises(Waiting, match="the replay ended with 1"):
        await replay(asked)


class Worker:
    """Results, or why there are none."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.now_s = 0.0
        self.asked = 0
        self.due = 0
        self.replayer = Replayer(
            self.ask, self.run, self.on_result, clock=lambda: self.now_s,
            monotonic=lambda: self.now_s, again_s=0.001,
        )  # fmt: skip

    async def ask(self, policy: str, window_s: float, requests: int) -> msgspec.Raw:
        assert (policy, window_s, requests) == ("desk", PLAN.window_s, PLAN.requests)
        self.asked += 1
        if self.away:
            raise Waiting("the ledger is away")
        return msgspec.Raw(b'{"requests":[]}')

    async def run(self, job: Job) -> Replayed:
        return replay_here(job)

    def on_result(self) -> None:
        self.due += 1


async def test_one_result_for_each_rollout() -> None:
    """Asked for once; forgotten when nobody waits for it any more."""
    worker = Worker()
    wanted = Wanted(KEY, (A, B), PLAN)
    worker.replayer.follow({"desk": wanted})
    for _ in range(3):
        await worker.replayer.replay("desk")
    assert (worker.asked, worker.due) == (1, 1)
    found = worker.replayer.result("desk", KEY)
    assert found is not None
    assert found.verdict is Verdict.INCONCLUSIVE
    assert worker.replayer.result("desk", KEY._replace(began_s=101.0)) is None
    worker.replayer.follow({})
    await worker.replayer.replay("desk")
    assert worker.replayer.result("desk", KEY) is None


async def test_a_ledger_that_is_away_is_asked_again_for_a_while() -> None:
    """And one that comes back in time is not too late."""
    worker = Worker(away=True)
    worker.replayer.follow({"desk": Wanted(KEY, (A, B), PLAN)})
    await worker.replayer.replay("desk")
    worker.now_s = GIVES_UP_S - 1
    await worker.replayer.replay("desk")
    assert worker.replayer.result("desk", KEY) is None
    worker.now_s = GIVES_UP_S
    await worker.replayer.replay("desk")
    assert worker.replayer.result("desk", KEY) == no_result("the ledger is away", GIVES_UP_S)
    later = KEY._replace(began_s=200.0)
    worker.replayer.follow({"desk": Wanted(later, (A, B), PLAN)})
    await worker.replayer.replay("desk")
    assert worker.replayer.result("desk", later) is None, "its time begins anew"


async def test_without_a_ledger_or_a_stable_revision_there_is_nothing_to_replay() -> None:
    """Said at once."""
    worker = Worker()
    bare = Replayer(None, worker.run, worker.on_result, clock=lambda: 5.0)
    bare.follow({"desk": Wanted(KEY, (A, B), PLAN)})
    await bare.replay("desk")
    assert bare.result("desk", KEY) == no_result(NO_LEDGER, 5.0)
    worker.replayer.follow({"desk": Wanted(KEY, None, PLAN)})
    await worker.replayer.replay("desk")
    assert worker.replayer.result("desk", KEY) == no_result(NO_STABLE, 0.0, Verdict.INCONCLUSIVE)


async def ask(url: str) -> Replayed:
    """The last week of the ledger there, in a process."""
    recent = await read_recent(Target(url=url), "support", 10 * 365 * DAY_MS / 1000, 500)
    return await replay(Job(stable=A, candidate=B, recent=recent, plan=PLAN, now_s=NOW_MS / 1000))


@pytest.mark.slow
async def test_a_real_ledger_and_a_real_process(tmp_path: Path) -> None:
    """What was ingested is replayed; a ledger that is gone, or knows no such question, is told."""
    async with ledger(tmp_path) as client:
        events = [
            request(number, rule="default", revision="desk-1", task="Chat") for number in range(300)
        ]
        client.store.ingest([batch(events)], NOW_MS)
        url = f"http://127.0.0.1:{client.port}"
        found = await ask(url)
        assert (found.requests, found.verdict) == (300, Verdict.FAIL)
        assert found.cost_percent == 100.0
        with pytest.raises(Waiting, match="the ledger answers 400"):
            await read_recent(Target(url=url), "", 60.0, 500)
    with pytest.raises(Waiting, match="the ledger cannot be asked"):
        await ask(url)
