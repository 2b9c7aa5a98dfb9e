"""Which revision of a policy is in force, and why."""

import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.api import table
from pointsman.api.conditions import Reason
from pointsman.api.redaction import Known
from pointsman.operator.plan.objects import observed_policy
from pointsman.operator.plan.revisions import revision_name
from pointsman.operator.plan.table import compile_table, next_manifest
from tests.operator.objects import (
    NAMESPACE,
    accepted,
    backend,
    backends,
    blob_of,
    compiled,
    policy,
    route,
    rule,
)

CYCLE = policy(default=route("a", chain=("a",)))


def test_a_good_policy_is_accepted_and_compiled() -> None:
    """Routes in order, the default last, timeouts in seconds, only the backends that it uses."""
    desk = policy(
        rules=(rule("code", {"task": ["Coding"]}, "b", chain=("a",)),),
        default={**route("a"), "timeouts": {"firstToken": "1m30s"}},
    )
    plan = compiled(desk)
    blob = blob_of(plan)

    assert plan.verdicts["desk"].accepted.status
    assert [r.name for r in blob.routes] == ["code", "default"]
    assert blob.routes[1].match is None
    assert blob.routes[1].first_token_timeout_s == 90.0
    assert sorted(blob.backends) == ["a", "b"]
    assert blob.backends["a"].address == table.ServiceAddress(
        namespace=NAMESPACE, service="a-model", port=8000
    )
    assert blob.revision == revision_name("desk", desk["spec"])


def test_a_queue_is_compiled_with_what_a_server_works_on() -> None:
    """Defaults filled; without one there is none."""
    known = backends(
        backend("a", maxConcurrentRequests=32, queue={}),
        backend("b", maxConcurrentRequests=32),
    )
    blob = blob_of(compiled(policy(default=route("a", chain=("b",))), known=known))

    assert blob.backends["a"].queue == table.Activation(
        mode="Hold", timeout_s=10.0, max_held=100, at_once=32
    )
    assert blob.backends["b"].queue is None


def test_a_priority_is_compiled_to_a_rank() -> None:
    """The larger goes first; what says nothing is in the middle, as for a router of before."""
    desk = policy(
        rules=tuple(
            {**rule(name.lower(), {"task": ["Coding"]}, "a"), "priority": name}
            for name in ("High", "Low")
        ),
        default=route("a"),
    )
    assert [route.priority for route in blob_of(compiled(desk)).routes] == [1, -1, 0]


def test_prices_are_compiled_in_the_order_of_their_moments() -> None:
    """To 1e-12 of a token; what is not given is the price of the whole kind."""
    cost = {
        "inputPerMillion": "0.000001",
        "outputPerMillion": "2",
        "changes": [
            {"validFrom": "2027-01-01T00:00:00Z", "inputPerMillion": "3", "outputPerMillion": "4",
             "cachedInputPerMillion": "0.3", "reasoningPerMillion": "5"},
            {"validFrom": "2026-12-01T00:00:00Z", "inputPerMillion": "1", "outputPerMillion": "1"},
        ],
    }  # fmt: skip
    desk = policy(default=route("a")) | {}
    desk["spec"]["baseline"] = {"name": "b"}
    blob = blob_of(compiled(desk, known=backends(backend("a", cost=cost), backend("b"))))

    assert blob.baseline == "b"
    assert blob.backends["a"].prices == (
        table.Price(input_pico=1, output_pico=2_000_000, cached_pico=1, reasoning_pico=2_000_000),
        table.Price(from_s=1_796_083_200.0, input_pico=10**6, output_pico=10**6,
                    cached_pico=10**6, reasoning_pico=10**6),
        table.Price(from_s=1_798_761_600.0, input_pico=3 * 10**6, output_pico=4 * 10**6,
                    cached_pico=300_000, reasoning_pico=5 * 10**6),
    )  # fmt: skip


def test_a_price_of_replica_hours_costs_no_request_anything() -> None:
    """It is paid for the time, whoever asks."""
    known = backends(backend("a", cost={"replicaHour": "2.50", "currency": "EUR"}))
    compiled_a = blob_of(compiled(policy(default=route("a")), known=known)).backends["a"]
    assert (compiled_a.prices, compiled_a.currency) == ((), "EUR")


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        (None, None),
        ({"mode": "None", "retention": "1h"}, None),
        (
            {"mode": "Sampled", "samplePercent": 7, "retention": "1h30m"},
            table.Capture(mode="Sampled", percent=7, keep_s=5400, built_in=tuple(Known)),
        ),
        (
            {"mode": "Hash", "redact": {"builtIn": ["Email"], "patterns": ["A-[0-9]"]}},
            table.Capture(
                mode="Hash", keep_s=7 * 86_400, built_in=("Email",), patterns=("A-[0-9]",)
            ),
        ),
        (
            {"mode": "Full", "redact": {"builtIn": []}},
            table.Capture(mode="Full", keep_s=7 * 86_400),
        ),
    ],
)
def test_capture_is_compiled(
    capture: dict[str, Any] | None, expected: table.Capture | None
) -> None:
    """All known kinds are redacted unless the policy says otherwise."""
    desk = policy(default=route("a")) | {}
    if capture is not None:
        desk["spec"]["capture"] = capture
    assert blob_of(compiled(desk, known=backends(backend("a")))).capture == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, None),
        ({"signals": ["Retry"]}, table.Signals(retry_window_s=300.0)),
        ({"signals": ["Abandoned"], "retryWindow": "1m"}, table.Signals(abandoned=True)),
        (
            {"signals": ["Abandoned", "Retry"], "retryWindow": "1m"},
            table.Signals(retry_window_s=60.0, abandoned=True),
        ),
    ],
)
def test_implicit_feedback_is_compiled(
    asked: dict[str, Any] | None, expected: table.Signals | None
) -> None:
    """A window without Retry means nothing."""
    desk = policy(default=route("a")) | {}
    if asked is not None:
        desk["spec"]["implicitFeedback"] = asked
    assert blob_of(compiled(desk, known=backends(backend("a")))).signals == expected


def test_a_stored_cycle_is_refused_with_its_field() -> None:
    """An older schema allowed it; the message begins with the field's path."""
    verdict = compiled(CYCLE).verdicts["desk"]

    assert verdict.accepted.status is False
    assert verdict.accepted.reason == Reason.FALLBACK_CYCLE
    assert verdict.accepted.message.startswith("spec.default.fallback: ")
    assert verdict.entry is None


def test_a_refused_spec_keeps_the_last_accepted_revision() -> None:
    """Compiled anew: today's backends, yesterday's rules."""
    good = policy()
    plan = compiled(CYCLE, last=accepted(good))

    assert plan.verdicts["desk"].active_revision == revision_name("desk", good["spec"])
    assert plan.verdicts["desk"].accepted.status is False
    assert "stays in force" in plan.verdicts["desk"].accepted.message
    assert blob_of(plan).routes[0].targets[0].backend == "a"


def test_one_refused_policy_holds_up_no_other() -> None:
    """The other one gets its new revision."""
    plan = compiled(CYCLE, policy("other", model_names=("fast",)))

    assert [entry.name for entry in plan.entries] == ["other"]


def test_a_new_spec_with_a_missing_backend_is_refused_by_path() -> None:
    """Both conditions name the field and the backend."""
    verdict = compiled(
        policy(rules=(rule("x", {"task": ["Chat"]}, "a"), rule("y", {"task": ["Coding"]}, "gone")))
    ).verdicts["desk"]
    message = 'spec.rules[1].targets[0].backendRef.name: ModelBackend "gone" not found'

    assert (verdict.accepted.status, verdict.accepted.reason) == (False, Reason.BACKEND_NOT_FOUND)
    assert verdict.accepted.message == message
    assert (verdict.resolved_refs.status, verdict.resolved_refs.message) == (False, message)


def test_a_policy_before_its_backends_converges() -> None:
    """The same spec is accepted as soon as the backend is there."""
    desk = policy(default=route("later"))

    assert not compiled(desk).entries
    assert compiled(desk, known=backends(backend("later"))).entries


def test_a_backend_deleted_while_in_force_is_skipped() -> None:
    """Accepted stays; the reference is named; the route goes on with what is left."""
    desk = policy(default=route("a", "b", chain=("c",)))
    plan = compiled(desk, known=backends(backend("a")), last=accepted(desk))
    verdict, last = plan.verdicts["desk"], blob_of(plan).routes[-1]

    assert verdict.accepted.status
    assert verdict.resolved_refs.reason == Reason.BACKEND_NOT_FOUND
    assert verdict.resolved_refs.message.startswith("spec.default.targets[1].backendRef.name: ")
    assert [t.backend for t in last.targets] == ["a"]
    assert last.fallback is None


def test_a_route_may_lose_all_its_targets() -> None:
    """It stays, empty: the router answers 503 instead of asking somebody else."""
    desk = policy()
    plan = compiled(desk, known={}, last=accepted(desk))

    assert blob_of(plan).routes[-1].targets == ()


def test_an_invalid_backend_in_force_is_skipped_and_named() -> None:
    """A poisoned backend costs its own targets only."""
    desk = policy(default=route("a", "b"))
    broken = backends(backend("a"), backend("b", contextWindow="many"))
    verdict = compiled(desk, known=broken, last=accepted(desk)).verdicts["desk"]

    assert verdict.accepted.status
    assert verdict.resolved_refs.reason == Reason.BACKEND_INVALID


def test_the_oldest_policy_has_the_name() -> None:
    """The younger one is told whose it is."""
    old = policy("zeta", created="2025-01-01T00:00:00Z")
    plan = compiled(policy("alpha"), old)

    assert [entry.name for entry in plan.entries] == ["zeta"]
    assert plan.verdicts["alpha"].accepted.reason == Reason.MODEL_NAME_CONFLICT
    assert plan.verdicts["alpha"].accepted.message.startswith("spec.modelNames[0]: ")
    assert '"zeta"' in plan.verdicts["alpha"].accepted.message


def test_the_name_decides_between_policies_of_one_second() -> None:
    """creationTimestamp has no fractions."""
    plan = compiled(policy("b"), policy("a"))

    assert [entry.name for entry in plan.entries] == ["a"]


def test_the_loser_of_a_name_keeps_its_others() -> None:
    """Its last accepted revision stays in force without the name that it lost."""
    young = policy("young", model_names=("auto", "fast"))
    old = policy("old", created="2025-01-01T00:00:00Z")
    plan = compiled(young, old, last=accepted(young))
    entry = plan.verdicts["young"].entry

    assert entry
    assert entry.model_names == ("fast",)
    assert blob_of(plan, "young").model_names == ("fast",)


def test_a_policy_that_never_was_accepted_claims_no_name() -> None:
    """A broken old policy must not block a good young one."""
    cycle = {
        **CYCLE,
        "metadata": {**CYCLE["metadata"], "creationTimestamp": "2020-01-01T00:00:00Z"},
    }
    plan = compiled(cycle, policy("young"))

    assert [entry.name for entry in plan.entries] == ["young"]


@pytest.mark.slow
def test_a_blob_over_the_limit_is_refused() -> None:
    """Sixteen bundles of 64 KiB that do not shrink are over the 900 KiB a ConfigMap may hold."""
    letters = random.Random(1)
    noise = [
        backend(
            f"x{n}",
            external={
                "url": "https://x.example/v1",
                "caBundle": "".join(letters.choices(string.ascii_letters + string.digits, k=65536)),
            },
        )
        for n in range(32)
    ]
    rules = tuple(
        rule(f"r{i}", {"metadata": {"k": str(i)}}, *(f"x{n}" for n in range(16 * i, 16 * i + 16)))
        for i in range(2)
    )
    huge = policy(rules=rules)
    known = backends(backend("a"), *noise)
    verdict = compiled(huge, known=known, last=accepted(policy())).verdicts["desk"]

    assert verdict.accepted.reason == Reason.TOO_LARGE
    assert verdict.active_revision == revision_name("desk", policy()["spec"])


def test_a_hidden_rule_is_accepted_with_a_warning() -> None:
    """The message says which rule hides it."""
    verdict = compiled(
        policy(
            rules=(
                rule("wide", {"task": ["Coding", "Chat"]}, "a"),
                rule("narrow", {"task": ["Coding"], "contextTokens": {"min": 10}}, "b"),
            )
        )
    ).verdicts["desk"]

    assert verdict.accepted.status
    assert verdict.accepted.message.startswith("spec.rules[1].match: rule narrow can never match")
    assert [w.reason for w in verdict.warnings] == [Reason.RULE_NEVER_MATCHES]


@pytest.mark.parametrize(
    ("match", "old"),
    [
        ({"match": {"task": ["Coding"], "headers": [{"name": "A", "value": "b"}]}}, True),
        ({"matches": [{"task": ["Coding"]}]}, True),
        ({"matches": [{"task": ["Coding"]}, {"task": ["Chat"]}]}, False),
        ({"match": {"task": ["Coding"], "tools": False}}, False),
        ({"match": {"expression": "request.turns > 1"}}, False),
    ],
)
def test_what_an_older_router_would_misread_is_where_it_finds_no_match(
    match: dict[str, Any], old: bool
) -> None:
    """It refuses the policy then, instead of matching more than was meant."""
    route_of = blob_of(compiled(policy(rules=({"name": "one", **match, **route("b")},)))).routes[0]
    assert (route_of.match is not None, bool(route_of.matches)) == (old, not old)
    assert len(route_of.ways) == len(match.get("matches", [1]))


def test_a_policy_with_a_bad_expression_is_refused_with_its_reason() -> None:
    """The last accepted revision stays in force."""
    good = policy()
    bad = policy(rules=(rule("one", {"expression": "request.tsk == 'a'"}, "b"),))
    verdict = compiled(bad, last=accepted(good)).verdicts["desk"]

    assert (verdict.accepted.status, verdict.accepted.reason) == (False, Reason.INVALID_EXPRESSION)
    assert "spec.rules[0].match.expression: column 8: undeclared" in verdict.accepted.message
    assert verdict.active_revision == revision_name("desk", good["spec"])


def test_what_cannot_be_compiled_anew_stays_as_it_is() -> None:
    """An accepted revision that today's rules forbid: the routers keep the blob that they have."""
    entry = table.PolicyEntry(name="desk", revision="desk-0", blob="ff" * 32, model_names=("auto",))
    plan = compiled(CYCLE, last=accepted(CYCLE), previous={"desk": entry})

    assert plan.entries == (entry,)
    assert plan.blobs == {}


def test_patterns_of_an_older_version_stay_in_force_and_are_told() -> None:
    """More instructions to detect than are taken today: an upgrade stops no policy."""
    detect = {"dataClass": "Confidential", "patterns": ["(?s)a.{99}.{99}.{99}c"]}
    old = policy()
    old["spec"]["governance"] = {"detect": detect}
    entry = table.PolicyEntry(name="desk", revision="desk-0", blob="ff" * 32, model_names=("auto",))
    plan = compiled(old, last=accepted(old), previous={"desk": entry})

    assert plan.entries == (entry,)
    verdict = plan.verdicts["desk"].accepted
    assert (verdict.status, "spec.governance.detect.patterns" in verdict.message) == (False, True)


def test_equal_input_gives_equal_bytes_in_any_order() -> None:
    """Otherwise every resync would push a new table."""
    many = [policy(f"p{i}", model_names=(f"m{i}",)) for i in range(5)]

    assert compiled(*many) == compiled(*reversed(many))


def test_the_serial_grows_only_with_a_change() -> None:
    """A new leader changes the epoch alone."""
    entries = compiled(policy()).entries
    first = next_manifest(namespace=NAMESPACE, entries=entries, epoch=3, previous=None)
    same = next_manifest(namespace=NAMESPACE, entries=entries, epoch=4, previous=first)
    changed = next_manifest(namespace=NAMESPACE, entries=(), epoch=4, previous=same)
    stale = next_manifest(namespace=NAMESPACE, entries=(), epoch=2, previous=changed)

    assert [(m.epoch, m.serial) for m in (first, same, changed, stale)] == [
        (3, 1), (4, 1), (4, 2), (4, 2),
    ]  # fmt: skip


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "modelNames": JSON_VALUES | st.just(["auto"]),
        "rules": JSON_VALUES,
        "default": JSON_VALUES | st.just(route("a")),
    },
)


@given(spec=SPECS)
def test_however_broken_a_spec_is_others_are_served(spec: dict[str, Any]) -> None:
    """No stored object raises, and none holds up a good policy that is older."""
    poison = {**policy("poison", created="2026-05-05T00:00:00Z"), "spec": spec}
    plan = compiled(policy(), poison)

    assert plan.verdicts["desk"].accepted.status
    assert "poison" in plan.verdicts


@given(present=st.sets(st.sampled_from(["a", "b", "c"])), was_accepted=st.booleans())
def test_every_name_in_a_blob_resolves(present: set[str], was_accepted: bool) -> None:
    """Whatever is missing, a router never gets a target that it does not know."""
    desk = policy(
        rules=(rule("x", {"task": ["Chat"]}, "b", "c", chain=("a",)),),
        default=route("a", "b", chain=("c",)),
    )
    plan = compile_table(
        namespace=NAMESPACE,
        backends=backends(*(backend(name) for name in sorted(present))),
        policies=[observed_policy(desk)],
        accepted=accepted(desk) if was_accepted else {},
    )

    for data in plan.blobs.values():
        blob = table.decode_blob(data)
        assert blob.routes[-1].match is None
        for one in blob.routes:
            used = {t.backend for t in one.targets} | set(
                one.fallback.chain if one.fallback else ()
            )
            assert used <= blob.backends.keys() == blob.backends.keys() & present


def test_budgets_are_compiled_in_whole_numbers() -> None:
    """Money in billionths; what is not said is all of the policy, enforced, in USD."""
    desk = policy(default=route("a"))
    desk["spec"]["budgets"] = [
        {"name": "month", "window": "Month", "amount": "250.000001"},
        {"name": "app", "scope": "Caller", "window": "Day", "tokens": 5, "mode": "Shadow"},
        {"name": "euro", "window": "Hour", "amount": "1", "currency": "EUR"},
    ]
    blob = blob_of(compiled(desk, known=backends(backend("a"))))

    assert blob.budgets == (
        table.Budget("month", "Policy", "Month", True, 250_000_001_000, "USD"),
        table.Budget("app", "Caller", "Day", False, 5, ""),
        table.Budget("euro", "Policy", "Hour", True, 10**9, "EUR"),
    )
