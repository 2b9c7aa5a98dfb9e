"""A policy's own tests: what they say, and that a spec that fails them is not put in force."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.analysis import analyze
from pointsman.api import table
from pointsman.api.conditions import Reason
from pointsman.api.v1alpha1 import PolicyTest, RoutingPolicy
from pointsman.api.validation import parse
from pointsman.operator.plan.policy_status import policy_status
from pointsman.operator.plan.policytests import facts_of, problems_of, run_tests
from pointsman.operator.plan.revisions import revision_name
from pointsman.router.wire.openai import read_chat
from tests.operator.objects import (
    NOW,
    accepted,
    backend,
    backends,
    blob_of,
    compiled,
    policy,
    route,
    rule,
    target,
)

CODE = "Fix this:\n```python\nprint(x)\n```"
RULES = (
    rule("code", {"task": ["Coding"]}, "b"),
    rule("gold", {"headers": [{"name": "X-Tier", "value": "gold"}]}, "c"),
    rule("hers", {"expression": "request.caller == 'her' || request.jsonMode"}, "c"),
    rule("long", {"contextTokens": {"min": 50_000}}, "c"),
)


def with_tests(*tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A policy with these tests; each is named after its place."""
    found = policy(**{"rules": RULES, **more})
    found["spec"]["tests"] = [
        {"name": f"t{number}", "prompt": "Hello!", **test} for number, test in enumerate(tests)
    ]
    return found


def problems(test: dict[str, Any], known: Any = None, **more: Any) -> list[str]:
    """What this one test says is wrong."""
    if "messages" in test:
        test = {"prompt": None, **test}
    written = with_tests(test, **more)
    blob = compiled(written | {"spec": {**written["spec"], "tests": []}}, known=known).blobs
    outcomes = run_tests(next(iter(blob.values())), parse(RoutingPolicy, written).spec.tests)
    return [problem.message for problem in problems_of(outcomes)]


@pytest.mark.parametrize(
    "test",
    [
        {"expect": {"rule": "default", "backend": "a", "task": "Chat"}},
        {"prompt": CODE, "expect": {"rule": "code", "backend": "b", "task": "Coding"}},
        {"headers": {"x-TIER": "gold"}, "expect": {"rule": "gold"}},
        {"caller": "her", "expect": {"rule": "hers"}},
        {"historyChars": 250_000, "expect": {"rule": "long"}},
        {"messages": [{"role": "user", "content": CODE}], "expect": {"rule": "code"}},
        {"messages": [{"role": "user", "content": CODE}, {"role": "assistant", "content": "No."},
                      {"role": "user", "content": "Thanks!"}], "expect": {"backend": "a"}},
    ],
)  # fmt: skip
def test_a_test_passes(test: dict[str, Any]) -> None:
    """By rule, backend and task, from a prompt, a conversation, headers, a caller, a length."""
    assert problems(test) == []


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ({"expect": {"rule": "code"}}, "rule is default, not code (task Chat is not in Coding)"),
        ({"prompt": CODE, "expect": {"rule": "gold"}}, "rule is code, not gold (it comes later)"),
        ({"expect": {"rule": "gould"}}, "not gould (there is none of this name)"),
        ({"prompt": CODE, "expect": {"task": "Chat"}}, "task is Coding, not Chat (code: fence"),
        ({"expect": {"backend": "b"}}, "backend is a, not b"),
        ({"tools": True, "expect": {"backend": "a"}},
         "backend is none, not a (a: it lacks the capability Tools)"),
        ({"caller": "his", "expect": {"rule": "hers"}}, "its expression is false"),
        ({"tools": True, "maxOutputTokens": 9, "expect": {"maxCost": "1"}},
         "no backend can take it"),
    ],
)  # fmt: skip
def test_a_test_fails_and_says_why(test: dict[str, Any], problem: str) -> None:
    """With the evidence that explain would give."""
    (found,) = problems(test)
    assert found.startswith("test t0: ")
    assert problem in found


def test_a_backend_is_expected_if_a_request_may_go_there_first() -> None:
    """One of several targets with a weight, if it can take it; never one of the chain."""
    both = {"targets": [target("a", 1), target("b", 99), target("c", 0)],
            "fallback": {"chain": [{"name": "c"}]}}  # fmt: skip
    assert problems({"expect": {"backend": "a"}}, default=both) == []
    assert problems({"expect": {"backend": "b"}}, default=both) == []
    (found,) = problems({"expect": {"backend": "c"}}, default=both)
    assert found == "test t0: backend is a or b, not c"


@pytest.mark.parametrize(
    ("most", "passes"), [("0.01", False), ("0.02", False), ("0.03", True), ("5", True)]
)
def test_a_cost_is_judged_at_the_highest_price_of_every_choice(most: str, passes: bool) -> None:
    """1,000 tokens of an answer: 0.002 now and 0.02 later at one, nothing at the other."""
    later = {"validFrom": "2031-01-01T00:00:00Z", "inputPerMillion": "1", "outputPerMillion": "20"}
    cost = {"inputPerMillion": "1", "outputPerMillion": "2", "changes": [later]}
    known = backends(backend("a", cost=cost), backend("b"), backend("c"))
    test = {"maxOutputTokens": 1000, "expect": {"maxCost": most}}
    found = problems(test, known=known, default=route("b", "a"))
    assert (found == []) is passes
    if not passes:
        assert "costs 0.0200" in found[0]
        assert "USD at a for" in found[0]
        assert found[0].endswith(f" and 1,000 tokens, more than {most}")


contents = st.sampled_from(["Hello!", CODE, "Wie geht es dir?", "", "Summarize: " + "la " * 50])
roles = st.sampled_from(["user", "assistant", "system", "developer", "tool"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fixed_dictionaries({"role": roles, "content": contents}), min_size=1))
def test_a_conversation_is_read_as_the_router_reads_it(messages: list[dict[str, str]]) -> None:
    """The same analysis of the same messages."""
    test = parse(
        PolicyTest, {"name": "one", "messages": messages[:16], "expect": {"rule": "default"}}
    )
    body = json.dumps({"model": "auto", "messages": messages[:16]}).encode()
    assert facts_of(test).analysis == analyze(read_chat(body).prompt())


GOOD = with_tests({"expect": {"backend": "a"}})
BAD = with_tests({"expect": {"backend": "a"}}, {"expect": {"backend": "c"}})


def test_a_spec_whose_tests_pass_is_accepted() -> None:
    """TestsPassed stands beside Accepted; without tests there is none."""
    verdict = compiled(GOOD).verdicts["desk"]
    assert verdict.accepted.status
    assert verdict.tests
    assert (verdict.tests.status, verdict.tests.reason) == (True, Reason.TESTS_PASSED)
    assert compiled(policy()).verdicts["desk"].tests is None


def test_a_spec_whose_tests_fail_leaves_the_last_accepted_one_in_force() -> None:
    """Accepted and TestsPassed name the test and what happened."""
    verdict = compiled(BAD, last=accepted(GOOD)).verdicts["desk"]
    assert verdict.active_revision == revision_name("desk", GOOD["spec"])
    assert (verdict.accepted.status, verdict.accepted.reason) == (False, Reason.TESTS_FAILED)
    assert "stays in force" in verdict.accepted.message
    assert verdict.tests
    assert verdict.tests.status is False
    expected = "1 of 2 tests fail: spec.tests[1]: test t1: backend is a, not c"
    assert verdict.tests.message == expected


def test_without_an_accepted_one_nothing_is_served() -> None:
    """As for any other refused spec."""
    plan = compiled(BAD)
    assert (plan.entries, plan.blobs) == ((), {})
    assert compiled(BAD, last={}).verdicts["desk"].entry is None


def test_what_is_in_force_stays_when_its_tests_begin_to_fail() -> None:
    """A backend changed under it: no traffic is taken away, but it is not Ready."""
    cheap = with_tests(
        {"maxOutputTokens": 1000, "expect": {"maxCost": "0.001"}}, default=route("a")
    )
    dear = backends(
        backend("a", cost={"inputPerMillion": "1", "outputPerMillion": "9"}),
        backend("b"),
        backend("c"),
    )
    assert compiled(cheap).verdicts["desk"].accepted.status
    verdict = compiled(cheap, known=dear, last=accepted(cheap)).verdicts["desk"]
    assert verdict.accepted.status
    assert verdict.active_revision == revision_name("desk", cheap["spec"])
    assert verdict.tests
    assert verdict.tests.status is False
    conditions = {
        c["type"]: (c["status"], c["reason"])
        for c in policy_status(verdict, (), stored={}, now=NOW)["conditions"]
    }
    assert conditions["TestsPassed"] == ("False", "TestsFailed")
    assert conditions["Ready"] == ("False", "TestsFailed")
    assert conditions["Stalled"] == ("True", "TestsFailed")


def test_a_spec_that_is_refused_anyway_says_nothing_of_its_tests() -> None:
    """A backend is missing: what its tests would say is not known."""
    verdict = compiled(GOOD, known=backends(backend("a"))).verdicts["desk"]
    assert verdict.tests
    assert (verdict.tests.status, verdict.tests.reason) == (None, Reason.NOT_ACCEPTED)


def test_the_most_tests_that_fit_are_run_in_a_moment() -> None:
    """They run in the operator's loop, once for a compiled policy: 32 tests, 32 expressions."""
    ways = [{"expression": f"request.headers.a.contains('{'a' * 99}b{n}')"} for n in range(8)]
    rules = tuple({"name": f"r{n}", "matches": ways, **route("b")} for n in range(4))
    long = [{"role": "user", "content": "word " * 790}, {"role": "system", "content": "is " * 1300}]
    test = {"messages": long * 8, "headers": {"a": "a" * 256}, "expect": {"rule": "default"}}
    written = policy(rules=rules)
    tests = [parse(PolicyTest, {"name": f"t{n}", **test}) for n in range(32)]
    blob = table.encode(blob_of(compiled(written)))
    assert problems_of(run_tests(blob, tests)) == ()  # loads what there is to load
    began = time.process_time()
    run_tests(blob, tests)
    assert time.process_time() - began < 0.15
