"""Recorded requests by two revisions: what is counted, what is not guessed, what fails."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pointsman.api.table import TableError
from pointsman.ledger.recent import Recorded
from pointsman.operator.plan.rollout.guarding import Verdict
from pointsman.operator.plan.rollout.replaying import ReplayPlan
from pointsman.operator.plan.rollout.rerouting import dice, replay
from tests.operator.rollout.replays import (
    CODE,
    LEGAL,
    backend,
    blob,
    chats,
    job,
    recorded,
    replayed,
    rule,
)

A = blob("desk-1", rule("default", "a"))


def counts(found: Sequence[Any]) -> dict[str, tuple[int, int]]:
    return {one.name: (one.before, one.after) for one in found}


def test_a_candidate_that_doubles_the_cost_fails() -> None:
    """By how much is said."""
    found = replayed(A, blob("desk-2", rule("default", "b")), chats())
    assert found.verdict is Verdict.FAIL
    assert (found.cost_percent, found.moved_percent) == (100.0, 100.0)
    assert "cost +100.0 % [+100.0, +100.0], 25 % more are allowed" in found.message
    assert counts(found.backends) == {"a": (400, 0), "b": (0, 400)}
    assert counts(found.rules) == {"default": (400, 400)}


def test_one_that_costs_as_much_passes() -> None:
    """Also where all goes elsewhere, unless that is bounded."""
    candidate = blob("desk-2", rule("default", "c"))
    assert replayed(A, candidate, chats()).verdict is Verdict.PASS
    found = replayed(A, candidate, chats(), moved_percent=50.0)
    assert found.verdict is Verdict.FAIL
    assert "100.0 % go elsewhere, 50 % are allowed" in found.message


def test_weights_are_replayed_by_the_same_dice() -> None:
    """A tenth moves; a candidate with the same weights moves nobody."""
    tenth = rule("default", {"a": 9, "c": 1})
    found = replayed(A, blob("desk-2", tenth), chats(2000))
    assert found.moved_percent == pytest.approx(10, abs=3)
    same = replayed(blob("desk-1", tenth), blob("desk-2", tenth), chats(2000))
    assert same.moved_percent == 0
    assert same.cost_percent == 0
    assert 0 <= dice("") < 1


def test_a_request_that_nobody_can_take_fails() -> None:
    """For its length, with the answer that it had, or for what it needs."""
    small = {"b": backend("b", context_window=120)}
    candidate = blob("desk-2", rule("default", "b"), **small)
    found = replayed(A, candidate, [*chats(200), recorded(500, output_tokens=1)], cost_percent=None)
    assert found.verdict is Verdict.FAIL
    assert found.unroutable == 200
    assert "200 find no backend that can take them, 200 of them for a context" in found.message

    able = {name: backend(name, capabilities=("Tools",)) for name in "a"}
    stable, lacks = blob("desk-1", rule("default", "a"), **able), blob("desk-2", rule("x", "c"))
    found = replayed(stable, lacks, [*chats(200), *chats(1, tools=True)])
    assert (found.verdict, found.unroutable) == (Verdict.FAIL, 1)
    allowed = replayed(stable, lacks, [*chats(200), *chats(1, tools=True)], unroutable_percent=1.0)
    assert allowed.verdict is Verdict.PASS


def test_what_neither_can_take_is_not_the_candidates_fault() -> None:
    """It had no backend before."""
    found = replayed(A, blob("desk-2", rule("default", "c")), chats(200, tools=True))
    assert found.unroutable == 0


def test_too_much_that_is_unknown_is_inconclusive() -> None:
    """A new rule on headers: nobody knows what they were."""
    candidate = blob("desk-2", rule("legal", "c", LEGAL), rule("default", "a"))
    found = replayed(A, candidate, chats())
    assert (found.verdict, found.unknown) == (Verdict.INCONCLUSIVE, 400)
    assert "100.0 % are unknown (headers: 400), 20 % are allowed" in found.message


def test_a_rule_on_headers_that_was_there_is_known() -> None:
    """The recorded rule says whether it held."""
    stable = blob("desk-1", rule("legal", "c", LEGAL), rule("default", "a"))
    candidate = blob("desk-2", rule("legal", "c", LEGAL), rule("code", "c", CODE),
                     rule("default", "a"))  # fmt: skip
    requests = [*chats(200), *chats(200, rule="legal"), *chats(200, task="Coding")]
    found = replayed(stable, candidate, requests)
    assert (found.verdict, found.unknown) == (Verdict.PASS, 0)
    assert counts(found.backends) == {"a": (400, 200), "c": (200, 400)}
    assert counts(found.rules) == {"code": (0, 200), "default": (400, 200), "legal": (200, 200)}
    older = [structs.replace(one, revision="desk-0") for one in requests]
    assert replayed(stable, candidate, older).unknown == 600


def test_too_few_requests_are_inconclusive() -> None:
    """None at all says so; but what nobody can take fails with a single one."""
    candidate = blob("desk-2", rule("default", "b"))
    found = replayed(A, candidate, [])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no request of this policy" in found.message
    found = replayed(A, candidate, chats(99))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "99 can be routed again, 100 are needed" in found.message
    found = replayed(A, blob("desk-2", rule("default", "d"), d=backend("d", context_window=10)),
                     chats(1))  # fmt: skip
    assert found.verdict is Verdict.FAIL


def test_costs_that_are_not_known_are_inconclusive() -> None:
    """No price, or no tokens; not looked at where the plan says so."""
    candidate = blob("desk-2", rule("default", "d"))
    found = replayed(A, candidate, chats())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the cost of 0 of 400 is known: no price of d" in found.message
    assert replayed(A, candidate, chats(), cost_percent=None).verdict is Verdict.PASS
    found = replayed(A, blob("desk-2", rule("default", "c")),
                     chats(input_tokens=0, output_tokens=0))  # fmt: skip
    assert "the tokens of the others were not recorded" in found.message


def test_a_cost_at_the_limit_is_no_proof() -> None:
    """Some requests cost twice as much; whether it is over 25 % on the whole hangs on which."""
    candidate = blob("desk-2", rule("default", {"a": 73, "b": 27}))
    found = replayed(A, candidate, chats(200))
    assert found.verdict is not Verdict.FAIL


def test_only_so_many_are_replayed() -> None:
    """As the plan says."""
    assert replayed(A, A, chats(400), requests=150).requests == 150


def test_nonsense_is_an_error() -> None:
    """A blob that no router takes."""
    with pytest.raises(TableError):
        replay(job(A, b"{}", chats(1)))


_ROUTES = st.lists(st.tuples(st.sampled_from([CODE, LEGAL]), st.sampled_from("abcd")), max_size=3)


@given(
    routes=_ROUTES,
    share=st.integers(1, 9),
    tasks=st.lists(st.sampled_from(["Chat", "Coding", "", "Poetry"]), max_size=60),
    revisions=st.sampled_from(["desk-1", "desk-0"]),
)
def test_a_revision_against_itself_changes_nothing(
    routes: list[tuple[Any, str]], share: int, tasks: list[str], revisions: str
) -> None:
    """Whatever it looks at: nothing moves, nothing is lost, nothing costs more; counts add up."""
    rules = [rule(f"r{number}", to, match) for number, (match, to) in enumerate(routes)]
    every = (*rules, rule("default", {"a": share, "b": 10 - share}))
    requests: list[Recorded] = [
        recorded(number, task=task, revision=revisions) for number, task in enumerate(tasks)
    ]
    stable, candidate = blob("desk-1", *every), blob("desk-2", *every)
    found = replayed(stable, candidate, requests, min_requests=1)
    assert (found.moved_percent, found.unroutable) == (0, 0)
    assert found.cost_percent in {None, 0}
    assert found.verdict is not Verdict.FAIL
    assert all(one.before == one.after for one in (*found.backends, *found.rules))
    assert sum(one.after for one in found.backends) == len(tasks) - found.unknown
    assert found == replay(job(stable, candidate, requests, ReplayPlan(min_requests=1)))
    assert re.match(r"[\d,]+ requests", found.message)
