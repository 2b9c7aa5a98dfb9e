"""What routers told of both arms, added up for one step: nothing twice, whatever restarts."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pointsman.api.counted import ArmCounts, Arms
from pointsman.operator.plan.rollout import begin
from pointsman.operator.plan.rollout.counting import Tally, key_of

ROLLOUT = begin("desk-1", "desk-2", now_s=0.0)


def arms(requests: int, errors: int = 0, *, since_ms: int = 1, candidate: str = "desk-2") -> Arms:
    """As many in both."""
    counts = ArmCounts(
        requests=requests,
        errors=errors,
        refused=3 * errors,
        durations=(requests, 0),
        priced=requests,
        cost=2.0 * requests,
        cost_squares=4.0 * requests,
    )
    return Arms(
        stable="desk-1", candidate=candidate, since_ms=since_ms,
        of_stable=counts, of_candidate=counts,
    )  # fmt: skip


def test_a_step_begins_where_the_routers_are() -> None:
    """What they did in the step before is none of it."""
    tally = Tally(key_of(ROLLOUT))
    assert tally.look({"r1": arms(100, 7)}).candidate.requests == 0
    found = tally.look({"r1": arms(130, 9)})

    assert (found.candidate.requests, found.candidate.errors) == (30, 2)
    assert found.candidate.refused == 6
    assert found.control == found.candidate
    assert found.candidate.durations == (30, 0)
    assert (found.candidate.cost.n, found.candidate.cost.total) == (30, 60.0)


def test_a_router_that_began_anew_counts_from_nothing() -> None:
    """What it had told before is kept."""
    tally = Tally(key_of(ROLLOUT))
    tally.look({"r1": arms(0)})
    tally.look({"r1": arms(50)})

    assert tally.look({"r1": arms(3, since_ms=2)}).candidate.requests == 53
    assert tally.look({"r1": arms(60, since_ms=2)}).candidate.requests == 110


def test_routers_come_and_go() -> None:
    """One that is gone had its requests all the same; what a new one tells first is its begin."""
    tally = Tally(key_of(ROLLOUT))
    tally.look({"r1": arms(0)})
    assert tally.look({"r1": arms(40), "r2": arms(5)}).candidate.requests == 40
    assert tally.look({"r2": arms(15)}).candidate.requests == 50
    assert tally.look({}).candidate.requests == 50


def test_another_candidate_is_another_matter() -> None:
    """A router that has not switched yet tells of the one before."""
    tally = Tally(key_of(ROLLOUT))
    tally.look({"r1": arms(10, candidate="desk-0")})

    assert tally.look({"r1": arms(90, candidate="desk-0")}).candidate.requests == 0


@dataclass
class Fleet:
    """Routers by name: since when they count, and how many."""

    routers: dict[str, tuple[int, int]] = field(default_factory=dict)
    served: int = 0

    def do(self, what: str, name: str) -> None:
        """One thing that happens to a router; to one that is not there only `come` does."""
        if what == "come":
            self.routers.setdefault(name, (1, 0))
        elif name in self.routers:
            since_ms, requests = self.routers[name]
            serves = what == "serve"
            self.routers[name] = (since_ms, requests + 1) if serves else (since_ms + 1, 0)
            self.served += serves


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["come", "serve", "serve", "restart", "look"]), st.sampled_from("ab")
    ),
    max_size=60,
)


@given(events=EVENTS)
def test_no_request_counts_twice(events: list[tuple[str, str]]) -> None:
    """Never more than were served, and never less than before."""
    tally, fleet, before = Tally(key_of(ROLLOUT)), Fleet(), 0
    for what, name in [*events, ("look", "a")]:
        if what != "look":
            fleet.do(what, name)
            continue
        told = {
            key: arms(requests, since_ms=since_ms)
            for key, (since_ms, requests) in fleet.routers.items()
        }
        found = tally.look(told).candidate.requests
        assert before <= found <= fleet.served
        before = found
