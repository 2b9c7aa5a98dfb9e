"""The Lease in virtual time: at most one leader acts, and somebody always comes to lead."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pointsman.operator.plan.lease import (
    DURATION_S,
    RENEW_DEADLINE_S,
    RETRY_S,
    LeaseMemory,
    LeaseRecord,
    decide_lease,
)


@dataclass
class Candidate:
    """One process, as cluster/lease.py drives the decision."""

    name: str
    memory: LeaseMemory | None = None
    renewed_s: float = -1e9
    dead: bool = False
    epochs: list[int] = field(default_factory=list)

    def leads(self, now_s: float) -> bool:
        return bool(
            not self.dead
            and self.memory
            and self.memory.leading
            and now_s < self.renewed_s + RENEW_DEADLINE_S
        )


@dataclass
class World:
    """The stored Lease, its version checked at each write as the API server does."""

    record: LeaseRecord = field(default_factory=LeaseRecord)
    writes: int = 0

    def step(self, one: Candidate, now_s: float) -> None:
        decision, one.memory = decide_lease(self.record, one.memory, me=one.name, now_s=now_s)
        if decision.action == "Lost":
            one.dead = True
        if decision.action not in {"Take", "Renew"}:
            return
        self.writes += 1
        self.record = LeaseRecord(one.name, decision.transitions, str(self.writes))
        if decision.action == "Take":
            one.epochs.append(decision.transitions + 1)
        one.memory = LeaseMemory(self.record, now_s, leading=True)
        one.renewed_s = now_s


def test_the_first_takes_an_unheld_lease_at_once() -> None:
    """No waiting on an empty namespace; the first epoch is 1."""
    world, one = World(), Candidate("a")
    world.step(one, 0.0)

    assert one.leads(0.0)
    assert one.epochs == [1]


def test_a_standby_takes_over_after_15_s_of_silence() -> None:
    """Not before, and with a higher epoch."""
    world, one, two = World(), Candidate("a"), Candidate("b")
    world.step(one, 0.0)
    for tick in range(8):
        world.step(two, tick * RETRY_S)
    assert not two.leads(14.0)

    world.step(two, DURATION_S + 1.0)
    assert two.leads(DURATION_S + 1.0)
    assert two.epochs == [2]


def test_a_restarted_holder_leads_at_once_in_a_new_epoch() -> None:
    """Same pod, new process: nothing that the old one still sends may count."""
    world, before = World(), Candidate("a")
    world.step(before, 0.0)
    after = Candidate("a")
    world.step(after, 0.5)

    assert after.epochs == [2]


def test_a_released_lease_is_taken_without_waiting() -> None:
    """A graceful end clears the holder."""
    world, two = World(LeaseRecord("", 4, "9")), Candidate("b")
    world.step(two, 0.0)

    assert two.epochs == [6]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["step", "step", "freeze"]), st.floats(0, 6)),
    max_size=120,
)


@given(events=EVENTS)
def test_two_never_lead_at_once(events: list[tuple[str, str, float]]) -> None:
    """However processes are frozen and thawed: a leader's deadline ends before another begins."""
    world, now = World(), 0.0
    candidates = {name: Candidate(name) for name in "abc"}
    frozen_until = dict.fromkeys("abc", 0.0)
    for name, what, wait_s in events:
        now += wait_s
        if what == "freeze":
            frozen_until[name] = now + 4 * wait_s
        elif now >= frozen_until[name] and not candidates[name].dead:
            one = candidates[name]
            if one.memory and one.memory.leading and not one.leads(now):
                one.dead = True  # the renew deadline passed: the process has exited
            else:
                world.step(one, now)
        assert sum(one.leads(now) for one in candidates.values()) <= 1
    epochs = [epoch for one in candidates.values() for epoch in one.epochs]
    assert len(epochs) == len(set(epochs))
